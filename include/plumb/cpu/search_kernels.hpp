#pragma once
/// @file
/// Kernels that make blocks from floats: the scale searches of quantize/quantize.hpp and what goes with them. Part of
/// KernelTable. All tiers give the same bytes; they differ in speed.

#include <cstddef>
#include <cstdint>

#include "plumb/core/dtype.hpp"
#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Groups of plumb's own integers that are searched together.
inline constexpr std::int64_t kGroupsTogether = 16;

/// Searched quantization of `blocks` blocks, row after row; `importance` is [columns], one for each column of a row, or
/// null.
using BlockSearch = void (*)(const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                             std::int64_t columns);
/// The same for groups of `count` weights, a multiple of 32; `scratch` is [2, count, kGroupsTogether].
using GroupSearch = void (*)(const float* x, std::byte* out, std::int64_t groups, int count, const float* importance,
                             std::int64_t columns, float* scratch);

/// Search kernels of a tier. All are null in programs on the headers alone, which do not quantize.
struct SearchKernels {
  BlockSearch blocks[kDTypeValues] = {};  ///< by DType: the quantized types of files
  GroupSearch groups[kDTypeValues] = {};  ///< by DType: plumb's own integers
  /// f16 to f32, exact.
  void (*halves_to_floats)(const std::uint16_t* from, float* to, std::int64_t n) = nullptr;
  /// The largest |x[i]| as bits; 0x7F800000 and up: not finite.
  std::uint32_t (*largest_bits)(const float* x, std::int64_t n) = nullptr;
  /// sums[j][lane] += coefficients[j][i] * errors[i][lane] over i in [first, last), for j < count: what GPTQ moves 16
  /// rows by. Rows of coefficients are `stride` apart.
  void (*compensate)(const float* coefficients, std::int64_t stride, std::int64_t count, std::int64_t first,
                     std::int64_t last, const float* errors, float* sums) = nullptr;

  BlockSearch block_search(DType type) const { return blocks[static_cast<std::size_t>(type)]; }
  GroupSearch group_search(DType type) const { return groups[static_cast<std::size_t>(type)]; }
};

}  // namespace plumb
