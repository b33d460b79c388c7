#pragma once
/// @file
/// How plumb's own integer types lie in memory. They are in no file: rows are made from other types at load.
///
/// A row is a sequence of groups, each as long as the type says, or one group as long as the row:
///
///     group of n weights   | scale: f16 | minimum: f16, with a zero point only | codes: n bytes, or n / 2 |
///
/// Codes are stored unsigned: code + 128 or code + 8 for the symmetric grids, as they are for those with a zero point.
/// Four bits: byte j of each 16 = (weight j, weight j + 16) of 32, low half first, the order of the GGUF types.
///
/// Bits per weight are the code's plus 16 for the f16 scale (and 16 for the f16 minimum) over the group: int4 with
/// groups of 32 has 4.5, or 5 with zero points; a scale for a whole row of thousands costs nothing and gives the
/// largest error.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "plumb/core/checked.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/core/half.hpp"

namespace plumb::inline PLUMB_ABI {

/// Group size that stands for one scale a row.
inline constexpr int kWholeRow = 0;

/// Scale of one group, and the weight of code 0.
struct GroupScale {
  Half scale{}, minimum{};
};

/// What the name of an in-memory integer type says.
struct IntegerType {
  int bits;         ///< 4 or 8
  int group;        ///< weights that share a scale, or kWholeRow
  bool zero_point;  ///< the grid need not be symmetric about 0

  /// Weights that share a scale in a row of `cols`.
  constexpr std::int64_t group_of(std::int64_t cols) const { return group == kWholeRow ? cols : group; }
  bool operator==(const IntegerType&) const = default;
};

/// The parts of a type for which dtype_info(type).in_memory().
constexpr IntegerType integer_type(DType type) {
  constexpr int kGroups[] = {32, 64, 128, kWholeRow};
  const auto index = static_cast<std::uint32_t>(type) - kFirstInMemory;
  return {index >= 8 ? 8 : 4, kGroups[index % 4], index / 4 % 2 == 1};
}
static_assert(integer_type(DType::int4g32) == IntegerType{4, 32, false});
static_assert(integer_type(DType::int4rowz) == IntegerType{4, kWholeRow, true});
static_assert(integer_type(DType::int8g128) == IntegerType{8, 128, false});
static_assert(integer_type(DType::int8g64z) == IntegerType{8, 64, true});

/// Storage of one group of `bits`-bit codes. `group` points at bytes(n) bytes.
template <int bits, bool zero_point>
struct IntegerGroup {
  static_assert(bits == 4 || bits == 8);
  static constexpr std::size_t kScaleBytes = zero_point ? 4 : 2;
  /// What is added to a code to store it.
  static constexpr int kOffset = zero_point ? 0 : 1 << (bits - 1);
  /// Weights whose codes are stored together.
  static constexpr std::int64_t kStep = 32;
  static constexpr std::size_t kStepBytes = kStep * bits / 8;

  /// Bytes of a group of n weights; the codes of the last n % 32 take as much as 32.
  static constexpr std::size_t bytes(std::int64_t n) {
    return kScaleBytes + static_cast<std::size_t>(ceil_div(n, kStep)) * kStepBytes;
  }

  static GroupScale scale(const std::byte* group) {
    GroupScale s;
    std::memcpy(static_cast<void*>(&s), group, kScaleBytes);
    return s;
  }
  static void set_scale(std::byte* group, GroupScale s) { std::memcpy(group, &s, kScaleBytes); }

  /// The codes of weights 32 step ... 32 step + 31.
  static void step(const std::byte* group, std::int64_t step, int (&codes)[kStep]) {
    const std::byte* const stored = group + kScaleBytes + static_cast<std::size_t>(step) * kStepBytes;
    for (int j = 0; j < kStep; ++j) {
      const int byte = std::to_integer<int>(stored[bits == 8 ? j : j % 16]);
      codes[j] = (bits == 8 ? byte : j < 16 ? byte & 15 : byte >> 4) - kOffset;
    }
  }
  static void set_step(std::byte* group, std::int64_t step, const int (&codes)[kStep]) {
    std::uint8_t stored[kStep];
    for (int j = 0; j < kStep; ++j) stored[j] = static_cast<std::uint8_t>(codes[j] + kOffset);
    set_stored_step(group, step, stored);
  }
  /// The same for codes that have kOffset added.
  static void set_stored_step(std::byte* group, std::int64_t step, const std::uint8_t (&codes)[kStep]) {
    std::byte* const stored = group + kScaleBytes + static_cast<std::size_t>(step) * kStepBytes;
    for (std::size_t j = 0; j < kStepBytes; ++j)
      stored[j] = static_cast<std::byte>(bits == 8 ? codes[j] : codes[j] | codes[j + 16] << 4);
  }

  static void dequantize(const std::byte* group, std::int64_t n, float* out) {
    const GroupScale s = scale(group);
    const float unit = to_float(s.scale), minimum = to_float(s.minimum);
    for (std::int64_t first = 0; first < n; first += kStep) {
      int codes[kStep];
      step(group, first / kStep, codes);
      const std::int64_t present = std::min(kStep, n - first);
      for (std::int64_t j = 0; j < present; ++j) out[first + j] = unit * static_cast<float>(codes[j]) + minimum;
    }
  }
};

/// Calls visit with the IntegerGroup of an in-memory type.
template <class Visit>
decltype(auto) visit_integer_type(DType type, const Visit& visit) {
  const IntegerType parts = integer_type(type);
  if (parts.bits == 8) return parts.zero_point ? visit(IntegerGroup<8, true>()) : visit(IntegerGroup<8, false>());
  return parts.zero_point ? visit(IntegerGroup<4, true>()) : visit(IntegerGroup<4, false>());
}

}  // namespace plumb
