#pragma once
/// @file
/// Codes in, block out: where each quantized number of a block goes, for every quantized type. Inverse of what
/// dequantize.hpp reads. All quantizers (nearest, search, GPTQ) end here, so the bit layouts stand once for writing.
///
/// A code is the unsigned number that a block stores for a weight; `codes` is [block_elements] in weight order. What a
/// code means is the block's grid: w = scale * value(code) + offset, one (scale, offset) for each sub-block.

#include <cstdint>
#include <cstring>

#include "plumb/quant/formats.hpp"

namespace plumb::inline PLUMB_ABI {

/// The grid of a quantized type. @throws Error{unsupported_type} for any other.
constexpr CodeGrid code_grid(DType type) {
  return visit_quantized_block(type, []<class Block>(std::type_identity<Block>) { return Block::kGrid; });
}

namespace detail {
/// Sixteen bytes of nibbles: byte j = (code j, code j + 16).
inline void set_nibbles(std::uint8_t* qs, const std::uint8_t* codes) {
  for (int j = 0; j < 16; ++j) qs[j] = static_cast<std::uint8_t>((codes[j] & 15) | (codes[j + 16] << 4));
}
/// The fifth bits of 32 codes.
inline void set_fifth_bits(std::uint8_t (&qh)[4], const std::uint8_t* codes) {
  std::uint32_t bits = 0;
  for (int j = 0; j < 32; ++j) bits |= static_cast<std::uint32_t>((codes[j] >> 4) & 1) << j;
  std::memcpy(qh, &bits, sizeof bits);
}
/// Two bits a weight, as Q2_K and Q3_K hold them: 32 bytes a half, four weights a byte, 32 weights apart.
inline void set_pairs(std::uint8_t (&qs)[64], const std::uint8_t* codes) {
  for (int half = 0; half < 2; ++half)
    for (int l = 0; l < 32; ++l) {
      const std::uint8_t* c = codes + 128 * half + l;
      qs[32 * half + l] =
          static_cast<std::uint8_t>((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
}
/// Four bits a weight, as Q4_K and Q5_K hold them: byte 32 g + l = (code 64 g + l, code 64 g + 32 + l).
inline void set_wide_nibbles(std::uint8_t (&qs)[128], const std::uint8_t* codes) {
  for (int g = 0; g < 4; ++g)
    for (int l = 0; l < 32; ++l)
      qs[32 * g + l] = static_cast<std::uint8_t>((codes[64 * g + l] & 15) | (codes[64 * g + 32 + l] & 15) << 4);
}
}  // namespace detail

inline void set_codes(BlockQ4_0& b, const std::uint8_t* codes) { detail::set_nibbles(b.qs, codes); }
inline void set_codes(BlockQ4_1& b, const std::uint8_t* codes) { detail::set_nibbles(b.qs, codes); }
inline void set_codes(BlockIQ4_NL& b, const std::uint8_t* codes) { detail::set_nibbles(b.qs, codes); }
inline void set_codes(BlockMXFP4& b, const std::uint8_t* codes) { detail::set_nibbles(b.qs, codes); }
inline void set_codes(BlockQ5_0& b, const std::uint8_t* codes) {
  detail::set_nibbles(b.qs, codes);
  detail::set_fifth_bits(b.qh, codes);
}
inline void set_codes(BlockQ5_1& b, const std::uint8_t* codes) {
  detail::set_nibbles(b.qs, codes);
  detail::set_fifth_bits(b.qh, codes);
}
/// Codes are stored minus 128.
inline void set_codes(BlockQ8_0& b, const std::uint8_t* codes) {
  for (int j = 0; j < 32; ++j) b.qs[j] = static_cast<std::int8_t>(codes[j] - 128);
}
inline void set_codes(BlockQ2_K& b, const std::uint8_t* codes) { detail::set_pairs(b.qs, codes); }
inline void set_codes(BlockQ3_K& b, const std::uint8_t* codes) {
  detail::set_pairs(b.qs, codes);
  for (int l = 0; l < 32; ++l) {
    int bits = 0;
    for (int group = 0; group < 8; ++group) bits |= ((codes[32 * group + l] >> 2) & 1) << group;
    b.hmask[l] = static_cast<std::uint8_t>(bits);
  }
}
inline void set_codes(BlockQ4_K& b, const std::uint8_t* codes) { detail::set_wide_nibbles(b.qs, codes); }
inline void set_codes(BlockQ5_K& b, const std::uint8_t* codes) {
  detail::set_wide_nibbles(b.qs, codes);
  for (int l = 0; l < 32; ++l) {
    int bits = 0;
    for (int s = 0; s < 8; ++s) bits |= ((codes[32 * s + l] >> 4) & 1) << s;
    b.qh[l] = static_cast<std::uint8_t>(bits);
  }
}
inline void set_codes(BlockQ6_K& b, const std::uint8_t* codes) {
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* c = codes + 128 * half;
    for (int l = 0; l < 64; ++l) b.ql[64 * half + l] = static_cast<std::uint8_t>((c[l] & 15) | (c[l + 64] & 15) << 4);
    for (int l = 0; l < 32; ++l)
      b.qh[32 * half + l] =
          static_cast<std::uint8_t>(c[l] >> 4 | (c[l + 32] >> 4) << 2 | (c[l + 64] >> 4) << 4 | (c[l + 96] >> 4) << 6);
  }
}
inline void set_codes(BlockIQ4_XS& b, const std::uint8_t* codes) {
  for (int s = 0; s < 8; ++s) detail::set_nibbles(b.qs + 16 * s, codes + 32 * s);
}

/// Puts eight scales of -32 ... 31 into an IQ4_XS block.
constexpr void set_scales(BlockIQ4_XS& b, const std::int8_t (&scales)[8]) {
  b.scales_h = 0;
  for (std::uint8_t& byte : b.scales_l) byte = 0;
  for (int s = 0; s < 8; ++s) {
    const int value = scales[s] + 32;
    b.scales_l[s / 2] = static_cast<std::uint8_t>(b.scales_l[s / 2] | (value & 15) << (4 * (s % 2)));
    b.scales_h = static_cast<std::uint16_t>(b.scales_h | (value >> 4) << (2 * s));
  }
}

// The scales (and offsets) that a block's sub-blocks have: w = scale[s] * value(code) + offset[s], in exact f32.
// `scale` and `offset` are [block_elements / sub_block].

inline void block_scales(const BlockQ4_0& b, float* scale, float* offset) { scale[0] = to_float(b.d), offset[0] = 0; }
inline void block_scales(const BlockQ5_0& b, float* scale, float* offset) { scale[0] = to_float(b.d), offset[0] = 0; }
inline void block_scales(const BlockQ8_0& b, float* scale, float* offset) { scale[0] = to_float(b.d), offset[0] = 0; }
inline void block_scales(const BlockIQ4_NL& b, float* scale, float* offset) { scale[0] = to_float(b.d), offset[0] = 0; }
inline void block_scales(const BlockMXFP4& b, float* scale, float* offset) { scale[0] = e8m0_half(b.e), offset[0] = 0; }
inline void block_scales(const BlockQ4_1& b, float* scale, float* offset) {
  scale[0] = to_float(b.d);
  offset[0] = to_float(b.m);
}
inline void block_scales(const BlockQ5_1& b, float* scale, float* offset) {
  scale[0] = to_float(b.d);
  offset[0] = to_float(b.m);
}
inline void block_scales(const BlockQ2_K& b, float* scale, float* offset) {
  for (int s = 0; s < 16; ++s) {
    scale[s] = to_float(b.d) * static_cast<float>(b.scales[s] & 15);
    offset[s] = -(to_float(b.dmin) * static_cast<float>(b.scales[s] >> 4));
  }
}
inline void block_scales(const BlockQ3_K& b, float* scale, float* offset) {
  const std::array<std::int8_t, 16> scales = unpack_scales_q3_k(b.scales);
  for (std::size_t s = 0; s < 16; ++s) scale[s] = to_float(b.d) * static_cast<float>(scales[s]), offset[s] = 0;
}
namespace detail {
inline void block_scales_k4(Half d, Half dmin, const std::uint8_t (&packed)[12], float* scale, float* offset) {
  const ScalesK4 scales = unpack_scales_k4(packed);
  for (int s = 0; s < 8; ++s) {
    scale[s] = to_float(d) * static_cast<float>(scales.scale[s]);
    offset[s] = -(to_float(dmin) * static_cast<float>(scales.minimum[s]));
  }
}
}  // namespace detail
inline void block_scales(const BlockQ4_K& b, float* scale, float* offset) {
  detail::block_scales_k4(b.d, b.dmin, b.scales, scale, offset);
}
inline void block_scales(const BlockQ5_K& b, float* scale, float* offset) {
  detail::block_scales_k4(b.d, b.dmin, b.scales, scale, offset);
}
inline void block_scales(const BlockQ6_K& b, float* scale, float* offset) {
  for (int s = 0; s < 16; ++s) scale[s] = to_float(b.d) * static_cast<float>(b.scales[s]), offset[s] = 0;
}
inline void block_scales(const BlockIQ4_XS& b, float* scale, float* offset) {
  for (int s = 0; s < 8; ++s) scale[s] = to_float(b.d) * static_cast<float>(iq4_xs_scale(b, s)), offset[s] = 0;
}

}  // namespace plumb
