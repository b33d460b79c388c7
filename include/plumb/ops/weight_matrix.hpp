#pragma once
/// @file
/// A weight matrix as products see it: packed panels when it has been packed, else the rows as the file has them. A
/// stack of equal matrices, such as the experts of a layer, is kept like one matrix; products take one out of it.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/quant/packed.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// A weight matrix W [rows, cols] that maps cols inputs to rows outputs, or a stack of such matrices.
struct WeightMatrix {
  DType type = DType::f32;
  std::int64_t rows = 0;              ///< outputs of one matrix
  std::int64_t cols = 0;              ///< inputs
  ConstTensorView file;               ///< [count * rows, cols], as stored; empty for a matrix made in packed form
  const std::byte* panels = nullptr;  ///< R16K4 panels, panel_bytes(type, cols) apart, or none
  std::int64_t count = 1;             ///< matrices of the stack; a product wants one: see matrix_of
  /// Where each matrix of a stack begins as stored, if they do not follow each other; `file` tells the type and stride.
  const std::byte* const* each = nullptr;

  bool empty() const { return rows == 0; }
  bool packed() const { return panels != nullptr; }
  /// Row r as stored, counted over the whole stack. Rows of one matrix are file.row_stride() apart.
  const std::byte* stored_row(std::int64_t r) const {
    if (!each) return file.row(r);
    return each[r / rows] + static_cast<std::size_t>(r % rows) * file.row_stride();
  }
  /// Bytes of all weights; of one matrix, those that a product reads.
  std::size_t bytes() const { return tensor_bytes(type, Shape{count * rows, cols}); }
  /// Panels of one matrix. A panel holds rows of one matrix only.
  std::int64_t panels_each() const { return ceil_div(rows, kPanelRows); }
  std::int64_t n_panels() const { return count * panels_each(); }
  /// The rows in panel p, counted over the whole stack as in `file`.
  Range panel_rows(std::int64_t p) const {
    const std::int64_t first = p / panels_each() * rows, inside = p % panels_each() * kPanelRows;
    return {first + inside, first + std::min(inside + kPanelRows, rows)};
  }
};

/// A matrix as a file or a caller stores it: [..., rows, cols] with the outer dimensions folded into rows.
inline WeightMatrix make_weight_matrix(const ConstTensorView& view) {
  return {view.dtype(), view.rows(), view.cols(), view, nullptr};
}

/// A tensor where it is stored.
struct StoredTensor {
  ConstTensorView view;  ///< type, shape and stride; all rows unless `each` says where they are
  /// Where each matrix of a stack begins, if they do not follow each other: files may hold a tensor for every expert.
  std::vector<const std::byte*> each = {};

  StoredTensor(const ConstTensorView& whole) : view(whole) {}
  StoredTensor(const ConstTensorView& like, std::vector<const std::byte*> parts) : view(like), each(std::move(parts)) {}
};

/// A stack as it is stored: [count, rows, cols]. `each`: as in WeightMatrix.
inline WeightMatrix make_weight_stack(const ConstTensorView& view, std::int64_t count,
                                      const std::byte* const* each = nullptr) {
  return {view.dtype(), view.rows() / count, view.cols(), view, nullptr, count, each};
}

/// Bytes of all panels of a matrix of this shape.
inline std::size_t packed_bytes(DType type, std::int64_t rows, std::int64_t cols) {
  return checked_mul(panel_bytes(type, cols), static_cast<std::size_t>(ceil_div(rows, kPanelRows)), "packed matrix");
}
/// Bytes of all panels of a matrix or a stack.
inline std::size_t packed_bytes(const WeightMatrix& w) {
  return checked_mul(packed_bytes(w.type, w.rows, w.cols), static_cast<std::size_t>(w.count), "packed matrices");
}

/// Matrix m of a stack, in the stack's memory.
inline WeightMatrix matrix_of(const WeightMatrix& stack, std::int64_t m) {
  WeightMatrix w = stack;
  w.count = 1;
  w.each = nullptr;
  if (stack.each)
    w.file = ConstTensorView(stack.each[m], stack.file.dtype(), Shape{stack.rows, stack.cols}, stack.file.row_stride());
  else if (!stack.file.empty())
    w.file = stack.file.slice_rows(m * stack.rows, stack.rows);
  if (stack.packed()) w.panels += static_cast<std::size_t>(m) * packed_bytes(stack.type, stack.rows, stack.cols);
  return w;
}

/// Whether panels of this matrix would be more padding than weights: it has a few rows, and stays as it is.
inline bool mostly_padding(const WeightMatrix& w) { return packed_bytes(w) > 2 * w.bytes() + kAlignment; }

}  // namespace plumb::ops
