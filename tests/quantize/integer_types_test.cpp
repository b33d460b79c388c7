/// The in-memory integer types against the grids they are made of, the bounds the project sets itself, and their sizes.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/fitting_type.hpp"
#include "plumb/quant/pack.hpp"
#include "plumb/quantize/integer.hpp"
#include "plumb/quantize/recipe.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::integer_types_test {
namespace {

constexpr unsigned kSeed = 21;

std::vector<float> normal(std::int64_t n) {
  std::mt19937 random(kSeed);
  std::normal_distribution<float> distribution;
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = distribution(random);
  return x;
}

std::vector<std::byte> quantized(DType type, const std::vector<float>& x, std::int64_t columns, QuantMethod method,
                                 const float* importance = nullptr) {
  const auto rows = static_cast<std::int64_t>(x.size()) / columns;
  std::vector<std::byte> out(tensor_bytes(type, Shape{rows, columns}));
  quantize_rows(type, x.data(), out.data(), rows, columns, importance, method);
  return out;
}

/// Sum of cost * error^2 over sum of cost * x^2; `cost` repeats with the columns.
double nmse_of(DType type, const std::byte* bytes, const std::vector<float>& x, std::int64_t columns,
               const std::vector<float>& cost) {
  std::vector<float> row(static_cast<std::size_t>(columns));
  double error = 0, power = 0;
  for (std::size_t r = 0; r < x.size() / row.size(); ++r) {
    dequantize_row(type, bytes + r * row_bytes(type, columns), row.data(), columns);
    for (std::size_t k = 0; k < row.size(); ++k) {
      const double want = x[r * row.size() + k], off = static_cast<double>(row[k]) - want;
      const double weight = cost.empty() ? 1.0 : static_cast<double>(cost[k]);
      error += weight * off * off;
      power += weight * want * want;
    }
  }
  return error / power;
}

double nmse(DType type, const std::vector<float>& x, std::int64_t columns, QuantMethod method,
            const std::vector<float>& importance = {}, const std::vector<float>& cost = {}) {
  return nmse_of(type, quantized(type, x, columns, method, importance.empty() ? nullptr : importance.data()).data(), x,
                 columns, cost);
}

class IntegerTypes : public testing::TestWithParam<DType> {};

/// Calls check with the IntegerMatrix of a type.
template <class Check>
void with_matrix(DType type, const Check& check) {
  const IntegerType parts = integer_type(type);
  visit_integer_type(type, [&]<int bits, bool zero_point>(IntegerGroup<bits, zero_point>) {
    switch (parts.group) {
      case 32: return check(std::type_identity<IntegerMatrix<bits, 32, zero_point>>());
      case 64: return check(std::type_identity<IntegerMatrix<bits, 64, zero_point>>());
      case 128: return check(std::type_identity<IntegerMatrix<bits, 128, zero_point>>());
      default: return check(std::type_identity<IntegerMatrix<bits, kWholeRow, zero_point>>());
    }
  });
}

TEST_P(IntegerTypes, AreTheTeachingMatrixByteForByte) {
  const DType type = GetParam();
  const std::int64_t columns = 384, rows = 5;
  const std::vector<float> x = normal(rows * columns);
  const std::vector<std::byte> bytes = quantized(type, x, columns, QuantMethod::nearest);
  with_matrix(type, [&]<class Matrix>(std::type_identity<Matrix>) {
    const Matrix matrix(x, rows, columns);
    EXPECT_EQ(matrix.row_bytes(), row_bytes(type, columns));
    std::vector<float> row(static_cast<std::size_t>(columns));
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::byte* const stored = bytes.data() + static_cast<std::size_t>(r) * row_bytes(type, columns);
      EXPECT_EQ(std::memcmp(matrix.row(r), stored, row_bytes(type, columns)), 0) << "row " << r << " seed " << kSeed;
      dequantize_row(type, stored, row.data(), columns);
      for (std::int64_t k = 0; k < columns; ++k)
        ASSERT_EQ(row[static_cast<std::size_t>(k)], matrix.weight(r, k)) << "row " << r << " column " << k;
    }
  });
}

// The teaching matrix sweeps the part of the range that the grid covers, in steps of a hundredth. The search tries a
// fifth of that and refits; on many weights it may not be worse. (1.005: on one group it can be.)
TEST_P(IntegerTypes, SearchIsAsGoodAsASweep) {
  const DType type = GetParam();
  const std::int64_t columns = 512, rows = 32;
  std::mt19937 random(kSeed);
  std::student_t_distribution<float> heavy(5);
  std::exponential_distribution<float> positive;
  std::vector<float> with_outliers(static_cast<std::size_t>(rows * columns));
  for (float& v : with_outliers) v = heavy(random);
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (float& v : importance) v = positive(random);
  for (const std::vector<float>& x : {normal(rows * columns), with_outliers})
    for (const std::vector<float>& costs : {std::vector<float>(), importance})
      with_matrix(type, [&]<class Matrix>(std::type_identity<Matrix>) {
        const Matrix sweep(x, rows, columns, QuantMethod::search, costs);
        EXPECT_LE(nmse(type, x, columns, QuantMethod::search, costs, costs),
                  1.005 * nmse_of(type, sweep.row(0), x, columns, costs))
            << "seed " << kSeed << (costs.empty() ? "" : ", weighted");
      });
}

// Every tier of this machine gives the same bytes, for whole and ragged numbers of groups.
TEST_P(IntegerTypes, AllTiersGiveTheSameBytes) {
  const IntegerType type = integer_type(GetParam());
  const std::int64_t columns = 256, group = type.group_of(columns);
  const std::vector<float> x = normal(19 * columns);
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (std::size_t k = 0; k < importance.size(); ++k) importance[k] = 1.0f + static_cast<float>(k % 5);
  std::vector<float> scratch(static_cast<std::size_t>(2 * group * kGroupsTogether));
  for (const float* costs : {static_cast<const float*>(nullptr), static_cast<const float*>(importance.data())})
    for (const std::int64_t rows : {1, 19}) {
      std::vector<std::byte> want(row_bytes(GetParam(), columns) * static_cast<std::size_t>(rows)), got(want.size());
      const auto search = [&](Isa isa, std::vector<std::byte>& out) {
        kernels_for(isa).search.group_search(GetParam())(x.data(), out.data(), rows * (columns / group),
                                                         static_cast<int>(group), costs, columns, scratch.data());
      };
      search(Isa::scalar, want);
      for (const Isa isa : test::tiers_here()) {
        search(isa, got);
        EXPECT_EQ(got, want) << isa_name(isa) << " seed " << kSeed;
      }
    }
}

// What is decoded lies on the grid that chose it, so quantizing it again changes nothing where the ends of the grid are
// in use, which round-to-nearest sees to in symmetric types.
TEST_P(IntegerTypes, NearestDecodesToTheNearestGridPoint) {
  const DType type = GetParam();
  const std::int64_t columns = 256;
  const std::vector<float> x = normal(8 * columns);
  const std::vector<std::byte> bytes = quantized(type, x, columns, QuantMethod::nearest);
  std::vector<float> row(static_cast<std::size_t>(columns));
  const std::int64_t group = integer_type(type).group_of(columns);
  for (std::size_t r = 0; r < 8; ++r) {
    const std::byte* const stored = bytes.data() + r * row_bytes(type, columns);
    dequantize_row(type, stored, row.data(), columns);
    for (std::int64_t k = 0; k < columns; ++k) {
      const std::size_t at =
          static_cast<std::size_t>(k / group) * row_bytes(type, columns) / static_cast<std::size_t>(columns / group);
      Half scale;
      std::memcpy(static_cast<void*>(&scale), stored + at, sizeof scale);
      const float step = std::fabs(to_float(scale));
      // Half a step; a whole one at the short end of -8 ... 7, and the rounding of scale and minimum to f16 over the
      // whole grid (255 steps of 2^-11 at most).
      const float slack = integer_type(type).bits == 8 ? 0.64f : integer_type(type).zero_point ? 0.52f : 1.01f;
      ASSERT_LE(std::fabs(row[static_cast<std::size_t>(k)] - x[r * 256 + static_cast<std::size_t>(k)]), slack * step)
          << "row " << r << " column " << k << " seed " << kSeed;
    }
  }
}

TEST_P(IntegerTypes, SearchIsBetterThanNearestAndWeighsColumns) {
  const std::int64_t columns = 512;
  const std::vector<float> x = normal(64 * columns);
  EXPECT_LT(nmse(GetParam(), x, columns, QuantMethod::search), nmse(GetParam(), x, columns, QuantMethod::nearest));
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (std::size_t k = 0; k < importance.size(); ++k) importance[k] = k % 4 == 0 ? 100.0f : 0.01f;
  EXPECT_LT(nmse(GetParam(), x, columns, QuantMethod::search, importance, importance),
            nmse(GetParam(), x, columns, QuantMethod::search, {}, importance));
}

TEST_P(IntegerTypes, TakeTheBytesTheirNameSays) {
  const DType type = GetParam();
  const IntegerType parts = integer_type(type);
  const std::int64_t columns = 1024, groups = columns / parts.group_of(columns);
  const auto expected = static_cast<std::size_t>(columns * parts.bits / 8 + groups * (parts.zero_point ? 4 : 2));
  EXPECT_EQ(row_bytes(type, columns), expected);
  EXPECT_EQ(panel_bytes(type, columns), 16 * expected);
  EXPECT_EQ(uses_int8_activations(type), true);
}

TEST_P(IntegerTypes, RaggedRowsFallBackToSmallerGroupsThenF16) {
  const DType type = GetParam();
  const IntegerType parts = integer_type(type);
  for (const std::int64_t columns : {128, 64, 96, 100, 2880}) {
    const DType stored = fitting_type(type, columns);
    if (columns % 32 != 0) {
      EXPECT_EQ(stored, DType::f16);
      continue;
    }
    const IntegerType got = integer_type(stored);
    EXPECT_EQ(got.bits, parts.bits);
    EXPECT_EQ(got.zero_point, parts.zero_point);
    int group = parts.group;
    while (group != kWholeRow && columns % group != 0) group /= 2;
    EXPECT_EQ(got.group, group) << columns;
  }
  test::expect_error(ErrorCode::bad_shape, [&] { (void)row_bytes(type, 33); });
}

TEST_P(IntegerTypes, AreInNoFile) {
  EXPECT_EQ(find_dtype(static_cast<std::uint32_t>(GetParam())), nullptr);
  GgufWriter writer;
  test::expect_error(ErrorCode::unsupported_type, [&] { writer.add_tensor("t", GetParam(), Shape{2, 256}); });
  std::string name(dtype_name(GetParam()));
  for (char& c : name) c = static_cast<char>(std::tolower(c));
  test::expect_error(ErrorCode::unsupported_type, [&] { (void)Recipe::parse(name).file_type(); });
  EXPECT_EQ(dtype_from_name(name), GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, IntegerTypes, testing::ValuesIn(kIntegerTypes),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

// The bounds the project sets itself for round-to-nearest on N(0,1), groups of 32.
TEST(IntegerTypeBounds, NormalWeights) {
  const std::vector<float> x = normal(256 * 4096);
  EXPECT_LE(nmse(DType::int8g32, x, 4096, QuantMethod::nearest), 3e-5) << "seed " << kSeed;
  EXPECT_LE(nmse(DType::int4g32, x, 4096, QuantMethod::nearest), 7.5e-3) << "seed " << kSeed;
  EXPECT_LE(nmse(DType::int4g32z, x, 4096, QuantMethod::nearest), 6.2e-3) << "seed " << kSeed;
}

}  // namespace
}  // namespace plumb::integer_types_test
