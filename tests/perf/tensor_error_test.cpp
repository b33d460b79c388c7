// Errors of weights and outputs against plain double-precision loops.

#include "plumb/perf/tensor_error.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/quantize.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"

namespace plumb::tensor_error_test {
namespace {

constexpr unsigned kSeed = 20261124;

struct Case {
  Case(DType type, std::int64_t rows, std::int64_t columns, std::int64_t samples)
      : base(DType::f32, Shape{rows, columns}), other(type, Shape{rows, columns}) {
    std::mt19937 random(kSeed);
    std::normal_distribution<float> normal;
    for (float& w : base.span<float>()) w = normal(random);
    quantize_rows(type, base.span<float>().data(), other.view().data(), rows, columns);
    inputs.names = {"w"};
    inputs.columns = columns;
    // Some columns meet far larger activations than others, as in real models.
    for (std::int64_t i = 0; i < samples * columns; ++i)
      inputs.values.push_back(normal(random) * (i % columns % 7 == 0 ? 10.0f : 1.0f));
  }
  Tensor base, other;
  InputRows inputs;
};

TEST(TensorErrorOf, EqualsThePlainLoops) {
  struct Size {
    std::int64_t rows, columns, samples;
  };
  for (const DType type : {DType::q8_0, DType::q4_0, DType::f16})
    for (const Size s : {Size{2100, 64, 33}, Size{7, 96, 1}, Size{48, 32, 17}}) {
      const Case c(type, s.rows, s.columns, s.samples);
      double weight_error = 0, weight_power = 0, output_error = 0, output_power = 0;
      std::vector<float> row(static_cast<std::size_t>(s.columns));
      for (std::int64_t r = 0; r < s.rows; ++r) {
        dequantize_row(type, c.other.view().row(r), row.data(), s.columns);
        const auto w = c.base.view().row_span<float>(r);
        for (std::size_t k = 0; k < row.size(); ++k) {
          const double want = static_cast<double>(w[k]), off = static_cast<double>(row[k]) - want;
          weight_error += off * off;
          weight_power += want * want;
        }
        for (std::int64_t n = 0; n < s.samples; ++n) {
          double off = 0, want = 0;
          for (std::size_t k = 0; k < row.size(); ++k) {
            const auto x = static_cast<double>(c.inputs.values[static_cast<std::size_t>(n * s.columns) + k]);
            want += static_cast<double>(w[k]) * x;
            off += (static_cast<double>(row[k]) - static_cast<double>(w[k])) * x;
          }
          output_error += off * off;
          output_power += want * want;
        }
      }
      const TensorError got = tensor_error("w", c.base.view(), c.other.view(), &c.inputs);
      ASSERT_TRUE(got.output_nmse);
      // Sums of products in f32 over at most 96 columns: 96 * 2^-24 of the magnitudes, which are a few times the sum's.
      constexpr double kRelative = 1e-4;
      EXPECT_NEAR(got.nmse, weight_error / weight_power, kRelative * got.nmse) << "seed " << kSeed;
      EXPECT_NEAR(got.mse * static_cast<double>(s.rows * s.columns), weight_error, kRelative * weight_error);
      EXPECT_NEAR(*got.output_nmse, output_error / output_power, kRelative * *got.output_nmse) << "seed " << kSeed;
      EXPECT_EQ(got.to, type);
      EXPECT_EQ(got.bytes, c.other.bytes());
      const TensorError one = tensor_error("w", c.base.view(), c.other.view(), &c.inputs, 1);
      const TensorError three = tensor_error("w", c.base.view(), c.other.view(), &c.inputs, 3);
      EXPECT_EQ(one.nmse, three.nmse);
      EXPECT_EQ(one.output_nmse, three.output_nmse);
    }
}

TEST(TensorErrorOf, WithoutInputsThereIsNoOutputError) {
  const Case c(DType::q4_0, 16, 32, 1);
  EXPECT_FALSE(tensor_error("w", c.base.view(), c.other.view(), nullptr).output_nmse);
  const Case other(DType::q4_0, 16, 64, 1);
  test::expect_error(ErrorCode::bad_shape, [&] { tensor_error("w", c.base.view(), other.other.view(), nullptr); });
}

TEST(SampleInputs, AreRowsOfTheInputsEvenlyOverTheText) {
  const test::BuiltModel built(test::tiny_llama());
  std::vector<Token> text;
  for (int i = 0; i < 50; ++i) text.push_back(259 + i % 12);
  const CalibrationOptions options{.context = 16};
  const std::vector<InputRows> all = sample_inputs(built.model, text, options, 1000);
  const std::vector<InputRows> some = sample_inputs(built.model, text, options, 7);
  ASSERT_EQ(all.size(), 2u * 4 + 1);
  ASSERT_EQ(some.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].rows(), 50);
    EXPECT_EQ(some[i].rows(), 7);
    EXPECT_EQ(some[i].names, all[i].names);
    const auto columns = static_cast<std::size_t>(all[i].columns);
    for (std::size_t s = 0; s < 7; ++s) {
      const std::size_t token = (s * 50 + 6) / 7;  // the first of its seventh
      for (std::size_t k = 0; k < columns; ++k)
        ASSERT_EQ(some[i].values[s * columns + k], all[i].values[token * columns + k]) << i << " " << s;
    }
  }
  EXPECT_EQ(all.front().names,
            (std::vector<std::string>{"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}));
  EXPECT_EQ(all.back().names, std::vector<std::string>{"output.weight"});
  test::expect_error(ErrorCode::invalid_argument, [&] { sample_inputs(built.model, text, options, 0); });
}

// The sums of squares that calibration collects are those of the rows.
TEST(SampleInputs, AllRowsSquaredAreTheImportance) {
  const test::BuiltModel built(test::tiny_llama());
  const std::vector<Token> text = {1, 260, 262, 264, 266, 261};
  const ImportanceMatrix importance = calibrate(built.model, text);
  for (const InputRows& rows : sample_inputs(built.model, text)) {
    const auto found = importance.entries().find(rows.names.front());
    ASSERT_NE(found, importance.entries().end());
    for (std::int64_t k = 0; k < rows.columns; ++k) {
      double sum = 0;
      for (std::int64_t n = 0; n < rows.rows(); ++n)
        sum += std::pow(static_cast<double>(rows.values[static_cast<std::size_t>(n * rows.columns + k)]), 2);
      EXPECT_EQ(found->second.sums[static_cast<std::size_t>(k)], static_cast<float>(sum));
    }
  }
}

}  // namespace
}  // namespace plumb::tensor_error_test
