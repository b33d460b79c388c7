/// Eigen views of tensors share their memory, follow their strides and refuse other element types.

#include "plumb/eigen.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "plumb/core/half.hpp"
#include "tests/support/expect_error.hpp"

namespace plumb::eigen_test {
namespace {

TEST(Eigen, SharesMemoryBothWays) {
  Tensor tensor(DType::f32, Shape{2, 3});
  const std::span<float> values = tensor.span<float>();
  std::iota(values.begin(), values.end(), 0.0f);
  auto matrix = as_eigen<float>(tensor.view());
  EXPECT_EQ(matrix.rows(), 2);
  EXPECT_EQ(matrix.cols(), 3);
  EXPECT_EQ(matrix(1, 0), 3.0f);
  matrix(1, 2) = 50.0f;
  EXPECT_EQ(values[5], 50.0f);
  const Tensor& constant = tensor;
  EXPECT_EQ(as_eigen<float>(constant.view()).sum(), 0 + 1 + 2 + 3 + 4 + 50);
}

TEST(Eigen, FoldsOuterDimensionsAndFollowsStrides) {
  Tensor stack(DType::f32, Shape{2, 3, 4});
  const std::span<float> values = stack.span<float>();
  std::iota(values.begin(), values.end(), 0.0f);
  EXPECT_EQ(as_eigen<float>(stack.view()).rows(), 6);

  // The first two of four columns.
  const TensorView narrow(stack.view().data(), DType::f32, Shape{6, 2}, 4 * sizeof(float));
  const auto matrix = as_eigen<float>(narrow);
  EXPECT_EQ(matrix(5, 1), 21.0f);
  EXPECT_EQ(matrix.col(0).sum(), 0 + 4 + 8 + 12 + 16 + 20);
}

TEST(Eigen, HalfFloatsAreEigensHalfFloats) {
  Tensor tensor(DType::f16, Shape{1, 2});
  tensor.span<Half>()[0] = to_half(1.5f);
  tensor.span<Half>()[1] = to_half(-0.1f);
  const auto matrix = as_eigen<Eigen::half>(tensor.view());
  EXPECT_EQ(static_cast<float>(matrix(0, 0)), 1.5f);
  EXPECT_EQ(static_cast<float>(matrix(0, 1)), to_float(to_half(-0.1f)));
  Tensor brain(DType::bf16, Shape{1, 1});
  brain.span<BFloat16>()[0] = to_bfloat16(3.0f);
  EXPECT_EQ(static_cast<float>(as_eigen<Eigen::bfloat16>(brain.view())(0, 0)), 3.0f);
}

TEST(Eigen, RefusesOtherElements) {
  Tensor tensor(DType::q8_0, Shape{1, 32});
  test::expect_error(ErrorCode::wrong_type, [&] { as_eigen<float>(tensor.view()); });
  alignas(4) std::byte odd[16] = {};
  const TensorView view(odd, DType::f32, Shape{2, 1}, 6);
  test::expect_error(ErrorCode::bad_shape, [&] { as_eigen<float>(view); });
}

}  // namespace
}  // namespace plumb::eigen_test
