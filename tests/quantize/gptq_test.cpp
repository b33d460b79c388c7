#include "plumb/quantize/gptq.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/quantize.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::gptq_test {
namespace {

constexpr unsigned kSeed = 2022;

std::vector<float> normal(std::size_t n, unsigned seed = kSeed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> x(n);
  for (float& v : x) v = distribution(random);
  return x;
}

/// Activations as layers see them: neighbours are correlated, and a few columns are much larger than the others.
std::vector<float> activations(std::int64_t tokens, std::int64_t columns) {
  std::vector<float> x = normal(static_cast<std::size_t>(tokens * columns), kSeed + 1);
  for (std::int64_t t = 0; t < tokens; ++t) {
    float* const row = x.data() + t * columns;
    for (std::int64_t k = 1; k < columns; ++k) row[k] = 0.8f * row[k - 1] + 0.6f * row[k];
    for (std::int64_t k = 0; k < columns; ++k) row[k] *= k % 37 == 5 ? 6.0f : 1.0f;
  }
  return x;
}

SecondMoment moment_of(const std::vector<float>& x, std::int64_t columns) {
  SecondMoment moment(columns);
  moment.add(x.data(), static_cast<std::int64_t>(x.size()) / columns, columns);
  return moment;
}

/// Output error of `y` in place of `x`, over the output's power.
double output_nmse(const SecondMoment& moment, const std::vector<float>& x, std::vector<float> y) {
  for (std::size_t i = 0; i < x.size(); ++i) y[i] -= x[i];
  const auto rows = static_cast<std::int64_t>(x.size()) / moment.columns();
  return moment.output_error(y.data(), rows) / moment.output_error(x.data(), rows);
}

std::vector<float> decoded(DType type, const std::vector<std::byte>& blocks, std::size_t n) {
  std::vector<float> y(n);
  dequantize_row(type, blocks.data(), y.data(), static_cast<std::int64_t>(n));
  return y;
}

/// A grid of one step for everything, so that nothing but the compensation decides.
struct StepGrid {
  static constexpr float kStep = 0.25f;
  std::vector<float>& values;  // [columns][16]
  void choose(const GptqFactor::Block&, const float*) {}
  void round(const GptqFactor::Block& block, std::int64_t k, const float* targets, float* out) {
    for (int lane = 0; lane < kGptqRows; ++lane)
      values[static_cast<std::size_t>((block.first + k) * kGptqRows + lane)] = out[lane] =
          kStep * std::nearbyint(targets[lane] / kStep);
  }
  void finish(const GptqFactor::Block&) {}
};

TEST(SecondMoment, IsTheSumOfOuterProducts) {
  const std::int64_t rows = 9, columns = 7, stride = 10;
  const auto x = normal(static_cast<std::size_t>(rows * stride));
  SecondMoment moment(columns);
  moment.add(x.data(), 4, stride);
  moment.add(x.data() + 4 * stride, rows - 4, stride);
  EXPECT_EQ(moment.tokens(), rows);
  double diagonal = 0;
  for (std::int64_t i = 0; i < columns; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (std::int64_t r = 0; r < rows; ++r)
        sum += static_cast<double>(x[static_cast<std::size_t>(r * stride + i)]) *
               static_cast<double>(x[static_cast<std::size_t>(r * stride + j)]);
      EXPECT_NEAR(static_cast<double>(moment.at(i, j)), sum, 1e-5);
      if (i == j) diagonal += sum;
    }
  EXPECT_NEAR(moment.mean_square(), diagonal / static_cast<double>(rows * columns), 1e-5);
  // The error of the outputs, one token and one output at a time.
  const auto e = normal(static_cast<std::size_t>(3 * columns), kSeed + 7);
  double want = 0;
  for (std::int64_t o = 0; o < 3; ++o)
    for (std::int64_t r = 0; r < rows; ++r) {
      double dot = 0;
      for (std::int64_t k = 0; k < columns; ++k)
        dot += static_cast<double>(e[static_cast<std::size_t>(o * columns + k)]) *
               static_cast<double>(x[static_cast<std::size_t>(r * stride + k)]);
      want += dot * dot;
    }
  EXPECT_NEAR(moment.output_error(e.data(), 3), want, 1e-4 * want);
}

TEST(SecondMoment, RefusesActivationsThatAreNotFinite) {
  SecondMoment moment(4);
  std::vector<float> x(8, 1.0f);
  for (const float bad : {NAN, INFINITY}) {
    x[6] = bad;
    const std::string message = test::expect_error(ErrorCode::bad_value, [&] { moment.add(x.data(), 2, 4); });
    EXPECT_NE(message.find("row 1, column 2"), std::string::npos) << message;
  }
  EXPECT_EQ(moment.tokens(), 0);
  EXPECT_EQ(moment.mean_square(), 0.0);
  EXPECT_THROW(SecondMoment(0), Error);
  EXPECT_THROW(GptqFactor(moment, 4), Error);  // nothing was seen
  x.assign(8, 1e30f);
  moment.add(x.data(), 2, 4);
  EXPECT_THROW(GptqFactor(moment, 4), Error);  // squares overflow
}

// The algorithm as the paper states it: inverse of the (damped) second moments, and after each column the weights that
// remain are moved by its error over the inverse's diagonal, times the inverse's row; the column then leaves the
// inverse.
Eigen::MatrixXd paper(const SecondMoment& moment, const GptqFactor& factor, const std::vector<float>& lanes) {
  const std::int64_t n = moment.columns();
  Eigen::MatrixXd h(n, n), w(kGptqRows, n), q(kGptqRows, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) h(i, j) = static_cast<double>(moment.at(i, j));
  h.diagonal().array() += static_cast<double>(factor.damping()) * h.diagonal().mean();
  for (std::int64_t k = 0; k < n; ++k)
    for (int lane = 0; lane < kGptqRows; ++lane)
      w(lane, k) = static_cast<double>(lanes[static_cast<std::size_t>(k * kGptqRows + lane)]);
  Eigen::MatrixXd inverse = h.inverse();
  for (std::int64_t p = 0; p < n; ++p) {
    const std::int64_t k = factor.column(p);
    for (int lane = 0; lane < kGptqRows; ++lane) {
      const double step = static_cast<double>(StepGrid::kStep);
      q(lane, k) = step * std::nearbyint(w(lane, k) / step);
      w.row(lane) -= (w(lane, k) - q(lane, k)) / inverse(k, k) * inverse.row(k);
    }
    inverse -= (inverse.col(k) * inverse.row(k) / inverse(k, k)).eval();
    inverse(k, k) = 1;  // never asked again: all other entries of its row are 0
  }
  return q;
}

TEST(Gptq, RoundsAsThePaperSays) {
  const std::int64_t columns = 72;
  const SecondMoment moment = moment_of(activations(400, columns), columns);
  const auto lanes = normal(static_cast<std::size_t>(columns * kGptqRows));
  for (const std::int64_t block : {std::int64_t{32}, columns, std::int64_t{1}})
    for (const bool ordered : {false, true}) {
      const GptqFactor factor(moment, block, {.activation_order = ordered});
      std::vector<float> values(lanes.size());
      StepGrid grid{values};
      detail::gptq_sixteen(factor, lanes.data(), grid);
      const Eigen::MatrixXd want = paper(moment, factor, lanes);
      int different = 0;
      for (std::int64_t k = 0; k < columns; ++k)
        for (int lane = 0; lane < kGptqRows; ++lane)
          different += static_cast<double>(values[static_cast<std::size_t>(k * kGptqRows + lane)]) != want(lane, k);
      EXPECT_EQ(different, 0) << "block " << block << " ordered " << ordered << " seed " << kSeed;
      // One at a time, most important first: the order is that of the diagonal.
      if (block == 1 && ordered) {
        for (std::int64_t p = 1; p < columns; ++p) {
          const std::int64_t before = factor.column(p - 1), here = factor.column(p);
          EXPECT_GE(moment.at(before, before), moment.at(here, here));
        }
      }
    }
}

// e H e^T is the sum of the costs times the squared distances from the targets, whatever e is.
TEST(Gptq, CostsAddUpToTheOutputError) {
  const std::int64_t n = 40;
  const SecondMoment moment = moment_of(activations(200, n), n);
  const GptqFactor factor(moment, 16);
  const auto e = normal(static_cast<std::size_t>(n));
  const double mean = moment.mean_square() * static_cast<double>(moment.tokens());
  double want = moment.output_error(e.data(), 1) / mean, got = 0;
  for (const float v : e)
    want += static_cast<double>(factor.damping()) * static_cast<double>(v) * static_cast<double>(v);
  for (std::int64_t p = 0; p < n; ++p) {
    double off = static_cast<double>(e[static_cast<std::size_t>(factor.column(p))]);
    for (std::int64_t i = 0; i < p; ++i)
      off += static_cast<double>(factor.coefficients(p)[i]) *
             static_cast<double>(e[static_cast<std::size_t>(factor.column(i))]);
    got += static_cast<double>(factor.cost()[factor.column(p)]) * off * off;
  }
  EXPECT_NEAR(got, want, 1e-5 * want) << "seed " << kSeed;
}

class GptqTypes : public testing::TestWithParam<DType> {};
std::vector<DType> quantized_types() {
  std::vector<DType> types;
  for (const DType type : kComputedTypes)
    if (dtype_info(type).quantized()) types.push_back(type);
  return types;
}
INSTANTIATE_TEST_SUITE_P(Types, GptqTypes, testing::ValuesIn(quantized_types()),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST_P(GptqTypes, OutputErrorIsBelowTheSearchsEvenOnTokensItNeverSaw) {
  const std::int64_t rows = 21, columns = 512;
  const auto seen = activations(2000, columns);
  const SecondMoment moment = moment_of({seen.begin(), seen.begin() + 1500 * columns}, columns);
  const SecondMoment held_out = moment_of({seen.begin() + 1500 * columns, seen.end()}, columns);
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (std::int64_t k = 0; k < columns; ++k) importance[static_cast<std::size_t>(k)] = moment.at(k, k);
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  const GptqFactor factor(moment, dtype_info(GetParam()).block_elements);
  std::vector<std::byte> searched(tensor_bytes(GetParam(), Shape{rows, columns})), compensated(searched.size());
  quantize_rows(GetParam(), x.data(), searched.data(), rows, columns, importance.data());
  gptq_rows(GetParam(), x.data(), compensated.data(), rows, columns, factor);
  const auto search = decoded(GetParam(), searched, x.size()), gptq = decoded(GetParam(), compensated, x.size());
  EXPECT_LT(output_nmse(moment, x, gptq), 0.8 * output_nmse(moment, x, search)) << "seed " << kSeed;
  EXPECT_LT(output_nmse(held_out, x, gptq), 0.9 * output_nmse(held_out, x, search)) << "seed " << kSeed;
  // A row on its own gives the same bytes as among others.
  std::vector<std::byte> alone(row_bytes(GetParam(), columns));
  gptq_rows(GetParam(), x.data() + 18 * columns, alone.data(), 1, columns, factor);
  EXPECT_TRUE(
      std::equal(alone.begin(), alone.end(), compensated.begin() + 18 * static_cast<std::ptrdiff_t>(alone.size())));
}

// Fewer tokens than columns, columns that are always 0 or copies of others, one token: weights stay near their place.
TEST_P(GptqTypes, PoorCalibrationIsSurvived) {
  const std::int64_t rows = 16, columns = 256;
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  std::vector<std::byte> blocks(tensor_bytes(GetParam(), Shape{rows, columns}));
  quantize_rows(GetParam(), x.data(), blocks.data(), rows, columns);
  const auto search = decoded(GetParam(), blocks, x.size());
  for (const int tokens : {1, 3, 300}) {
    auto seen = activations(tokens, columns);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t k = 0; k < columns; ++k) {
        float& v = seen[static_cast<std::size_t>(t * columns + k)];
        if (k % 5 == 0) v = 0;
        if (k % 5 == 1 && k > 5) v = seen[static_cast<std::size_t>(t * columns + 1)];
      }
    for (float& v : seen) v *= tokens == 3 ? 1e-18f : tokens == 300 ? 1e12f : 1.0f;
    const SecondMoment moment = moment_of(seen, columns);
    const GptqFactor factor(moment, dtype_info(GetParam()).block_elements);
    gptq_rows(GetParam(), x.data(), blocks.data(), rows, columns, factor);
    const auto y = decoded(GetParam(), blocks, x.size());
    double error = 0, power = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(std::isfinite(y[i])) << tokens;
      error += std::pow(static_cast<double>(y[i]) - static_cast<double>(x[i]), 2);
      power += std::pow(static_cast<double>(x[i]), 2);
    }
    EXPECT_LT(error / power, 0.5) << tokens;
    EXPECT_LE(output_nmse(moment, x, y), output_nmse(moment, x, search)) << tokens;
  }
}

TEST_P(GptqTypes, RefusesWhatDoesNotFit) {
  const std::int64_t columns = 512, block = dtype_info(GetParam()).block_elements;
  const SecondMoment moment = moment_of(activations(64, columns), columns);
  std::vector<float> x(static_cast<std::size_t>(columns), 0.5f);
  std::vector<std::byte> out(row_bytes(GetParam(), columns));
  const auto run = [&](const GptqFactor& factor, std::int64_t n) {
    gptq_rows(GetParam(), x.data(), out.data(), 1, n, factor);
  };
  EXPECT_THROW(run(GptqFactor(moment, block / 2), columns), Error);
  EXPECT_THROW(run(GptqFactor(moment, block), columns - block), Error);
  EXPECT_THROW(GptqFactor(moment, 0), Error);
  EXPECT_THROW(gptq_rows(DType::f16, x.data(), out.data(), 1, columns, GptqFactor(moment, 1)), Error);
  x[77] = NAN;
  const std::string message =
      test::expect_error(ErrorCode::bad_value, [&] { run(GptqFactor(moment, block), columns); });
  EXPECT_NE(message.find("column 77"), std::string::npos) << message;
}

TEST(Gptq, CompensationIsTheSameInAllTiers) {
  const std::int64_t stride = 70;
  const auto coefficients = normal(static_cast<std::size_t>(19 * stride));
  const auto errors = normal(static_cast<std::size_t>(stride * kGptqRows), 3), start = normal(19 * kGptqRows, 4);
  for (const std::int64_t count : {1, 7, 8, 19}) {
    std::vector<float> want = start;
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t i = 3; i < 65; ++i)
        for (int lane = 0; lane < kGptqRows; ++lane)
          want[static_cast<std::size_t>(j * kGptqRows + lane)] +=
              coefficients[static_cast<std::size_t>(j * stride + i)] *
              errors[static_cast<std::size_t>(i * kGptqRows + lane)];
    for (const Isa isa : test::tiers_here()) {
      std::vector<float> got = start;
      kernels_for(isa).search.compensate(coefficients.data(), stride, count, 3, 65, errors.data(), got.data());
      EXPECT_EQ(got, want) << isa_name(isa) << " count " << count;
    }
  }
}

template <int bits, int group, bool zero_point>
void expect_integer_gptq_is_better() {
  const std::int64_t rows = 19, columns = 172;  // groups do not divide it
  const SecondMoment moment = moment_of(activations(900, columns), columns);
  std::vector<float> importance(static_cast<std::size_t>(columns));
  for (std::int64_t k = 0; k < columns; ++k) importance[static_cast<std::size_t>(k)] = moment.at(k, k);
  const auto x = normal(static_cast<std::size_t>(rows * columns));
  using Matrix = IntegerMatrix<bits, group, zero_point>;
  const Matrix search(x, rows, columns, QuantMethod::search, importance);
  const GptqFactor factor(moment, search.group_size());
  const Matrix gptq = gptq_integer<bits, group, zero_point>(x, rows, factor);
  std::vector<float> s(x.size()), g(x.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    search.dequantize_row(r, s.data() + r * columns);
    gptq.dequantize_row(r, g.data() + r * columns);
  }
  EXPECT_LT(output_nmse(moment, x, g), 0.8 * output_nmse(moment, x, s))
      << bits << " bits, group " << group << ", zero point " << zero_point << ", seed " << kSeed;
  const auto wrong_size = [&] { gptq_integer<bits, group, zero_point>(std::span(x).first(10), rows, factor); };
  EXPECT_THROW(wrong_size(), Error);
  const auto wrong_group = [&] { gptq_integer<bits, group, zero_point>(x, rows, GptqFactor(moment, 8)); };
  EXPECT_THROW(wrong_group(), Error);
}

TEST(Gptq, IntegerGridsOfAllGroups) {
  expect_integer_gptq_is_better<4, 32, false>();
  expect_integer_gptq_is_better<4, 64, true>();
  expect_integer_gptq_is_better<4, 128, false>();
  expect_integer_gptq_is_better<4, kWholeRow, false>();
  expect_integer_gptq_is_better<8, 32, false>();
  expect_integer_gptq_is_better<8, 128, true>();
  expect_integer_gptq_is_better<8, kWholeRow, true>();
}

}  // namespace
}  // namespace plumb::gptq_test
