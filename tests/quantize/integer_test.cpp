#include "plumb/quantize/integer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace plumb::integer_test {
namespace {

constexpr unsigned kSeed = 8;

std::vector<float> normal(std::size_t n) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> distribution;
  std::vector<float> x(n);
  for (float& v : x) v = distribution(random);
  return x;
}

template <class Matrix>
double nmse(const Matrix& matrix, const std::vector<float>& x) {
  std::vector<float> row(static_cast<std::size_t>(matrix.columns()));
  double error = 0, power = 0;
  for (std::int64_t r = 0; r < matrix.rows(); ++r) {
    matrix.dequantize_row(r, row.data());
    for (std::size_t k = 0; k < row.size(); ++k) {
      const double want = x[static_cast<std::size_t>(r) * row.size() + k], off = static_cast<double>(row[k]) - want;
      error += off * off;
      power += want * want;
    }
  }
  return error / power;
}

template <int bits, int group, bool zero_point>
struct Case {
  static constexpr int kBits = bits, kGroup = group;
  static constexpr bool kZeroPoint = zero_point;
  using Matrix = IntegerMatrix<bits, group, zero_point>;
};

template <class T>
class Integer : public testing::Test {};
using Cases = testing::Types<Case<8, 32, false>, Case<8, 64, false>, Case<8, 128, false>, Case<8, kWholeRow, false>,
                             Case<8, 32, true>, Case<8, 64, true>, Case<8, 128, true>, Case<8, kWholeRow, true>,
                             Case<4, 32, false>, Case<4, 64, false>, Case<4, 128, false>, Case<4, kWholeRow, false>,
                             Case<4, 32, true>, Case<4, 64, true>, Case<4, 128, true>, Case<4, kWholeRow, true>>;
TYPED_TEST_SUITE(Integer, Cases);

// Round-to-nearest leaves a uniform error of step^2 / 12, with the step that the extremes of n normal weights ask for:
// about sqrt(2 ln n) on either side.
TYPED_TEST(Integer, NearestErrorIsThatOfTheStep) {
  const std::int64_t rows = 64, columns = 4096;
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  const typename TypeParam::Matrix matrix(x, rows, columns);
  const double reach = std::sqrt(2 * std::log(static_cast<double>(matrix.group_size())));
  const double step = 2 * reach / (1 << TypeParam::kBits), want = step * step / 12;
  const double got = nmse(matrix, x);
  EXPECT_GT(got, 0.4 * want) << "seed " << kSeed;
  EXPECT_LT(got, 1.6 * want) << "seed " << kSeed;
}

TYPED_TEST(Integer, SearchIsBetterThanNearest) {
  const std::int64_t rows = 8, columns = 1024;
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  EXPECT_LT(nmse(typename TypeParam::Matrix(x, rows, columns, QuantMethod::search), x),
            nmse(typename TypeParam::Matrix(x, rows, columns), x));
}

TYPED_TEST(Integer, SearchWeighsColumns) {
  const std::int64_t rows = 8, columns = 512;
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (std::size_t k = 0; k < importance.size(); ++k) importance[k] = k % 4 == 0 ? 100.0f : 0.01f;
  const auto cost = [&](const typename TypeParam::Matrix& m) {
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < columns; ++k) {
        const double off = static_cast<double>(m.weight(r, k)) - x[static_cast<std::size_t>(r * columns + k)];
        sum += static_cast<double>(importance[static_cast<std::size_t>(k)]) * off * off;
      }
    return sum;
  };
  EXPECT_LT(cost({x, rows, columns, QuantMethod::search, importance}), cost({x, rows, columns, QuantMethod::search}));
}

// Widths that no group divides: the last group is shorter; odd widths leave half a byte.
TYPED_TEST(Integer, RaggedRowsKeepEveryCode) {
  for (const std::int64_t columns : {1, 2, 31, 33, 63, 100, 129, 257}) {
    typename TypeParam::Matrix matrix(3, columns);
    using Grid = typename TypeParam::Matrix::Grid;
    const int span = Grid::kHigh - Grid::kLow + 1;
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t k = 0; k < columns; ++k)
        matrix.set_code(r, k, Grid::kLow + static_cast<int>((r * 31 + k * 7) % span));
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t k = 0; k < columns; ++k)
        ASSERT_EQ(matrix.code(r, k), Grid::kLow + static_cast<int>((r * 31 + k * 7) % span));
    const auto x = normal(static_cast<std::size_t>(3 * columns));
    if (columns > 1) {
      EXPECT_LT(nmse(typename TypeParam::Matrix(x, 3, columns), x), 0.06) << columns;
    }
  }
}

// A group of one value, far from zero even, is kept by a zero point, and by a scale that reaches it.
TYPED_TEST(Integer, ConstantGroups) {
  for (const float value : {0.75f, -0.75f, 1000.0f}) {
    const std::vector<float> x(256, value);
    EXPECT_LT(nmse(typename TypeParam::Matrix(x, 2, 128, QuantMethod::search), x), 2e-2) << value;
  }
}

TYPED_TEST(Integer, ZerosStayAndBadValuesAreRefused) {
  std::vector<float> x = normal(256);
  EXPECT_EQ(nmse(typename TypeParam::Matrix(std::vector<float>(256, 0.0f), 2, 128), x), 1.0);
  x[200] = NAN;
  EXPECT_THROW(typename TypeParam::Matrix(x, 2, 128), Error);
  x[200] = 3e38f;  // saturates
  EXPECT_TRUE(std::isfinite(typename TypeParam::Matrix(x, 2, 128).weight(1, 72)));
  EXPECT_THROW(typename TypeParam::Matrix(x, 3, 128), Error);
  EXPECT_THROW(typename TypeParam::Matrix(0, 128), Error);
}

// The bounds the project sets itself for round-to-nearest on N(0,1), groups of 32.
TEST(IntegerBounds, NormalWeights) {
  const std::int64_t rows = 256, columns = 4096;
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  EXPECT_LE(nmse(IntegerMatrix<8, 32, false>(x, rows, columns), x), 3e-5) << "seed " << kSeed;
  EXPECT_LE(nmse(IntegerMatrix<4, 32, false>(x, rows, columns), x), 7.5e-3) << "seed " << kSeed;
  EXPECT_LE(nmse(IntegerMatrix<4, 32, true>(x, rows, columns), x), 6.2e-3) << "seed " << kSeed;
}

TEST(IntegerBounds, BitsPerWeight) {
  EXPECT_DOUBLE_EQ((IntegerMatrix<4, 32, false>(1, 4096).bits_per_weight()), 4.5);
  EXPECT_DOUBLE_EQ((IntegerMatrix<4, 32, true>(1, 4096).bits_per_weight()), 5.0);
  EXPECT_DOUBLE_EQ((IntegerMatrix<8, 128, false>(1, 4096).bits_per_weight()), 8.125);
  EXPECT_DOUBLE_EQ((IntegerMatrix<8, kWholeRow, false>(1, 4096).bits_per_weight()), 8.0 + 16.0 / 4096);
}

}  // namespace
}  // namespace plumb::integer_test
