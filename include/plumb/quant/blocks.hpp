#pragma once
/// @file
/// How each quantized GGUF type lies in memory, one struct a type. Source: the ggml block layout, as GGUF files hold
/// it.
///
/// A tensor row of `n` weights is n / block_elements blocks, one after the other. Two families:
///
///   32 weights a block    one f16 scale `d` (and, in the _1 types, one f16 minimum `m`):   w = d * q (+ m)
///   256 weights a block   a "super-block": sub-blocks of 16 or 32 weights have small integer scales (and minima)
///                         that are themselves quantized against one f16 `d` (and `dmin`):   w = d * sc * q (- dmin *
///                         mn)
///
/// Members stand in memory order, there is no padding, and integers are little-endian. In the nibble drawings below a
/// byte is written (low 4 bits, high 4 bits).

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "plumb/core/dtype.hpp"
#include "plumb/core/half.hpp"

namespace plumb::inline PLUMB_ABI {

/// Weights in a super-block of the K types.
inline constexpr int kSuperBlock = 256;
/// Weights in a block of the other types.
inline constexpr int kSmallBlock = 32;

/// The 16 levels of IQ4_NL and IQ4_XS.
inline constexpr std::array<std::int8_t, 16> kIq4nlValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                             1,    13,   25,  38,  53,  69,  89,  113};
/// The 16 levels of FP4 E2M1, doubled so that they are integers. Bit 3 is the sign.
inline constexpr std::array<std::int8_t, 16> kMxfp4Values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// What the codes of a type mean before scale and offset: integers minus a bias, or a table.
struct CodeGrid {
  int codes;                 ///< number of codes: 16 for four bits
  int bias;                  ///< value(code) = code - bias, where `table` is null
  const std::int8_t* table;  ///< value(code) = table[code], or null
  int sub_block;             ///< weights that share a scale (and an offset)

  constexpr float value(int code) const { return static_cast<float>(table ? table[code] : code - bias); }
};

/// Part of a block.
struct ByteRange {
  std::size_t offset = 0, bytes = 0;
};

// Each struct says its type, its grid and where its scales lie (minima too): kType, kGrid and kScales.

/// 4 bits, symmetric: w = d * (q - 8).
///   qs: byte j = (weight j, weight j + 16)
struct BlockQ4_0 {
  static constexpr DType kType = DType::q4_0;
  static constexpr CodeGrid kGrid = {16, 8, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 2}};
  Half d;
  std::uint8_t qs[16];
};

/// 4 bits with a minimum: w = d * q + m. Nibbles as in Q4_0.
struct BlockQ4_1 {
  static constexpr DType kType = DType::q4_1;
  static constexpr CodeGrid kGrid = {16, 0, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 4}};
  Half d;
  Half m;
  std::uint8_t qs[16];
};

/// 5 bits, symmetric: w = d * (q - 16).
///   qs: low four bits, as in Q4_0;  qh: bit j of this 32-bit number = fifth bit of weight j
struct BlockQ5_0 {
  static constexpr DType kType = DType::q5_0;
  static constexpr CodeGrid kGrid = {32, 16, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 2}};
  Half d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

/// 5 bits with a minimum: w = d * q + m. Bits as in Q5_0.
struct BlockQ5_1 {
  static constexpr DType kType = DType::q5_1;
  static constexpr CodeGrid kGrid = {32, 0, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 4}};
  Half d;
  Half m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

/// 8 bits, symmetric: w = d * q.
struct BlockQ8_0 {
  static constexpr DType kType = DType::q8_0;
  static constexpr CodeGrid kGrid = {256, 128, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 2}};
  Half d;
  std::int8_t qs[32];
};

/// 2 bits, 16 sub-blocks of 16: w = d * (scale & 15) * q - dmin * (scale >> 4).
///   scales: byte s = (scale, minimum) of sub-block s, weights 16 s ... 16 s + 15
///   qs: two halves of 128 weights, 32 bytes each; in half h, byte 32 h + l holds at bits 2 j the weight 128 h + 32 j +
///   l
struct BlockQ2_K {
  static constexpr DType kType = DType::q2_k;
  static constexpr CodeGrid kGrid = {4, 0, nullptr, 16};
  static constexpr ByteRange kScales[] = {{0, 16}, {80, 4}};
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  Half d;
  Half dmin;
};

/// 3 bits, 16 sub-blocks of 16, symmetric: w = d * (scale - 32) * (q - 4).
///   hmask: byte l, bit 4 h + j = third bit of weight 128 h + 32 j + l
///   qs: low two bits, as in Q2_K
///   scales: 16 six-bit numbers; low 4 bits of scale s in byte s % 8 (low nibble for s < 8, else high),
///           high 2 bits in byte 8 + s % 4 at bit 2 (s / 4)
struct BlockQ3_K {
  static constexpr DType kType = DType::q3_k;
  static constexpr CodeGrid kGrid = {8, 4, nullptr, 16};
  static constexpr ByteRange kScales[] = {{96, 14}};
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  Half d;
};

/// 4 bits, 8 sub-blocks of 32: w = d * scale * q - dmin * minimum.
///   scales: eight six-bit scales and eight six-bit minima, see unpack_scales_k4
///   qs: four groups of 64 weights, 32 bytes each; byte 32 g + l = (weight 64 g + l, weight 64 g + 32 + l)
struct BlockQ4_K {
  static constexpr DType kType = DType::q4_k;
  static constexpr CodeGrid kGrid = {16, 0, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 16}};
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};

/// 5 bits, 8 sub-blocks of 32: w = d * scale * q - dmin * minimum.
///   scales, qs: as in Q4_K;  qh: byte l, bit s = fifth bit of weight 32 s + l
struct BlockQ5_K {
  static constexpr DType kType = DType::q5_k;
  static constexpr CodeGrid kGrid = {32, 0, nullptr, 32};
  static constexpr ByteRange kScales[] = {{0, 16}};
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};

/// 6 bits, 16 sub-blocks of 16, symmetric: w = d * scale * (q - 32).
///   ql: two halves of 128 weights, 64 bytes each; byte 64 h + l = (weight 128 h + l, weight 128 h + 64 + l), l < 64
///   qh: byte 32 h + l holds at bits 2 j the two high bits of weight 128 h + 32 j + l, l < 32
struct BlockQ6_K {
  static constexpr DType kType = DType::q6_k;
  static constexpr CodeGrid kGrid = {64, 32, nullptr, 16};
  static constexpr ByteRange kScales[] = {{192, 18}};
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  Half d;
};

/// 4 bits into the table kIq4nlValues: w = d * table[q]. Nibbles as in Q4_0.
struct BlockIQ4_NL {
  static constexpr DType kType = DType::iq4_nl;
  static constexpr CodeGrid kGrid = {16, 0, kIq4nlValues.data(), 32};
  static constexpr ByteRange kScales[] = {{0, 2}};
  Half d;
  std::uint8_t qs[16];
};

/// 4 bits into the table kIq4nlValues, 8 sub-blocks of 32: w = d * (scale - 32) * table[q].
///   scales_h: bits 2 s = two high bits of scale s;  scales_l: nibble s (byte s / 2, low first) = its four low bits
///   qs: 16 bytes a sub-block, nibbles as in Q4_0
struct BlockIQ4_XS {
  static constexpr DType kType = DType::iq4_xs;
  static constexpr CodeGrid kGrid = {16, 0, kIq4nlValues.data(), 32};
  static constexpr ByteRange kScales[] = {{0, 8}};
  Half d;
  std::uint16_t scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};

/// OCP microscaling FP4: w = 2^(e - 127) * e2m1(q), here with the doubled table and e8m0_half. Nibbles as in Q4_0.
struct BlockMXFP4 {
  static constexpr DType kType = DType::mxfp4;
  static constexpr CodeGrid kGrid = {16, 0, kMxfp4Values.data(), 32};
  static constexpr ByteRange kScales[] = {{0, 1}};
  std::uint8_t e;
  std::uint8_t qs[16];
};

/// Half of the E8M0 scale, 2^(e - 128), exact for every e (subnormal for e < 2): goes with the doubled table.
constexpr float e8m0_half(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? std::uint32_t{0x0020'0000} << e : (std::uint32_t{e} - 1) << 23);
}

/// Eight six-bit scales and minima of Q4_K and Q5_K, unpacked.
///
/// For s < 4:  scale = byte s & 63, minimum = byte s + 4 & 63.
/// For s >= 4: low four bits in byte s + 4 = (scale, minimum), high two bits in the top of bytes s - 4 and s.
struct ScalesK4 {
  std::uint8_t scale[8];
  std::uint8_t minimum[8];
};

/// See ScalesK4.
constexpr ScalesK4 unpack_scales_k4(const std::uint8_t (&packed)[12]) {
  ScalesK4 out{};
  for (int s = 0; s < 4; ++s) {
    out.scale[s] = static_cast<std::uint8_t>(packed[s] & 63);
    out.minimum[s] = static_cast<std::uint8_t>(packed[s + 4] & 63);
    out.scale[s + 4] = static_cast<std::uint8_t>((packed[s + 8] & 15) | ((packed[s] >> 6) << 4));
    out.minimum[s + 4] = static_cast<std::uint8_t>((packed[s + 8] >> 4) | ((packed[s + 4] >> 6) << 4));
  }
  return out;
}

/// Inverse of unpack_scales_k4; every value must be below 64.
constexpr void pack_scales_k4(const ScalesK4& in, std::uint8_t (&packed)[12]) {
  for (int s = 0; s < 4; ++s) {
    packed[s] = static_cast<std::uint8_t>(in.scale[s] | ((in.scale[s + 4] >> 4) << 6));
    packed[s + 4] = static_cast<std::uint8_t>(in.minimum[s] | ((in.minimum[s + 4] >> 4) << 6));
    packed[s + 8] = static_cast<std::uint8_t>((in.scale[s + 4] & 15) | ((in.minimum[s + 4] & 15) << 4));
  }
}

/// The 16 scales of a Q3_K block, with the offset of 32 taken off: -32 ... 31.
constexpr std::array<std::int8_t, 16> unpack_scales_q3_k(const std::uint8_t (&packed)[12]) {
  std::array<std::int8_t, 16> out{};
  for (int s = 0; s < 16; ++s) {
    const int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
    const int high = (packed[8 + s % 4] >> (2 * (s / 4))) & 3;
    out[static_cast<std::size_t>(s)] = static_cast<std::int8_t>((low | (high << 4)) - 32);
  }
  return out;
}

/// Inverse of unpack_scales_q3_k; every value must be in -32 ... 31.
constexpr void pack_scales_q3_k(const std::int8_t (&scales)[16], std::uint8_t (&packed)[12]) {
  for (std::uint8_t& byte : packed) byte = 0;
  for (int s = 0; s < 16; ++s) {
    const int value = scales[s] + 32;
    packed[s % 8] = static_cast<std::uint8_t>(packed[s % 8] | ((value & 15) << (s < 8 ? 0 : 4)));
    packed[8 + s % 4] = static_cast<std::uint8_t>(packed[8 + s % 4] | ((value >> 4) << (2 * (s / 4))));
  }
}

/// Scale of sub-block `s` (0 ... 7) of an IQ4_XS block, with the offset of 32 taken off: -32 ... 31.
constexpr int iq4_xs_scale(const BlockIQ4_XS& block, int s) {
  const int low = (block.scales_l[s / 2] >> (4 * (s % 2))) & 15;
  const int high = (block.scales_h >> (2 * s)) & 3;
  return (low | (high << 4)) - 32;
}

}  // namespace plumb
