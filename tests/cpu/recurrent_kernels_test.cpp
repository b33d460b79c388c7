// Kernels of recurrent mixers in every tier, against plain loops in double precision; cut anywhere they give the same
// bits, and they touch nothing beyond their columns.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/tiers.hpp"

namespace plumb::recurrent_kernels_test {
namespace {

std::vector<float> numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

/// Rows of random numbers, a few columns wider than what is used.
struct Buffer {
  Buffer(std::int64_t n, std::int64_t width, unsigned seed)
      : stride(width + 3), values(numbers(static_cast<std::size_t>(n * (width + 3)), seed)) {}
  RowsIn in() const { return {values.data(), stride}; }
  RowsOut out() { return {values.data(), stride}; }
  double at(std::int64_t n, std::int64_t i) const { return values[static_cast<std::size_t>(n * stride + i)]; }

  std::int64_t stride;
  std::vector<float> values;
};

/// Every other row, so that rows of other sequences lie between.
std::vector<std::int32_t> every_other(int n) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) rows[static_cast<std::size_t>(i)] = 2 * i + 1;
  return rows;
}

class RecurrentKernelsOf : public testing::TestWithParam<Isa> {
 protected:
  const RecurrentKernels& kernels = kernels_for(GetParam()).recurrent;
};

// -- convolution ------------------------------------------------------------------------------------------------------

struct ConvolutionCase {
  int n, channels, kernel;
  bool gated, bias, silu;
};

struct ConvolutionData {
  ConvolutionData(const ConvolutionCase& c)
      : rows(every_other(c.n)),
        x(2 * c.n + 1, c.channels, 1),
        gate(2 * c.n + 1, c.channels, 2),
        times(2 * c.n + 1, c.channels, 3),
        out(2 * c.n + 1, c.channels, 4),
        history(std::max(1, c.kernel - 1), c.channels, 5),
        weight(c.kernel, c.channels, 6),
        bias(numbers(static_cast<std::size_t>(c.channels), 7)) {}

  /// Rows [first, first + count) of the sequence.
  void run(const RecurrentKernels& kernels, const ConvolutionCase& c, int first, int count) {
    Convolution call;
    call.rows = {rows.data() + first, count};
    call.x = x.in();
    if (c.gated) call.gate = gate.in(), call.times = times.in();
    call.out = out.out();
    call.history = history.out();
    call.weight = weight.in();
    if (c.bias) call.bias = bias.data();
    call.channels = c.channels;
    call.kernel = c.kernel;
    call.silu = c.silu;
    kernels.convolve(call);
  }

  std::vector<std::int32_t> rows;
  Buffer x, gate, times, out, history, weight;
  std::vector<float> bias;
};

TEST_P(RecurrentKernelsOf, ConvolutionsEqualPlainLoops) {
  for (const ConvolutionCase& c : {ConvolutionCase{9, 40, 4, false, false, true},
                                   {1, 16, 4, false, true, true},
                                   {2, 7, 8, true, false, false},
                                   {5, 24, 2, true, true, true},
                                   {6, 33, 1, false, false, false},
                                   {40, 16, kMaxConvolution, false, false, true}}) {
    SCOPED_TRACE(testing::Message() << c.n << " rows " << c.channels << " channels kernel " << c.kernel);
    ConvolutionData data(c);
    const Buffer before = data.history, untouched = data.out;
    data.run(kernels, c, 0, c.n);
    const auto input = [&](int t, int ch) {
      if (t < 0) return before.at(c.kernel - 1 + t, ch);
      const std::int32_t row = data.rows[static_cast<std::size_t>(t)];
      return data.x.at(row, ch) * (c.gated ? data.gate.at(row, ch) : 1);
    };
    for (int t = 0; t < c.n; ++t)
      for (int ch = 0; ch < c.channels; ++ch) {
        double sum = c.bias ? data.bias[static_cast<std::size_t>(ch)] : 0;
        for (int j = 0; j < c.kernel; ++j) sum += data.weight.at(j, ch) * input(t - c.kernel + 1 + j, ch);
        if (c.silu) sum /= 1 + std::exp(-sum);
        const std::int32_t row = data.rows[static_cast<std::size_t>(t)];
        if (c.gated) sum *= data.times.at(row, ch);
        ASSERT_NEAR(data.out.at(row, ch), sum, 1e-5) << "row " << t << " channel " << ch;
      }
    for (int j = 0; j + 1 < c.kernel; ++j)
      for (int ch = 0; ch < c.channels; ++ch)
        ASSERT_NEAR(data.history.at(j, ch), input(c.n - c.kernel + 1 + j, ch), 1e-6) << "history " << j;
    for (int t = 0; t <= 2 * c.n; ++t)
      for (std::int64_t i = t % 2 == 1 ? c.channels : 0; i < data.out.stride; ++i)
        ASSERT_EQ(data.out.at(t, i), untouched.at(t, i)) << "beyond the columns";
  }
}

TEST_P(RecurrentKernelsOf, ConvolutionsMayBeCutAnywhere) {
  for (const int kernel : {2, 4, 7}) {
    const ConvolutionCase c{11, 24, kernel, true, true, true};
    ConvolutionData whole(c);
    whole.run(kernels, c, 0, c.n);
    for (const std::vector<int>& cuts : {std::vector<int>{1, 1, 9}, {5, 6}, {2, 2, 2, 2, 3}}) {
      ConvolutionData parts(c);
      int first = 0;
      for (const int count : cuts) {
        parts.run(kernels, c, first, count);
        first += count;
      }
      EXPECT_EQ(parts.out.values, whole.out.values);
      EXPECT_EQ(parts.history.values, whole.history.values);
    }
  }
}

// -- delta rule -------------------------------------------------------------------------------------------------------

/// One decay a row, one for each channel, or the latter with several keys.
enum class DeltaForm { one_decay, channels, keys };
constexpr DeltaForm kDeltaForms[] = {DeltaForm::one_decay, DeltaForm::channels, DeltaForm::keys};

struct DeltaCase {
  int n, k_dim, columns;
  DeltaForm form;
};

struct DeltaData {
  explicit DeltaData(const DeltaCase& c)
      : rows(every_other(c.n)),
        q(2 * c.n + 1, c.k_dim, 1),
        k(2 * c.n + 1, c.k_dim, 2),
        v(2 * c.n + 1, c.columns, 3),
        out(2 * c.n + 1, c.columns, 4),
        decay(2 * c.n + 1, c.k_dim, 5),
        beta(2 * c.n + 1, 1, 6),
        recall(2 * c.n + 1, c.k_dim, 9),
        replace(2 * c.n + 1, c.k_dim, 10),
        state(static_cast<std::size_t>(round_up(c.columns, kStateLanes) * c.k_dim), 0.0f) {
    for (float& g : decay.values) g = 1 / (1 + std::exp(-g - 2));
    for (float& b : beta.values) b = 1 / (1 + std::exp(-b));
    for (Buffer* unit : {&q, &k, &recall, &replace})
      for (float& x : unit->values) x /= std::sqrt(static_cast<float>(c.k_dim));
    const std::vector<float> start = numbers(static_cast<std::size_t>(c.k_dim * c.columns), 8);
    for (int i = 0; i < c.k_dim; ++i)
      for (int j = 0; j < c.columns; ++j) state_at(c, i, j) = start[static_cast<std::size_t>(i * c.columns + j)];
  }
  float& state_at(const DeltaCase& c, int k_index, int column) {
    const int block = column / kStateLanes, lane = column % kStateLanes;
    return state[static_cast<std::size_t>((block * c.k_dim + k_index) * kStateLanes + lane)];
  }
  /// Rows [first, first + count), columns [column, end).
  void run(const RecurrentKernels& kernels, const DeltaCase& c, int first, int count, int column, int end) {
    DeltaRule rule;
    rule.rows = {rows.data() + first, count};
    rule.q = q.in();
    rule.k = k.in();
    rule.v = {v.values.data() + column, v.stride};
    rule.decay = decay.in();
    if (c.form != DeltaForm::keys) rule.beta = beta.in();
    if (c.form == DeltaForm::keys) rule.recall = recall.in(), rule.replace = replace.in();
    rule.out = {out.values.data() + column, out.stride};
    rule.state = state.data() + column * c.k_dim;
    rule.k_dim = c.k_dim;
    rule.columns = end - column;
    (c.form == DeltaForm::one_decay  ? kernels.delta_rule
     : c.form == DeltaForm::channels ? kernels.delta_rule_channels
                                     : kernels.delta_rule_keys)(rule);
  }

  std::vector<std::int32_t> rows;
  Buffer q, k, v, out, decay, beta, recall, replace;
  std::vector<float> state;
};

TEST_P(RecurrentKernelsOf, TheDeltaRuleEqualsPlainLoops) {
  for (const DeltaForm form : kDeltaForms)
    for (const auto& [k_dim, columns] : {std::pair{16, 16}, {24, 24}, {128, 128}, {5, 7}, {7, 40}, {64, 48}, {1, 1}}) {
      const DeltaCase c{12, k_dim, columns, form};
      const bool keys = form == DeltaForm::keys;
      SCOPED_TRACE(testing::Message() << k_dim << " x " << columns << " form " << static_cast<int>(form));
      DeltaData data(c);
      std::vector<std::vector<double>> state(static_cast<std::size_t>(k_dim));
      for (int i = 0; i < k_dim; ++i)
        for (int j = 0; j < columns; ++j) state[static_cast<std::size_t>(i)].push_back(data.state_at(c, i, j));
      const Buffer untouched = data.out;
      data.run(kernels, c, 0, c.n, 0, columns);
      for (const std::int32_t row : data.rows)
        for (int j = 0; j < columns; ++j) {
          double known = 0, answer = 0;
          for (int i = 0; i < k_dim; ++i) {
            double& s = state[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
            if (keys) known += s * data.recall.at(row, i);
            s *= data.decay.at(row, form == DeltaForm::one_decay ? 0 : i);
            if (!keys) known += s * data.k.at(row, i);
          }
          const double change = keys ? data.v.at(row, j) : data.beta.at(row, 0) * (data.v.at(row, j) - known);
          for (int i = 0; i < k_dim; ++i) {
            double& s = state[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
            s += data.k.at(row, i) * change;
            if (keys) s -= data.replace.at(row, i) * known;
            answer += s * data.q.at(row, i);
          }
          ASSERT_NEAR(data.out.at(row, j), answer, 2e-5) << "row " << row << " column " << j;
        }
      for (int i = 0; i < k_dim; ++i)
        for (int j = 0; j < columns; ++j)
          ASSERT_NEAR(data.state_at(c, i, j), state[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)], 2e-5);
      for (int i = 0; i < k_dim; ++i)
        for (int j = columns; j < round_up(columns, kStateLanes); ++j) ASSERT_EQ(data.state_at(c, i, j), 0.0f);
      for (int t = 0; t <= 2 * c.n; ++t)
        for (std::int64_t i = t % 2 == 1 ? columns : 0; i < data.out.stride; ++i)
          ASSERT_EQ(data.out.at(t, i), untouched.at(t, i)) << "beyond the columns";
    }
}

TEST_P(RecurrentKernelsOf, TheDeltaRuleMayBeCutAnywhere) {
  for (const DeltaForm form : kDeltaForms) {
    const DeltaCase c{10, 24, 88, form};
    DeltaData whole(c);
    whole.run(kernels, c, 0, c.n, 0, c.columns);
    DeltaData parts(c);
    for (const auto& [column, end] : {std::pair{0, 16}, {16, 64}, {64, 88}})
      for (const auto& [first, count] : {std::pair{0, 1}, {1, 2}, {3, 7}})
        parts.run(kernels, c, first, count, column, end);
    EXPECT_EQ(parts.out.values, whole.out.values);
    EXPECT_EQ(parts.state, whole.state);
  }
}

// -- their operands ---------------------------------------------------------------------------------------------------

TEST_P(RecurrentKernelsOf, VectorsAreBroughtToALength) {
  for (const int n : {1, 5, 16, 24, 128}) {
    std::vector<float> x = numbers(static_cast<std::size_t>(n), 3);
    const double length = std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0, std::plus<>(),
                                                       [](double a, double b) { return a * b; }));
    std::vector<float> y = x;
    kernels.l2_norm(y.data(), 1e-6f, 0.25f, y.data(), n);
    for (int i = 0; i < n; ++i)
      EXPECT_NEAR(y[static_cast<std::size_t>(i)], x[static_cast<std::size_t>(i)] / length * 0.25, 1e-7);
    kernels.l2_norm(x.data(), 1e6f, 2.0f, y.data(), n);
    EXPECT_FLOAT_EQ(y[0], x[0] * 2e-6f) << "not longer than by its epsilon";
    std::fill(x.begin(), x.end(), 0.0f);
    kernels.l2_norm(x.data(), 1e-6f, 1.0f, x.data(), n);
    EXPECT_EQ(x[0], 0.0f);
  }
}

TEST_P(RecurrentKernelsOf, DecaysAreExponentialsOfSoftplus) {
  const auto exact = [](double x, double bias, double rate) {
    const double z = x + bias;
    return std::exp(rate * (z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z))));
  };
  for (const int n : {1, 15, 16, 37}) {
    const auto size = static_cast<std::size_t>(n);
    std::vector<float> x(size);
    for (int i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = -30 + 60.0f * static_cast<float>(i) / 37;
    const std::vector<float> bias = numbers(size, 2);
    std::vector<float> rate = numbers(size, 3);
    for (float& r : rate) r = -std::fabs(r);
    for (const int step : {0, 1}) {
      std::vector<float> y = x;
      kernels.decay(y.data(), bias.data(), rate.data(), step, n);
      for (std::size_t i = 0; i < size; ++i) {
        const double want = exact(x[i], bias[i], rate[step == 0 ? 0 : i]);
        EXPECT_NEAR(y[i], want, 4e-6 * want + 1e-37) << x[i];
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, RecurrentKernelsOf, testing::ValuesIn(test::tiers_here()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace plumb::recurrent_kernels_test
