#pragma once
/// @file
/// Block to float, for every computed type: portable, exact (one rounding a weight, as the format defines), no state.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/quant/formats.hpp"
#include "plumb/quant/integer_group.hpp"

namespace plumb::inline PLUMB_ABI {

// One block to floats: `out` is [block_elements]. Products of scales are exact in f32 (11 + 8 bits at most), so that
// each weight is rounded once whatever the order.

inline void dequantize_block(float value, float* out) { *out = value; }
inline void dequantize_block(Half value, float* out) { *out = to_float(value); }
inline void dequantize_block(BFloat16 value, float* out) { *out = to_float(value); }

inline void dequantize_block(const BlockQ4_0& b, float* out) {
  const float d = to_float(b.d);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((b.qs[j] & 15) - 8);
    out[j + 16] = d * static_cast<float>((b.qs[j] >> 4) - 8);
  }
}

inline void dequantize_block(const BlockQ4_1& b, float* out) {
  const float d = to_float(b.d), m = to_float(b.m);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(b.qs[j] & 15) + m;
    out[j + 16] = d * static_cast<float>(b.qs[j] >> 4) + m;
  }
}

namespace detail {
/// The fifth bits of a Q5_0 or Q5_1 block as one number: bit j belongs to weight j.
inline std::uint32_t fifth_bits(const std::uint8_t (&qh)[4]) {
  std::uint32_t bits;
  std::memcpy(&bits, qh, sizeof bits);
  return bits;
}
}  // namespace detail

inline void dequantize_block(const BlockQ5_0& b, float* out) {
  const float d = to_float(b.d);
  const std::uint32_t high = detail::fifth_bits(b.qh);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(((b.qs[j] & 15) | static_cast<int>((high >> j) & 1) << 4) - 16);
    out[j + 16] = d * static_cast<float>(((b.qs[j] >> 4) | static_cast<int>((high >> (j + 16)) & 1) << 4) - 16);
  }
}

inline void dequantize_block(const BlockQ5_1& b, float* out) {
  const float d = to_float(b.d), m = to_float(b.m);
  const std::uint32_t high = detail::fifth_bits(b.qh);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((b.qs[j] & 15) | static_cast<int>((high >> j) & 1) << 4) + m;
    out[j + 16] = d * static_cast<float>((b.qs[j] >> 4) | static_cast<int>((high >> (j + 16)) & 1) << 4) + m;
  }
}

inline void dequantize_block(const BlockQ8_0& b, float* out) {
  const float d = to_float(b.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(b.qs[j]);
}

inline void dequantize_block(const BlockQ2_K& b, float* out) {
  const float d = to_float(b.d), dmin = to_float(b.dmin);
  for (int s = 0; s < 16; ++s) {  // sub-block s: half s / 8, two bits at 2 (s / 2 % 4), bytes 16 (s % 2) ...
    const float scale = d * static_cast<float>(b.scales[s] & 15);
    const float minimum = dmin * static_cast<float>(b.scales[s] >> 4);
    const std::uint8_t* qs = b.qs + 32 * (s / 8) + 16 * (s % 2);
    const int shift = 2 * (s / 2 % 4);
    for (int l = 0; l < 16; ++l) out[16 * s + l] = scale * static_cast<float>((qs[l] >> shift) & 3) - minimum;
  }
}

inline void dequantize_block(const BlockQ3_K& b, float* out) {
  const float d = to_float(b.d);
  const std::array<std::int8_t, 16> scales = unpack_scales_q3_k(b.scales);
  for (int s = 0; s < 16; ++s) {
    const float scale = d * static_cast<float>(scales[static_cast<std::size_t>(s)]);
    const std::uint8_t* qs = b.qs + 32 * (s / 8) + 16 * (s % 2);
    const std::uint8_t* high = b.hmask + 16 * (s % 2);
    const int shift = 2 * (s / 2 % 4);
    for (int l = 0; l < 16; ++l) {
      const int q = ((qs[l] >> shift) & 3) | (((high[l] >> (s / 2)) & 1) << 2);
      out[16 * s + l] = scale * static_cast<float>(q - 4);
    }
  }
}

inline void dequantize_block(const BlockQ4_K& b, float* out) {
  const float d = to_float(b.d), dmin = to_float(b.dmin);
  const ScalesK4 scales = unpack_scales_k4(b.scales);
  for (int s = 0; s < 8; ++s) {
    const float scale = d * static_cast<float>(scales.scale[s]);
    const float minimum = dmin * static_cast<float>(scales.minimum[s]);
    const std::uint8_t* qs = b.qs + 32 * (s / 2);
    const int shift = 4 * (s % 2);
    for (int l = 0; l < 32; ++l) out[32 * s + l] = scale * static_cast<float>((qs[l] >> shift) & 15) - minimum;
  }
}

inline void dequantize_block(const BlockQ5_K& b, float* out) {
  const float d = to_float(b.d), dmin = to_float(b.dmin);
  const ScalesK4 scales = unpack_scales_k4(b.scales);
  for (int s = 0; s < 8; ++s) {
    const float scale = d * static_cast<float>(scales.scale[s]);
    const float minimum = dmin * static_cast<float>(scales.minimum[s]);
    const std::uint8_t* qs = b.qs + 32 * (s / 2);
    const int shift = 4 * (s % 2);
    for (int l = 0; l < 32; ++l) {
      const int q = ((qs[l] >> shift) & 15) | (((b.qh[l] >> s) & 1) << 4);
      out[32 * s + l] = scale * static_cast<float>(q) - minimum;
    }
  }
}

inline void dequantize_block(const BlockQ6_K& b, float* out) {
  const float d = to_float(b.d);
  for (int s = 0; s < 16; ++s) {  // sub-block s: half h = s / 8, quarter j = s / 2 % 4, 16 weights from 16 (s % 2)
    const float scale = d * static_cast<float>(b.scales[s]);
    const int half = s / 8, quarter = s / 2 % 4, first = 16 * (s % 2);
    const std::uint8_t* ql = b.ql + 64 * half + 32 * (quarter % 2) + first;
    const std::uint8_t* qh = b.qh + 32 * half + first;
    const int low_shift = 4 * (quarter / 2), high_shift = 2 * quarter;
    for (int l = 0; l < 16; ++l) {
      const int q = ((ql[l] >> low_shift) & 15) | (((qh[l] >> high_shift) & 3) << 4);
      out[16 * s + l] = scale * static_cast<float>(q - 32);
    }
  }
}

inline void dequantize_block(const BlockIQ4_NL& b, float* out) {
  const float d = to_float(b.d);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(kIq4nlValues[b.qs[j] & 15]);
    out[j + 16] = d * static_cast<float>(kIq4nlValues[b.qs[j] >> 4]);
  }
}

inline void dequantize_block(const BlockIQ4_XS& b, float* out) {
  const float d = to_float(b.d);
  for (int s = 0; s < 8; ++s) {
    const float scale = d * static_cast<float>(iq4_xs_scale(b, s));
    const std::uint8_t* qs = b.qs + 16 * s;
    for (int j = 0; j < 16; ++j) {
      out[32 * s + j] = scale * static_cast<float>(kIq4nlValues[qs[j] & 15]);
      out[32 * s + j + 16] = scale * static_cast<float>(kIq4nlValues[qs[j] >> 4]);
    }
  }
}

inline void dequantize_block(const BlockMXFP4& b, float* out) {
  const float d = e8m0_half(b.e);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(kMxfp4Values[b.qs[j] & 15]);
    out[j + 16] = d * static_cast<float>(kMxfp4Values[b.qs[j] >> 4]);
  }
}

/// @throws Error{unsupported_type} naming a type that plumb knows but does not compute.
inline void require_computed(DType type) {
  if (!dtype_info(type).computed)
    throw Error(ErrorCode::unsupported_type,
                "tensor type " + std::string(dtype_name(type)) + " is known by name but not computed");
}

namespace detail {
template <class Block>
void dequantize_blocks(const std::byte* row, float* out, std::int64_t n) {
  constexpr int elements = dtype_info(kTypeOf<Block>).block_elements;
  for (std::int64_t i = 0; i < n / elements; ++i) {
    Block block;  // copied: a row inside a file need not be aligned for its element type
    std::memcpy(&block, row + static_cast<std::size_t>(i) * sizeof block, sizeof block);
    dequantize_block(block, out + i * elements);
  }
}

/// A row of an in-memory type.
inline void dequantize_integers(DType type, const std::byte* row, float* out, std::int64_t n) {
  const std::int64_t group = integer_type(type).group_of(n);
  visit_integer_type(type, [&](auto storage) {
    for (std::int64_t k = 0; k < n; k += group, row += storage.bytes(group)) storage.dequantize(row, group, out + k);
  });
}
}  // namespace detail

/// Decodes one row, or any whole number of blocks from its start: `row` is row_bytes(type, n) bytes, `out` is [n]. Any
/// alignment.
/// @throws Error{unsupported_type} for a type that is not computed, Error{bad_shape} when its block does not divide
/// `n`.
inline void dequantize_row(DType type, const std::byte* row, float* out, std::int64_t n) {
  require_computed(type);
  row_bytes(type, n);  // refuses torn blocks
  if (dtype_info(type).in_memory()) return detail::dequantize_integers(type, row, out, n);
  visit_block(type, [&]<class Block>(std::type_identity<Block>) { detail::dequantize_blocks<Block>(row, out, n); });
}

}  // namespace plumb
