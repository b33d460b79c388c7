#pragma once
/// @file
/// The scale searches, compiled once for each vector width. All tiers give the same bytes; they differ in speed.

#include <cstddef>
#include <cstdint>
#include <span>

#include "plumb/core/dtype.hpp"
#include "plumb/quant/integer_group.hpp"

namespace plumb::inline PLUMB_ABI::detail {

/// Groups of in-memory types that are searched together.
inline constexpr std::int64_t kGroupsTogether = 16;

/// One build of the searches.
struct SearchTier {
  const char* name;
  bool (*supported)();  ///< this machine can run it
  /// Searched quantization of `blocks` blocks of rows of `columns` weights; `importance` is [columns] or null.
  void (*quantize)(DType type, const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                   std::int64_t columns);
  /// The same for groups of an in-memory type, `count` weights each, a multiple of 32; `scratch` is
  /// [2, count, kGroupsTogether].
  void (*quantize_groups)(IntegerType type, const float* x, std::byte* out, std::int64_t groups, int count,
                          const float* importance, std::int64_t columns, float* scratch);
  void (*halves_to_floats)(const std::uint16_t* from, float* to, std::int64_t n);  ///< exact
  std::uint32_t (*largest_bits)(const float* x, std::int64_t n);  ///< of |x|; 0x7F800000 and up: not finite
  /// sums[j][lane] += coefficients[j][i] * errors[i][lane] over i in [first, last), for j < count: what GPTQ moves 16
  /// rows by. Rows of coefficients are `stride` apart.
  void (*compensate)(const float* coefficients, std::int64_t stride, std::int64_t count, std::int64_t first,
                     std::int64_t last, const float* errors, float* sums);
};

/// All tiers of this build, narrowest first; the first one runs everywhere.
std::span<const SearchTier> search_tiers();

/// The widest tier that this machine can run.
const SearchTier& best_search_tier();

}  // namespace plumb::detail
