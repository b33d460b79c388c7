#include "plumb/quantize/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/nearest.hpp"
#include "plumb/quantize/integer.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

void nearest(DType type, const float* x, std::byte* out, std::int64_t blocks) {
  visit_block(type, [&]<class Block>(std::type_identity<Block>) {
    constexpr int elements = dtype_info(kTypeOf<Block>).block_elements;
    for (std::int64_t i = 0; i < blocks; ++i) {
      Block block;
      quantize_nearest(block, x + i * elements);
      std::memcpy(out + static_cast<std::size_t>(i) * sizeof block, &block, sizeof block);
    }
  });
}

/// Rows of an in-memory type. `importance` is [columns] or null.
void integer_rows(DType type, const float* x, std::byte* out, std::int64_t rows, std::int64_t columns,
                  const float* importance, QuantMethod method) {
  const std::int64_t group = integer_type(type).group_of(columns), groups = rows * (columns / group);
  if (method == QuantMethod::search) {
    std::vector<float> scratch(static_cast<std::size_t>(2 * group * kGroupsTogether));
    const GroupSearch search = active_kernels().search.group_search(type);
    return search(x, out, groups, static_cast<int>(group), importance, columns, scratch.data());
  }
  visit_integer_type(type, [&]<int bits, bool zero_point>(IntegerGroup<bits, zero_point> storage) {
    for (std::int64_t g = 0; g < groups; ++g, x += group, out += storage.bytes(group))
      IntegerGrid<bits, zero_point>::quantize({x, static_cast<std::size_t>(group)}, {}, method, out);
  });
}

constexpr std::uint32_t kInfinityBits = 0x7F80'0000;

[[noreturn]] void refuse_nonfinite(const float* x, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows * columns; ++i)
    if (!std::isfinite(x[i]))
      throw Error(ErrorCode::bad_value, "row " + std::to_string(i / columns) + ", column " +
                                            std::to_string(i % columns) + " is " + std::to_string(x[i]) +
                                            ", expected a finite weight");
  throw Error(ErrorCode::bad_value, "a weight is not finite");
}

/// Importance with everything that is not positive lifted to a millionth of the mean, so that no weight is free to take
/// any value; nothing where all costs are equal or none is positive.
std::vector<float> usable_importance(const float* importance, std::int64_t columns) {
  double sum = 0;
  for (std::int64_t k = 0; k < columns; ++k) {
    if (!std::isfinite(importance[k]))
      throw Error(ErrorCode::bad_value, "importance of column " + std::to_string(k) + " is " +
                                            std::to_string(importance[k]) + ", expected a finite number");
    sum += std::max(importance[k], 0.0f);
  }
  if (!(sum > 0)) return {};
  const double mean = sum / static_cast<double>(columns);
  std::vector<float> usable(static_cast<std::size_t>(columns));
  // Scaled to a mean of 1: the searches sum in f32, where squares of tiny or huge costs would vanish or overflow.
  for (std::int64_t k = 0; k < columns; ++k)
    usable[static_cast<std::size_t>(k)] = static_cast<float>(std::max(importance[k] / mean, 1e-6));
  return usable;
}

}  // namespace

void quantize_rows(DType type, const float* x, std::byte* out, std::int64_t rows, std::int64_t columns,
                   const float* importance, QuantMethod method) {
  require_computed(type);
  tensor_bytes(type, Shape{rows, columns});  // refuses torn blocks and overflow
  const SearchKernels& kernels = active_kernels().search;
  if (kernels.largest_bits(x, rows * columns) >= kInfinityBits) refuse_nonfinite(x, rows, columns);
  const DTypeInfo& info = dtype_info(type);
  const std::int64_t blocks = rows * (columns / info.block_elements);
  const bool search = method == QuantMethod::search && info.quantized();
  if (!search && !info.in_memory()) return nearest(type, x, out, blocks);
  const std::vector<float> usable =
      search && importance ? usable_importance(importance, columns) : std::vector<float>();
  const float* const costs = usable.empty() ? nullptr : usable.data();
  if (info.in_memory()) return integer_rows(type, x, out, rows, columns, costs, method);
  kernels.block_search(type)(x, out, blocks, costs, columns);
}

void dequantize_row_fast(DType type, const std::byte* row, float* out, std::int64_t n) {
  if (type != DType::f16 || reinterpret_cast<std::uintptr_t>(row) % alignof(Half) != 0)
    return dequantize_row(type, row, out, n);
  active_kernels().search.halves_to_floats(reinterpret_cast<const std::uint16_t*>(row), out, n);
}

}  // namespace plumb
