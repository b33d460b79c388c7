#pragma once
/// @file
/// Round-to-nearest quantizers, the simplest for every type: the scale is what the largest weight asks for, the codes
/// are the nearest. Portable, a block at a time; the search (quantize.hpp) starts where this ends.

#include <cmath>
#include <cstdint>

#include "plumb/quant/codes.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {

/// As to_half, but what would overflow to infinity becomes the largest finite f16: a scale must stay finite.
constexpr Half to_half_saturated(float value) {
  return to_half(value > 65504.0f ? 65504.0f : value < -65504.0f ? -65504.0f : value);
}

namespace detail {

/// Nearest integer, ties to even, of a float clamped to [low, high], |low|, |high| < 2^22: adding 1.5 * 2^23 leaves no
/// fraction bits. (std::nearbyint is a library call on plain x86-64.)
inline float nearest_clamped(float value, float low, float high) {
  const float clamped = value < low ? low : value > high ? high : value;
  return (clamped + 12582912.0f) - 12582912.0f;
}

inline float inverse_or_zero(float value) { return value == 0 ? 0.0f : 1.0f / value; }

/// Code whose value is nearest to x / scale; code of the smallest magnitude where the scale is 0.
inline std::uint8_t nearest_code(const CodeGrid& grid, float x, float inverse_scale) {
  const float target = x * inverse_scale;
  if (grid.table == nullptr) {
    const auto bias = static_cast<float>(grid.bias);
    return static_cast<std::uint8_t>(nearest_clamped(target, -bias, static_cast<float>(grid.codes - 1) - bias) + bias);
  }
  int best = 0;
  for (int code = 1; code < grid.codes; ++code)
    if (std::fabs(grid.value(code) - target) < std::fabs(grid.value(best) - target)) best = code;
  return static_cast<std::uint8_t>(best);
}

/// Writes the nearest codes of `x` for the scales that `block` already has.
template <class Block>
void set_nearest_codes(Block& block, const float* x) {
  constexpr CodeGrid grid = Block::kGrid;
  constexpr int elements = dtype_info(Block::kType).block_elements;
  float scale[elements / grid.sub_block], offset[elements / grid.sub_block];
  block_scales(block, scale, offset);
  std::uint8_t codes[elements];
  for (int s = 0; s < elements / grid.sub_block; ++s) {
    const float inverse = inverse_or_zero(scale[s]);
    for (int k = s * grid.sub_block; k < (s + 1) * grid.sub_block; ++k)
      codes[k] = nearest_code(grid, x[k] - offset[s], inverse);
  }
  // -128 is left to nobody: products of two int8 numbers then stay below 2^14 in magnitude.
  if constexpr (Block::kType == DType::q8_0)
    for (std::uint8_t& code : codes) code = code == 0 ? std::uint8_t{1} : code;
  set_codes(block, codes);
}

/// The weight of largest magnitude, with its sign.
inline float extreme(const float* x, int n) {
  float best = 0;
  for (int k = 0; k < n; ++k) best = std::fabs(x[k]) > std::fabs(best) ? x[k] : best;
  return best;
}

/// Smallest and largest weight.
struct Span {
  float low, high;
};
inline Span span_of(const float* x, int n) {
  Span s{x[0], x[0]};
  for (int k = 1; k < n; ++k) {
    s.low = x[k] < s.low ? x[k] : s.low;
    s.high = x[k] > s.high ? x[k] : s.high;
  }
  return s;
}

/// Grid step and (non-negative) depth below zero of a sub-block of a K type with minima.
struct SubScale {
  float step, depth;
};
inline SubScale sub_scale(const float* x, int n, int top_code) {
  Span s = span_of(x, n);
  s.low = s.low < 0 ? s.low : 0.0f;
  s.high = s.high > s.low ? s.high : s.low;
  return {(s.high - s.low) / static_cast<float>(top_code), -s.low};
}

/// Steps and depths of all sub-blocks as integers up to `top` against the f16 scales d and dmin.
template <int n_sub>
void quantize_sub_scales(const SubScale (&sub)[n_sub], int top, Half& d, Half& dmin, std::uint8_t* scale,
                         std::uint8_t* minimum) {
  float step = 0, depth = 0;
  for (const SubScale& s : sub) {
    step = s.step > step ? s.step : step;
    depth = s.depth > depth ? s.depth : depth;
  }
  const auto limit = static_cast<float>(top);
  d = to_half_saturated(step / limit);
  dmin = to_half_saturated(depth / limit);
  const float inverse = inverse_or_zero(to_float(d)), inverse_min = inverse_or_zero(to_float(dmin));
  for (int s = 0; s < n_sub; ++s) {
    scale[s] = static_cast<std::uint8_t>(nearest_clamped(sub[s].step * inverse, 0.0f, limit));
    minimum[s] = static_cast<std::uint8_t>(nearest_clamped(sub[s].depth * inverse_min, 0.0f, limit));
  }
}

/// Signed scales of all sub-blocks as integers in [-bias, bias - 1] against the f16 scale d: the extreme goes to -bias.
template <int n_sub>
void quantize_signed_scales(const float (&sub)[n_sub], int bias, Half& d, std::int8_t* scale) {
  const auto limit = static_cast<float>(bias);
  d = to_half_saturated(extreme(sub, n_sub) / -limit);
  const float inverse = inverse_or_zero(to_float(d));
  for (int s = 0; s < n_sub; ++s)
    scale[s] = static_cast<std::int8_t>(nearest_clamped(sub[s] * inverse, -limit, limit - 1));
}

}  // namespace detail

// quantize_nearest(block, x): x is [block_elements], finite.

inline void quantize_nearest(float& block, const float* x) { block = *x; }
inline void quantize_nearest(Half& block, const float* x) { block = to_half_saturated(*x); }
inline void quantize_nearest(BFloat16& block, const float* x) { block = to_bfloat16(*x); }

inline void quantize_nearest(BlockQ4_0& block, const float* x) {
  block.d = to_half_saturated(detail::extreme(x, 32) / -8);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ5_0& block, const float* x) {
  block.d = to_half_saturated(detail::extreme(x, 32) / -16);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ8_0& block, const float* x) {
  block.d = to_half_saturated(std::fabs(detail::extreme(x, 32)) / 127);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ4_1& block, const float* x) {
  const detail::Span s = detail::span_of(x, 32);
  block.d = to_half_saturated((s.high - s.low) / 15);
  block.m = to_half_saturated(s.low);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ5_1& block, const float* x) {
  const detail::Span s = detail::span_of(x, 32);
  block.d = to_half_saturated((s.high - s.low) / 31);
  block.m = to_half_saturated(s.low);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ2_K& block, const float* x) {
  detail::SubScale sub[16];
  std::uint8_t scale[16], minimum[16];
  for (int s = 0; s < 16; ++s) sub[s] = detail::sub_scale(x + 16 * s, 16, 3);
  detail::quantize_sub_scales(sub, 15, block.d, block.dmin, scale, minimum);
  for (int s = 0; s < 16; ++s) block.scales[s] = static_cast<std::uint8_t>(scale[s] | minimum[s] << 4);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockQ3_K& block, const float* x) {
  float sub[16];
  std::int8_t scale[16];
  for (int s = 0; s < 16; ++s) sub[s] = detail::extreme(x + 16 * s, 16) / -4;
  detail::quantize_signed_scales(sub, 32, block.d, scale);
  pack_scales_q3_k(scale, block.scales);
  detail::set_nearest_codes(block, x);
}
namespace detail {
template <class Block>
void quantize_nearest_k4(Block& block, const float* x) {
  SubScale sub[8];
  ScalesK4 scales;
  for (int s = 0; s < 8; ++s) sub[s] = sub_scale(x + 32 * s, 32, Block::kGrid.codes - 1);
  quantize_sub_scales(sub, 63, block.d, block.dmin, scales.scale, scales.minimum);
  pack_scales_k4(scales, block.scales);
  set_nearest_codes(block, x);
}
}  // namespace detail
inline void quantize_nearest(BlockQ4_K& block, const float* x) { detail::quantize_nearest_k4(block, x); }
inline void quantize_nearest(BlockQ5_K& block, const float* x) { detail::quantize_nearest_k4(block, x); }
inline void quantize_nearest(BlockQ6_K& block, const float* x) {
  float sub[16];
  for (int s = 0; s < 16; ++s) sub[s] = detail::extreme(x + 16 * s, 16) / -32;
  detail::quantize_signed_scales(sub, 128, block.d, block.scales);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockIQ4_NL& block, const float* x) {
  block.d = to_half_saturated(detail::extreme(x, 32) / -127);
  detail::set_nearest_codes(block, x);
}
inline void quantize_nearest(BlockIQ4_XS& block, const float* x) {
  float sub[8];
  std::int8_t scale[8];
  for (int s = 0; s < 8; ++s) sub[s] = detail::extreme(x + 32 * s, 32) / -127;
  detail::quantize_signed_scales(sub, 32, block.d, scale);
  set_scales(block, scale);
  detail::set_nearest_codes(block, x);
}
/// The exponent is that of the largest weight, less 2: the OCP microscaling specification, section 6.3.
inline void quantize_nearest(BlockMXFP4& block, const float* x) {
  const float largest = std::fabs(detail::extreme(x, 32));
  const int exponent = largest > 0 ? std::ilogb(largest) - 2 + 127 : 0;
  block.e = static_cast<std::uint8_t>(exponent < 0 ? 0 : exponent > 254 ? 254 : exponent);
  detail::set_nearest_codes(block, x);
}

}  // namespace plumb
