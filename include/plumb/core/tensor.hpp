#pragma once
/// @file
/// Shapes and tensors: a view (pointer, dtype, shape, strides) and an owner. Row-major: the last dimension is
/// contiguous.

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <type_traits>

#include "plumb/core/checked.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"

namespace plumb::inline PLUMB_ABI {

/// Up to four dimensions, outermost first: a weight matrix is [rows, cols], a stack of experts [experts, rows, cols].
/// GGUF files store the same dimensions innermost first; the reader turns them round.
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  constexpr Shape() = default;
  /// @throws Error{bad_shape} for more than four dimensions or a negative one.
  constexpr Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  constexpr explicit Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    if (dims.size() > kMaxRank) throw Error(ErrorCode::bad_shape, "a tensor has at most 4 dimensions");
    for (std::size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] < 0) throw Error(ErrorCode::bad_shape, "negative dimension " + std::to_string(dims[i]));
      dims_[i] = dims[i];
    }
  }

  constexpr int rank() const { return rank_; }
  constexpr std::int64_t operator[](int i) const {
    assert(i >= 0 && i < rank_);
    return dims_[static_cast<std::size_t>(i)];
  }
  /// Length of the contiguous dimension; 1 for a scalar.
  constexpr std::int64_t cols() const { return rank_ == 0 ? 1 : dims_[static_cast<std::size_t>(rank_ - 1)]; }
  /// Product of all other dimensions. @throws Error{overflow}.
  constexpr std::int64_t rows() const {
    std::int64_t n = 1;
    for (int i = 0; i + 1 < rank_; ++i) n = checked_mul(n, dims_[static_cast<std::size_t>(i)], "tensor rows");
    return n;
  }
  /// Product of all dimensions. @throws Error{overflow}.
  constexpr std::int64_t elements() const { return checked_mul(rows(), cols(), "tensor elements"); }
  constexpr bool operator==(const Shape&) const = default;
  /// "[32000, 2048]".
  std::string to_string() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) text += (i ? ", " : "") + std::to_string(dims_[static_cast<std::size_t>(i)]);
    return text + "]";
  }

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Bytes of one row of `cols` elements. @throws Error{bad_shape} when cols is no multiple of the block,
/// Error{overflow}.
constexpr std::size_t row_bytes(DType type, std::int64_t cols) {
  const DTypeInfo& info = dtype_info(type);
  if (cols < 0 || cols % info.block_elements != 0)
    throw Error(ErrorCode::bad_shape, "a row of " + std::to_string(cols) + " elements is no multiple of the " +
                                          std::string(info.name) + " block of " + std::to_string(info.block_elements));
  const auto blocks = static_cast<std::size_t>(cols / info.block_elements);
  return checked_add<std::size_t>(checked_mul<std::size_t>(blocks, info.block_bytes, "row bytes"), info.row_scale_bytes,
                                  "row bytes");
}

/// Bytes of a contiguous tensor. @throws as row_bytes.
constexpr std::size_t tensor_bytes(DType type, const Shape& shape) {
  return checked_mul(row_bytes(type, shape.cols()), static_cast<std::size_t>(shape.rows()), "tensor bytes");
}

/// A tensor that somebody else owns. `Byte` is std::byte or const std::byte.
template <class Byte>
class BasicTensorView {
 public:
  BasicTensorView() = default;
  /// A contiguous view.
  BasicTensorView(Byte* data, DType type, const Shape& shape)
      : BasicTensorView(data, type, shape, plumb::row_bytes(type, shape.cols())) {}
  /// Rows that stand `row_stride` bytes apart (>= the bytes of a row).
  BasicTensorView(Byte* data, DType type, const Shape& shape, std::size_t row_stride)
      : data_(data), type_(type), shape_(shape), row_stride_(row_stride) {
    assert(row_stride >= plumb::row_bytes(type, shape.cols()));
  }
  /// A mutable view converts to a read-only one.
  operator BasicTensorView<const std::byte>() const { return {data_, type_, shape_, row_stride_}; }

  Byte* data() const { return data_; }
  DType dtype() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::int64_t rows() const { return shape_.rows(); }
  std::int64_t cols() const { return shape_.cols(); }
  std::size_t row_stride() const { return row_stride_; }
  std::size_t row_bytes() const { return plumb::row_bytes(type_, cols()); }
  bool contiguous() const { return row_stride_ == row_bytes(); }
  /// Bytes of the elements, padding between rows not counted.
  std::size_t bytes() const { return tensor_bytes(type_, shape_); }
  bool empty() const { return data_ == nullptr; }

  /// Bytes of row r (rows counted over all outer dimensions).
  Byte* row(std::int64_t r) const {
    assert(r >= 0 && r < rows());
    return data_ + static_cast<std::size_t>(r) * row_stride_;
  }
  /// Row r as elements. Checked in debug builds: T must have the size of an unblocked element.
  template <class T>
  auto row_span(std::int64_t r) const {
    using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    assert(dtype_info(type_).block_elements == 1 && sizeof(T) == dtype_info(type_).block_bytes);
    return std::span<Element>(reinterpret_cast<Element*>(row(r)), static_cast<std::size_t>(cols()));
  }
  /// All elements of a contiguous tensor.
  template <class T>
  auto span() const {
    using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
    assert(contiguous() && dtype_info(type_).block_elements == 1 && sizeof(T) == dtype_info(type_).block_bytes);
    return std::span<Element>(reinterpret_cast<Element*>(data_), static_cast<std::size_t>(shape_.elements()));
  }
  /// Rows [first, first + count) as a matrix: one expert of a stack, one head's rows.
  BasicTensorView slice_rows(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= rows());
    return {data_ + static_cast<std::size_t>(first) * row_stride_, type_, Shape{count, cols()}, row_stride_};
  }

 private:
  Byte* data_ = nullptr;
  DType type_ = DType::f32;
  Shape shape_;
  std::size_t row_stride_ = 0;
};

using TensorView = BasicTensorView<std::byte>;             ///< may write
using ConstTensorView = BasicTensorView<const std::byte>;  ///< may only read

/// A tensor that owns its memory: contiguous, 64-byte aligned, not initialised.
class Tensor {
 public:
  Tensor() = default;
  /// @throws Error{bad_shape, overflow, out_of_memory}.
  Tensor(DType type, const Shape& shape) : buffer_(tensor_bytes(type, shape)), type_(type), shape_(shape) {}

  TensorView view() { return {buffer_.data(), type_, shape_}; }
  ConstTensorView view() const { return {buffer_.data(), type_, shape_}; }
  DType dtype() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::size_t bytes() const { return buffer_.size(); }
  template <class T>
  std::span<T> span() {
    return view().span<T>();
  }
  template <class T>
  std::span<const T> span() const {
    return view().span<T>();
  }

 private:
  AlignedBuffer buffer_;
  DType type_ = DType::f32;
  Shape shape_;
};

}  // namespace plumb
