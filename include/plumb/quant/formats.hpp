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

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "plumb/core/dtype.hpp"
#include "plumb/core/half.hpp"

namespace plumb::inline PLUMB_ABI {

/// Weights in a super-block of the K types.
inline constexpr int kSuperBlock = 256;
/// Weights in a block of the other types.
inline constexpr int kSmallBlock = 32;

/// 4 bits, symmetric: w = d * (q - 8).
///   qs: byte j = (weight j, weight j + 16)
struct BlockQ4_0 {
  Half d;
  std::uint8_t qs[16];
};

/// 4 bits with a minimum: w = d * q + m. Nibbles as in Q4_0.
struct BlockQ4_1 {
  Half d;
  Half m;
  std::uint8_t qs[16];
};

/// 5 bits, symmetric: w = d * (q - 16).
///   qs: low four bits, as in Q4_0;  qh: bit j of this 32-bit number = fifth bit of weight j
struct BlockQ5_0 {
  Half d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

/// 5 bits with a minimum: w = d * q + m. Bits as in Q5_0.
struct BlockQ5_1 {
  Half d;
  Half m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

/// 8 bits, symmetric: w = d * q.
struct BlockQ8_0 {
  Half d;
  std::int8_t qs[32];
};

/// 2 bits, 16 sub-blocks of 16: w = d * (scale & 15) * q - dmin * (scale >> 4).
///   scales: byte s = (scale, minimum) of sub-block s, weights 16 s ... 16 s + 15
///   qs: two halves of 128 weights, 32 bytes each; in half h, byte 32 h + l holds at bits 2 j the weight 128 h + 32 j +
///   l
struct BlockQ2_K {
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
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  Half d;
};

/// 4 bits, 8 sub-blocks of 32: w = d * scale * q - dmin * minimum.
///   scales: eight six-bit scales and eight six-bit minima, see unpack_scales_k4
///   qs: four groups of 64 weights, 32 bytes each; byte 32 g + l = (weight 64 g + l, weight 64 g + 32 + l)
struct BlockQ4_K {
  Half d;
  Half dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};

/// 5 bits, 8 sub-blocks of 32: w = d * scale * q - dmin * minimum.
///   scales, qs: as in Q4_K;  qh: byte l, bit s = fifth bit of weight 32 s + l
struct BlockQ5_K {
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
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  Half d;
};

/// 4 bits into the table kIq4nlValues: w = d * table[q]. Nibbles as in Q4_0.
struct BlockIQ4_NL {
  Half d;
  std::uint8_t qs[16];
};

/// 4 bits into the table kIq4nlValues, 8 sub-blocks of 32: w = d * (scale - 32) * table[q].
///   scales_h: bits 2 s = two high bits of scale s;  scales_l: nibble s (byte s / 2, low first) = its four low bits
///   qs: 16 bytes a sub-block, nibbles as in Q4_0
struct BlockIQ4_XS {
  Half d;
  std::uint16_t scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};

/// OCP microscaling FP4: w = 2^(e - 127) * e2m1(q), here with the doubled table and e8m0_half. Nibbles as in Q4_0.
struct BlockMXFP4 {
  std::uint8_t e;
  std::uint8_t qs[16];
};

/// The 16 levels of IQ4_NL and IQ4_XS.
inline constexpr std::array<std::int8_t, 16> kIq4nlValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                             1,    13,   25,  38,  53,  69,  89,  113};
/// The 16 levels of FP4 E2M1, doubled so that they are integers. Bit 3 is the sign.
inline constexpr std::array<std::int8_t, 16> kMxfp4Values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

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

namespace detail {
template <DType type>
struct BlockStruct;
template <>
struct BlockStruct<DType::q4_0> {
  using type = BlockQ4_0;
};
template <>
struct BlockStruct<DType::q4_1> {
  using type = BlockQ4_1;
};
template <>
struct BlockStruct<DType::q5_0> {
  using type = BlockQ5_0;
};
template <>
struct BlockStruct<DType::q5_1> {
  using type = BlockQ5_1;
};
template <>
struct BlockStruct<DType::q8_0> {
  using type = BlockQ8_0;
};
template <>
struct BlockStruct<DType::q2_k> {
  using type = BlockQ2_K;
};
template <>
struct BlockStruct<DType::q3_k> {
  using type = BlockQ3_K;
};
template <>
struct BlockStruct<DType::q4_k> {
  using type = BlockQ4_K;
};
template <>
struct BlockStruct<DType::q5_k> {
  using type = BlockQ5_K;
};
template <>
struct BlockStruct<DType::q6_k> {
  using type = BlockQ6_K;
};
template <>
struct BlockStruct<DType::iq4_nl> {
  using type = BlockIQ4_NL;
};
template <>
struct BlockStruct<DType::iq4_xs> {
  using type = BlockIQ4_XS;
};
template <>
struct BlockStruct<DType::mxfp4> {
  using type = BlockMXFP4;
};
// The element types count as blocks of one.
template <>
struct BlockStruct<DType::f32> {
  using type = float;
};
template <>
struct BlockStruct<DType::f16> {
  using type = Half;
};
template <>
struct BlockStruct<DType::bf16> {
  using type = BFloat16;
};
}  // namespace detail

/// The block struct of a computed type: BlockOf<DType::q4_k> is BlockQ4_K; of an element type, that element.
template <DType type>
using BlockOf = typename detail::BlockStruct<type>::type;

/// Every GGUF type that plumb computes, quantizes to and reads from.
inline constexpr std::array kComputedTypes = {
    DType::f32,  DType::f16,  DType::bf16, DType::q4_0, DType::q4_1, DType::q5_0,   DType::q5_1,   DType::q8_0,
    DType::q2_k, DType::q3_k, DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4};

/// plumb's own integer types, which are in no file (quant/integer_group.hpp). They are computed too.
inline constexpr std::array kIntegerTypes = {DType::int4g32,  DType::int4g64,  DType::int4g128,  DType::int4row,
                                             DType::int4g32z, DType::int4g64z, DType::int4g128z, DType::int4rowz,
                                             DType::int8g32,  DType::int8g64,  DType::int8g128,  DType::int8row,
                                             DType::int8g32z, DType::int8g64z, DType::int8g128z, DType::int8rowz};

/// All types that products take: the computed GGUF types, then the in-memory integers.
inline constexpr auto kWeightTypes = [] {
  std::array<DType, kComputedTypes.size() + kIntegerTypes.size()> all{};
  std::copy(kComputedTypes.begin(), kComputedTypes.end(), all.begin());
  std::copy(kIntegerTypes.begin(), kIntegerTypes.end(), all.begin() + kComputedTypes.size());
  return all;
}();

namespace detail {
// Size and bits per weight against the type table; the structs may be read straight from a file, so no padding.
template <DType type>
constexpr bool layout_agrees() {
  return sizeof(BlockOf<type>) == dtype_info(type).block_bytes && dtype_info(type).computed;
}
template <std::size_t... i>
constexpr bool layouts_agree(std::index_sequence<i...>) {
  return (layout_agrees<kComputedTypes[i]>() && ...);
}
static_assert(layouts_agree(std::make_index_sequence<kComputedTypes.size()>{}));
static_assert(std::endian::native == std::endian::little, "blocks are read in place");
}  // namespace detail

static_assert(sizeof(BlockQ4_0) == 18 && dtype_info(DType::q4_0).bits_per_weight() == 4.5);
static_assert(sizeof(BlockQ4_1) == 20 && dtype_info(DType::q4_1).bits_per_weight() == 5.0);
static_assert(sizeof(BlockQ5_0) == 22 && dtype_info(DType::q5_0).bits_per_weight() == 5.5);
static_assert(sizeof(BlockQ5_1) == 24 && dtype_info(DType::q5_1).bits_per_weight() == 6.0);
static_assert(sizeof(BlockQ8_0) == 34 && dtype_info(DType::q8_0).bits_per_weight() == 8.5);
static_assert(sizeof(BlockQ2_K) == 84 && dtype_info(DType::q2_k).bits_per_weight() == 2.625);
static_assert(sizeof(BlockQ3_K) == 110 && dtype_info(DType::q3_k).bits_per_weight() == 3.4375);
static_assert(sizeof(BlockQ4_K) == 144 && dtype_info(DType::q4_k).bits_per_weight() == 4.5);
static_assert(sizeof(BlockQ5_K) == 176 && dtype_info(DType::q5_k).bits_per_weight() == 5.5);
static_assert(sizeof(BlockQ6_K) == 210 && dtype_info(DType::q6_k).bits_per_weight() == 6.5625);
static_assert(sizeof(BlockIQ4_NL) == 18 && dtype_info(DType::iq4_nl).bits_per_weight() == 4.5);
static_assert(sizeof(BlockIQ4_XS) == 136 && dtype_info(DType::iq4_xs).bits_per_weight() == 4.25);
static_assert(sizeof(BlockMXFP4) == 17 && dtype_info(DType::mxfp4).bits_per_weight() == 4.25);

}  // namespace plumb
