#pragma once
/// @file
/// Rows in file layout -> panels of 16 interleaved rows (R16K4). The order of a panel's parts is drawn beside the
/// unpacking code in kernels/generic/formats_*.hpp; tests hold the two against each other.

#include <array>
#include <cstring>
#include <string>

#include "plumb/quant/formats.hpp"
#include "plumb/quant/integer_group.hpp"
#include "plumb/quant/packed.hpp"

namespace plumb::inline PLUMB_ABI {
namespace detail {

/// The blocks of 16 rows at one k: what becomes one packed block.
template <class Block>
using SixteenBlocks = std::array<const Block*, 16>;

/// 4 bytes of each row in turn: out[64 v + 4 r + t] = rows[r][4 v + t]. `member` finds the bytes in a block.
template <class Block, class Member>
std::byte* interleave(const SixteenBlocks<Block>& rows, Member member, std::size_t bytes, std::byte* out) {
  for (std::size_t v = 0; v < bytes; v += 4)
    for (const Block* row : rows) {
      std::memcpy(out, reinterpret_cast<const std::byte*>(member(*row)) + v, 4);
      out += 4;
    }
  return out;
}

/// One value of each row, side by side.
template <class Block, class Value>
std::byte* side_by_side(const SixteenBlocks<Block>& rows, Value value, std::byte* out) {
  for (const Block* row : rows) {
    const auto x = value(*row);
    std::memcpy(out, &x, sizeof x);
    out += sizeof x;
  }
  return out;
}

/// Eight 4-bit fields in one word.
template <class Field>
std::uint32_t eight_nibbles(Field field) {
  std::uint32_t word = 0;
  for (int i = 0; i < 8; ++i) word |= static_cast<std::uint32_t>(field(i) & 15) << (4 * i);
  return word;
}

/// Bit 4 v + t of the file's word goes to bit v of byte t, where the kernels want it.
inline std::uint32_t fifth_bits_by_vector(const std::uint8_t (&qh)[4]) {
  std::uint32_t in = 0, out = 0;
  std::memcpy(&in, qh, 4);
  for (int v = 0; v < 8; ++v)
    for (int t = 0; t < 4; ++t) out |= ((in >> (4 * v + t)) & 1u) << (8 * t + v);
  return out;
}

inline constexpr auto scale_of = [](const auto& b) { return b.d; };
inline constexpr auto min_of = [](const auto& b) { return b.m; };
inline constexpr auto codes_of = [](const auto& b) { return b.qs; };

inline void pack_block(const SixteenBlocks<BlockQ4_0>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockIQ4_NL>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockMXFP4>& rows, std::byte* out) {
  out = side_by_side(
      rows, [](const BlockMXFP4& b) { return b.e; }, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockQ4_1>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(rows, min_of, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockQ5_0>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(
      rows, [](const BlockQ5_0& b) { return fifth_bits_by_vector(b.qh); }, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockQ5_1>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(rows, min_of, out);
  out = side_by_side(
      rows, [](const BlockQ5_1& b) { return fifth_bits_by_vector(b.qh); }, out);
  interleave(rows, codes_of, 16, out);
}
inline void pack_block(const SixteenBlocks<BlockQ8_0>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  std::byte* const codes = out;
  interleave(rows, codes_of, 32, out);
  for (int i = 0; i < 512; ++i) codes[i] ^= std::byte{0x80};  // signed -> unsigned with offset 128
}

/// Scales of Q4_K and Q5_K: see unpack_k_scales.
template <class Block>
std::byte* pack_k_scales(const SixteenBlocks<Block>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(
      rows, [](const Block& b) { return b.dmin; }, out);
  std::array<ScalesK4, 16> fields;
  for (std::size_t r = 0; r < 16; ++r) fields[r] = unpack_scales_k4(rows[r]->scales);
  std::uint32_t words[3][16];
  for (std::size_t r = 0; r < 16; ++r) {
    const ScalesK4& f = fields[r];
    words[0][r] = eight_nibbles([&](int i) { return f.scale[i]; });
    words[1][r] = eight_nibbles([&](int i) { return f.minimum[i]; });
    words[2][r] = 0;
    for (int i = 0; i < 8; ++i)
      words[2][r] |= static_cast<std::uint32_t>(f.scale[i] >> 4) << (2 * i) |
                     static_cast<std::uint32_t>(f.minimum[i] >> 4) << (16 + 2 * i);
  }
  std::memcpy(out, words, sizeof words);
  return out + sizeof words;
}
inline void pack_block(const SixteenBlocks<BlockQ4_K>& rows, std::byte* out) {
  out = pack_k_scales(rows, out);
  interleave(rows, codes_of, 128, out);
}
inline void pack_block(const SixteenBlocks<BlockQ5_K>& rows, std::byte* out) {
  out = pack_k_scales(rows, out);
  out = interleave(
      rows, [](const BlockQ5_K& b) { return b.qh; }, 32, out);
  interleave(rows, codes_of, 128, out);
}
inline void pack_block(const SixteenBlocks<BlockQ6_K>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  for (int i = 0; i < 16; ++i)
    out = side_by_side(
        rows, [i](const BlockQ6_K& b) { return b.scales[i]; }, out);
  out = interleave(
      rows, [](const BlockQ6_K& b) { return b.ql; }, 128, out);
  interleave(
      rows, [](const BlockQ6_K& b) { return b.qh; }, 64, out);
}
inline void pack_block(const SixteenBlocks<BlockQ2_K>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(
      rows, [](const BlockQ2_K& b) { return b.dmin; }, out);
  for (int i = 0; i < 16; ++i)
    out = side_by_side(
        rows, [i](const BlockQ2_K& b) { return b.scales[i]; }, out);
  interleave(rows, codes_of, 64, out);
}
inline void pack_block(const SixteenBlocks<BlockQ3_K>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  std::uint32_t words[3][16] = {};
  for (std::size_t r = 0; r < 16; ++r) {
    const std::array<std::int8_t, 16> scales = unpack_scales_q3_k(rows[r]->scales);
    const auto field = [&](int i) { return scales[static_cast<std::size_t>(i)] + 32; };
    words[0][r] = eight_nibbles([&](int i) { return field(i); });
    words[1][r] = eight_nibbles([&](int i) { return field(i + 8); });
    for (int i = 0; i < 16; ++i) words[2][r] |= static_cast<std::uint32_t>(field(i) >> 4) << (2 * i);
  }
  std::memcpy(out, words, sizeof words);
  out = interleave(
      rows, [](const BlockQ3_K& b) { return b.hmask; }, 32, out + sizeof words);
  interleave(rows, codes_of, 64, out);
}
inline void pack_block(const SixteenBlocks<BlockIQ4_XS>& rows, std::byte* out) {
  out = side_by_side(rows, scale_of, out);
  out = side_by_side(
      rows, [](const BlockIQ4_XS& b) { return b.scales_h; }, out);
  out = interleave(
      rows, [](const BlockIQ4_XS& b) { return b.scales_l; }, 4, out);
  interleave(rows, codes_of, 128, out);
}

template <class Block>
void pack_quantized(const std::byte* rows, std::size_t row_stride, std::int64_t n_rows, std::int64_t blocks,
                    std::byte* panel) {
  static const Block kZero{};
  for (std::int64_t b = 0; b < blocks; ++b, panel += 16 * sizeof(Block)) {
    SixteenBlocks<Block> sixteen;
    for (std::int64_t r = 0; r < 16; ++r)
      sixteen[static_cast<std::size_t>(r)] =
          r < n_rows ? reinterpret_cast<const Block*>(rows + static_cast<std::size_t>(r) * row_stride) + b : &kZero;
    pack_block(sixteen, panel);
  }
}

/// In-memory integers: a group of each row in turn, its scales side by side, its codes interleaved. A group may be the
/// whole row, whose scales then stand at the start of the panel. Missing rows have scale 0.
template <int bits, bool zero_point>
void pack_integers(IntegerGroup<bits, zero_point> storage, const std::byte* rows, std::size_t row_stride,
                   std::int64_t n_rows, std::int64_t cols, std::int64_t group, std::byte* panel) {
  const std::size_t bytes = storage.bytes(group);
  for (std::int64_t k = 0; k < cols; k += group, rows += bytes) {
    SixteenBlocks<std::byte> codes;
    for (std::size_t r = 0; r < 16; ++r) {
      const bool present = static_cast<std::int64_t>(r) < n_rows;
      const std::byte* const row = rows + (present ? r * row_stride : 0);
      const GroupScale s = present ? storage.scale(row) : GroupScale{};
      std::memcpy(panel + 2 * r, &s.scale, 2);
      if constexpr (zero_point) std::memcpy(panel + 32 + 2 * r, &s.minimum, 2);
      codes[r] = row + storage.kScaleBytes;
    }
    panel = interleave(
        codes, [](const std::byte& first) { return &first; }, bytes - storage.kScaleBytes,
        panel + 16 * storage.kScaleBytes);
  }
}

/// Floats: for each group of `PerLane` k, the values of row 0, row 1, ... row 15. Missing rows and k are zeros.
template <class Element, std::int64_t PerLane>
void pack_float(const std::byte* rows, std::size_t row_stride, std::int64_t n_rows, std::int64_t cols,
                std::byte* panel) {
  for (std::int64_t k = 0; k < cols; k += PerLane)
    for (std::int64_t r = 0; r < 16; ++r, panel += PerLane * static_cast<std::int64_t>(sizeof(Element))) {
      Element lane[PerLane] = {};
      const std::int64_t present = cols - k < PerLane ? cols - k : PerLane;
      if (r < n_rows)
        std::memcpy(lane,
                    rows + static_cast<std::size_t>(r) * row_stride + static_cast<std::size_t>(k) * sizeof(Element),
                    static_cast<std::size_t>(present) * sizeof(Element));
      std::memcpy(panel, lane, sizeof lane);
    }
}

}  // namespace detail

/// Packs up to 16 rows (each `row_stride` bytes after the one before, in file layout) into one panel. Rows beyond
/// n_rows become zeros. `panel` holds panel_bytes(type, cols) bytes. @throws Error{unsupported_type} for a type that is
/// not computed.
inline void pack_panel(DType type, const std::byte* rows, std::size_t row_stride, std::int64_t n_rows,
                       std::int64_t cols, std::byte* panel) {
  const DTypeInfo& info = dtype_info(type);
  if (info.in_memory())
    return visit_integer_type(type, [&](auto storage) {
      detail::pack_integers(storage, rows, row_stride, n_rows, cols, integer_type(type).group_of(cols), panel);
    });
  visit_block(type, [&]<class Block>(std::type_identity<Block>) {
    if constexpr (std::is_same_v<Block, float> || std::is_same_v<Block, Half>)
      detail::pack_float<Block, 1>(rows, row_stride, n_rows, cols, panel);
    else if constexpr (std::is_same_v<Block, BFloat16>)
      detail::pack_float<Block, 2>(rows, row_stride, n_rows, cols, panel);
    else
      detail::pack_quantized<Block>(rows, row_stride, n_rows, cols / info.block_elements, panel);
  });
}

}  // namespace plumb
