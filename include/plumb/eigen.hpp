#pragma once
/// @file
/// Tensors as Eigen matrices, without a copy. Optional: the only header of plumb that needs Eigen.

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <type_traits>

#include "plumb/core/error.hpp"
#include "plumb/core/tensor.hpp"

namespace plumb::inline PLUMB_ABI {

/// A row-major matrix over memory that a tensor describes. `Scalar` is const for a read-only view.
template <class Scalar>
using EigenMatrixView =
    Eigen::Map<std::conditional_t<
                   std::is_const_v<Scalar>,
                   const Eigen::Matrix<std::remove_const_t<Scalar>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                   Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>,
               Eigen::Unaligned, Eigen::OuterStride<>>;

/// Which tensor type holds elements of an Eigen scalar.
template <class Scalar>
inline constexpr DType kDTypeOfScalar = DType::f32;
template <>
inline constexpr DType kDTypeOfScalar<Eigen::half> = DType::f16;
template <>
inline constexpr DType kDTypeOfScalar<Eigen::bfloat16> = DType::bf16;
template <>
inline constexpr DType kDTypeOfScalar<double> = DType::f64;
template <>
inline constexpr DType kDTypeOfScalar<std::int32_t> = DType::i32;

/// The tensor as a matrix [rows, cols], outer dimensions folded into rows: `as_eigen<float>(tensor.view())`,
/// `as_eigen<Eigen::half>(weights)`. Valid as long as the tensor's memory. Writable where the view is.
/// @throws Error{wrong_type} when the elements are not `Scalar`, Error{bad_shape} when rows are not whole elements
/// apart.
template <class Scalar, class Byte>
auto as_eigen(const BasicTensorView<Byte>& tensor) {
  static_assert(std::is_same_v<Scalar, float> || kDTypeOfScalar<Scalar> != DType::f32, "no tensor holds this scalar");
  using Element = std::conditional_t<std::is_const_v<Byte>, const Scalar, Scalar>;
  if (tensor.dtype() != kDTypeOfScalar<Scalar>)
    throw Error(ErrorCode::wrong_type, "a tensor of " + std::string(dtype_name(tensor.dtype())) +
                                           " seen as an Eigen matrix of " +
                                           std::string(dtype_name(kDTypeOfScalar<Scalar>)));
  if (tensor.row_stride() % sizeof(Scalar) != 0)
    throw Error(ErrorCode::bad_shape, "rows " + std::to_string(tensor.row_stride()) + " bytes apart, no multiple of " +
                                          std::to_string(sizeof(Scalar)));
  return EigenMatrixView<Element>(
      reinterpret_cast<Element*>(tensor.data()), tensor.rows(), tensor.cols(),
      Eigen::OuterStride<>(static_cast<Eigen::Index>(tensor.row_stride() / sizeof(Scalar))));
}

}  // namespace plumb
