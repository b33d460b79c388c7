#pragma once
/// @file
/// A weight matrix as products see it: packed panels when it has been packed, else the rows as the file has them.

#include <cstdint>

#include "plumb/core/tensor.hpp"
#include "plumb/quant/packed.hpp"

namespace plumb::ops {

/// A weight matrix W [rows, cols] that maps cols inputs to rows outputs.
struct WeightMatrix {
  DType type = DType::f32;
  std::int64_t rows = 0;              ///< outputs
  std::int64_t cols = 0;              ///< inputs
  ConstTensorView file;               ///< [rows, cols], as stored; empty for a matrix made in packed form
  const std::byte* panels = nullptr;  ///< R16K4 panels, panel_bytes(type, cols) apart, or none

  bool empty() const { return rows == 0; }
  bool packed() const { return panels != nullptr; }
  /// Bytes that one product with this matrix reads.
  std::size_t bytes() const { return tensor_bytes(type, Shape{rows, cols}); }
};

/// A matrix as a file or a caller stores it: [..., rows, cols] with the outer dimensions folded into rows.
inline WeightMatrix make_weight_matrix(const ConstTensorView& view) {
  return {view.dtype(), view.rows(), view.cols(), view, nullptr};
}

/// Bytes of all panels of a matrix of this shape.
inline std::size_t packed_bytes(DType type, std::int64_t rows, std::int64_t cols) {
  return checked_mul(panel_bytes(type, cols), static_cast<std::size_t>(ceil_div(rows, kPanelRows)), "packed matrix");
}

/// Whether panels of this matrix would be more padding than weights: it has a few rows, and stays as it is.
inline bool mostly_padding(const WeightMatrix& w) {
  return packed_bytes(w.type, w.rows, w.cols) > 2 * w.bytes() + kAlignment;
}

}  // namespace plumb::ops
