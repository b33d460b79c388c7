#pragma once
/// @file
/// Floats to blocks, for every type that plumb computes.

#include <cstddef>
#include <cstdint>

#include "plumb/core/dtype.hpp"

namespace plumb::inline PLUMB_ABI {

/// How scales are chosen.
enum class QuantMethod {
  nearest,  ///< what the largest weight of a block asks for
  search,   ///< scale (and minimum) search for the least (weighted) squared error; never worse than `nearest` by much,
            ///< on every type better on the whole
};

/// Quantizes whole rows: `x` is [rows, columns], `out` tensor_bytes(type, {rows, columns}).
///
/// `importance`, if not null, is [columns]: what a squared error in that column costs, such as the mean square of the
/// activation that meets it. A zero or negative importance counts as very little. Only the search uses it. Magnitudes
/// that a type cannot hold (beyond 65504 for F16, a scale beyond that for the block types) saturate.
///
/// The result does not depend on the machine: all vector widths give the same bytes.
/// @throws Error{unsupported_type} for a type that is not computed, Error{bad_shape} when its block does not divide
/// `columns`, Error{bad_value} for a NaN or infinity in `x` or `importance`, naming row and column,
/// Error{unsupported_isa} for a forced tier that cannot run (as active_kernels).
PLUMB_API void quantize_rows(DType type, const float* x, std::byte* out, std::int64_t rows, std::int64_t columns,
                             const float* importance = nullptr, QuantMethod method = QuantMethod::search);

/// One row of `n` weights. @throws as quantize_rows.
inline void quantize_row(DType type, const float* x, std::byte* out, std::int64_t n, const float* importance = nullptr,
                         QuantMethod method = QuantMethod::search) {
  quantize_rows(type, x, out, 1, n, importance, method);
}

/// As dequantize_row, with the widest vectors of this machine where that helps.
PLUMB_API void dequantize_row_fast(DType type, const std::byte* row, float* out, std::int64_t n);

}  // namespace plumb
