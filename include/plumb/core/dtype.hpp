#pragma once
/// @file
/// Every tensor element type in one table: name, block size, bytes, whether plumb computes it. Most are what GGUF files
/// hold; sixteen exist in memory only, plumb's own integers with a scale per group (quant/integer_group.hpp).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Tensor element types. Values below kFirstInMemory are the ids that GGUF files use; the others are in no file and
/// may change.
enum class DType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q8_1 = 9,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  q8_k = 15,
  iq2_xxs = 16,
  iq2_xs = 17,
  iq3_xxs = 18,
  iq1_s = 19,
  iq4_nl = 20,
  iq3_s = 21,
  iq2_s = 22,
  iq4_xs = 23,
  i8 = 24,
  i16 = 25,
  i32 = 26,
  i64 = 27,
  f64 = 28,
  iq1_m = 29,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
  q2_0 = 42,
  // int<bits>g<group>: one scale for each `group` weights; int<bits>row: one for a row. z: with a zero point.
  int4g32 = 64,
  int4g64 = 65,
  int4g128 = 66,
  int4row = 67,
  int4g32z = 68,
  int4g64z = 69,
  int4g128z = 70,
  int4rowz = 71,
  int8g32 = 72,
  int8g64 = 73,
  int8g128 = 74,
  int8row = 75,
  int8g32z = 76,
  int8g64z = 77,
  int8g128z = 78,
  int8rowz = 79,
};

/// Types from this value on exist in memory only.
inline constexpr std::uint32_t kFirstInMemory = 64;
/// All values are below this: the length of a table that is indexed by type.
inline constexpr std::size_t kDTypeValues = 80;

/// What one row of the type table says. A block is the smallest unit that can be decoded on its own.
struct DTypeInfo {
  DType type;
  std::string_view name;              ///< as GGUF tools print it: "Q4_K"
  std::uint32_t block_elements;       ///< weights per block
  std::uint32_t block_bytes;          ///< bytes per block
  bool computed;                      ///< plumb can dequantize it and multiply with it
  std::uint32_t row_scale_bytes = 0;  ///< scales at the start of each row, before its blocks

  /// Without the scales of the rows, which long rows share among thousands of weights.
  constexpr double bits_per_weight() const { return 8.0 * block_bytes / block_elements; }
  constexpr bool quantized() const { return block_elements > 1; }
  constexpr bool in_memory() const { return static_cast<std::uint32_t>(type) >= kFirstInMemory; }
};

/// All known types, in the order of their values.
inline constexpr DTypeInfo kDTypes[] = {
    {DType::f32, "F32", 1, 4, true},
    {DType::f16, "F16", 1, 2, true},
    {DType::q4_0, "Q4_0", 32, 18, true},
    {DType::q4_1, "Q4_1", 32, 20, true},
    {DType::q5_0, "Q5_0", 32, 22, true},
    {DType::q5_1, "Q5_1", 32, 24, true},
    {DType::q8_0, "Q8_0", 32, 34, true},
    {DType::q8_1, "Q8_1", 32, 36, false},
    {DType::q2_k, "Q2_K", 256, 84, true},
    {DType::q3_k, "Q3_K", 256, 110, true},
    {DType::q4_k, "Q4_K", 256, 144, true},
    {DType::q5_k, "Q5_K", 256, 176, true},
    {DType::q6_k, "Q6_K", 256, 210, true},
    {DType::q8_k, "Q8_K", 256, 292, false},
    {DType::iq2_xxs, "IQ2_XXS", 256, 66, false},
    {DType::iq2_xs, "IQ2_XS", 256, 74, false},
    {DType::iq3_xxs, "IQ3_XXS", 256, 98, false},
    {DType::iq1_s, "IQ1_S", 256, 50, false},
    {DType::iq4_nl, "IQ4_NL", 32, 18, true},
    {DType::iq3_s, "IQ3_S", 256, 110, false},
    {DType::iq2_s, "IQ2_S", 256, 82, false},
    {DType::iq4_xs, "IQ4_XS", 256, 136, true},
    {DType::i8, "I8", 1, 1, false},
    {DType::i16, "I16", 1, 2, false},
    {DType::i32, "I32", 1, 4, false},
    {DType::i64, "I64", 1, 8, false},
    {DType::f64, "F64", 1, 8, false},
    {DType::iq1_m, "IQ1_M", 256, 56, false},
    {DType::bf16, "BF16", 1, 2, true},
    {DType::tq1_0, "TQ1_0", 256, 54, false},
    {DType::tq2_0, "TQ2_0", 256, 66, false},
    {DType::mxfp4, "MXFP4", 32, 17, true},
    {DType::nvfp4, "NVFP4", 64, 36, false},
    {DType::q1_0, "Q1_0", 128, 18, false},
    {DType::q2_0, "Q2_0", 64, 18, false},
    {DType::int4g32, "INT4G32", 32, 18, true},
    {DType::int4g64, "INT4G64", 64, 34, true},
    {DType::int4g128, "INT4G128", 128, 66, true},
    {DType::int4row, "INT4ROW", 32, 16, true, 2},
    {DType::int4g32z, "INT4G32Z", 32, 20, true},
    {DType::int4g64z, "INT4G64Z", 64, 36, true},
    {DType::int4g128z, "INT4G128Z", 128, 68, true},
    {DType::int4rowz, "INT4ROWZ", 32, 16, true, 4},
    {DType::int8g32, "INT8G32", 32, 34, true},
    {DType::int8g64, "INT8G64", 64, 66, true},
    {DType::int8g128, "INT8G128", 128, 130, true},
    {DType::int8row, "INT8ROW", 32, 32, true, 2},
    {DType::int8g32z, "INT8G32Z", 32, 36, true},
    {DType::int8g64z, "INT8G64Z", 64, 68, true},
    {DType::int8g128z, "INT8G128Z", 128, 132, true},
    {DType::int8rowz, "INT8ROWZ", 32, 32, true, 4},
};

/// The table row of a type. Every enumerator has one.
constexpr const DTypeInfo& dtype_info(DType type) {
  const DTypeInfo* row = kDTypes;
  while (row->type != type) ++row;
  return *row;
}

/// The table row of a type id as a file stores it, or nullptr when the format does not know it.
constexpr const DTypeInfo* find_dtype(std::uint32_t id) {
  for (const DTypeInfo& info : kDTypes)
    if (static_cast<std::uint32_t>(info.type) == id && !info.in_memory()) return &info;
  return nullptr;
}

/// "Q4_K" for DType::q4_k.
constexpr std::string_view dtype_name(DType type) { return dtype_info(type).name; }

/// Case-insensitive look-up by name ("q4_0", "Q4_0"), or nothing.
constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.name.size() != name.size()) continue;
    bool equal = true;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const char c = name[i] >= 'a' && name[i] <= 'z' ? static_cast<char>(name[i] - 'a' + 'A') : name[i];
      equal = equal && c == info.name[i];
    }
    if (equal) return info.type;
  }
  return std::nullopt;
}

}  // namespace plumb
