#include "plumb/core/tensor.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>

#include "tests/support/expect_error.hpp"

namespace plumb::tensor_test {
namespace {

using test::expect_error;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(Shape, CountsRowsColumnsAndElements) {
  const Shape scalar, vector{5}, matrix{3, 4}, stack{2, 3, 4}, empty{0, 7};
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_EQ(vector.rows(), 1);
  EXPECT_EQ(vector.cols(), 5);
  EXPECT_EQ(matrix.elements(), 12);
  EXPECT_EQ(stack.rows(), 6) << "over all outer dimensions";
  EXPECT_EQ(stack.to_string(), "[2, 3, 4]");
  EXPECT_EQ(empty.elements(), 0);
  EXPECT_NE(matrix, (Shape{4, 3}));
  EXPECT_NE(vector, (Shape{1, 5}));
}

TEST(Shape, RefusesWhatIsNone) {
  expect_error(ErrorCode::bad_shape, [] { (void)Shape{1, 2, 3, 4, 5}; });
  expect_error(ErrorCode::bad_shape, [] { (void)Shape{3, -1}; });
  expect_error(ErrorCode::overflow, [] { (void)Shape{kMax, 2}.elements(); });
  expect_error(ErrorCode::overflow, [] { (void)Shape{kMax, kMax, 1}.rows(); });
}

TEST(TensorBytes, CountWholeBlocks) {
  EXPECT_EQ(tensor_bytes(DType::f32, {3, 5}), 60u);
  EXPECT_EQ(tensor_bytes(DType::q4_0, {3, 64}), 3u * 2 * 18);
  EXPECT_EQ(tensor_bytes(DType::q6_k, {2, 512}), 2u * 2 * 210);
  expect_error(ErrorCode::bad_shape, [] { (void)tensor_bytes(DType::q4_0, {3, 63}); });
  expect_error(ErrorCode::bad_shape, [] { (void)row_bytes(DType::q4_k, -256); });
  expect_error(ErrorCode::overflow, [] { (void)tensor_bytes(DType::f32, {kMax / 2, 8}); });
}

TEST(Tensor, OwnsAlignedMemory) {
  for (const std::int64_t cols : {1, 7, 1000, 3 << 20}) {
    Tensor tensor(DType::f32, {2, cols});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.view().data()) % kAlignment, 0u);
    EXPECT_EQ(tensor.bytes(), 8u * static_cast<std::size_t>(cols));
    EXPECT_EQ(tensor.span<float>().size(), 2u * static_cast<std::size_t>(cols));
    std::iota(tensor.span<float>().begin(), tensor.span<float>().end(), 0.0f);  // every byte may be written
    EXPECT_EQ(tensor.view().row_span<float>(1)[0], static_cast<float>(cols));
  }
  Tensor first(DType::f32, {4});
  first.span<float>()[2] = 5;
  const Tensor moved = std::move(first);
  EXPECT_EQ(moved.span<float>()[2], 5) << "moving keeps the contents";
  EXPECT_TRUE(Tensor().view().empty());
}

TEST(Tensor, RefusesWhatNoMemoryHolds) {
  expect_error(ErrorCode::out_of_memory, [] { (void)Tensor(DType::i8, {kMax - 100}); });
  expect_error(ErrorCode::overflow, [] { (void)Tensor(DType::f64, {kMax / 2, 4}); });
}

TEST(TensorView, FollowsStridesAndSlices) {
  float memory[4 * 5] = {};
  std::iota(std::begin(memory), std::end(memory), 0.0f);
  const TensorView view(reinterpret_cast<std::byte*>(memory), DType::f32, {4, 3}, 5 * sizeof(float));
  EXPECT_FALSE(view.contiguous());
  EXPECT_EQ(view.bytes(), 48u) << "gaps are not counted";
  EXPECT_EQ(view.row_span<float>(2)[1], 11);
  const TensorView middle = view.slice_rows(1, 2);
  EXPECT_EQ(middle.rows(), 2);
  EXPECT_EQ(middle.row_span<float>(1)[0], 10);
  middle.row_span<float>(0)[0] = -1;
  EXPECT_EQ(memory[5], -1) << "a view writes through";
  const ConstTensorView constant = view;
  EXPECT_EQ(constant.row_span<float>(1)[0], -1);
  static_assert(std::is_const_v<decltype(constant.row_span<float>(0))::element_type>);
}

#ifndef NDEBUG
TEST(TensorViewDeathTest, ChecksAccessInDebugBuilds) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Tensor tensor(DType::f32, {2, 3});
  EXPECT_DEATH((void)tensor.view().row(2), "");
  EXPECT_DEATH((void)tensor.view().row(-1), "");
  EXPECT_DEATH((void)tensor.span<std::int16_t>(), "") << "not the size of an element";
  EXPECT_DEATH((void)tensor.view().slice_rows(1, 2), "");
  EXPECT_DEATH((void)tensor.shape()[2], "");
  EXPECT_DEATH((void)Tensor(DType::q4_0, {32}).span<float>(), "") << "blocks are no elements";
}
#endif

}  // namespace
}  // namespace plumb::tensor_test
