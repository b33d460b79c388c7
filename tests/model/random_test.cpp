/// Random weights: of the size asked for, the same however they are made, and models of them that behave.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/random_rows.hpp"
#include "plumb/model/session.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/formats.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/specs.hpp"

namespace plumb::random_test {
namespace {

std::vector<float> random_weights(const RandomRows& rows, DType type, std::int64_t n_rows, std::int64_t cols) {
  std::vector<std::byte> row(rows.row_bytes());
  std::vector<float> weights(static_cast<std::size_t>(n_rows * cols));
  for (std::int64_t r = 0; r < n_rows; ++r) {
    rows.fill(r, row.data());
    dequantize_row(type, row.data(), weights.data() + r * cols, cols);
  }
  return weights;
}

/// Rows must stay in the range where the mean of n weights is within 5 standard errors of zero. The spread of block
/// scales and, in MXFP4, scales that are powers of two decide how near the deviation can come.
TEST(RandomRows, HaveMeanZeroAndTheDeviationAskedFor) {
  for (const DType type : kWeightTypes)
    for (const double wanted : {1.0, 0.02, 0.008}) {
      SCOPED_TRACE(std::string(dtype_name(type)) + " deviation " + std::to_string(wanted));
      const RandomRows rows(type, 1024, wanted, 7);
      double sum = 0, power = 0;
      const std::vector<float> weights = random_weights(rows, type, 64, 1024);
      for (const float w : weights) {
        ASSERT_TRUE(std::isfinite(w));
        sum += w;
        power += double{w} * w;
      }
      const double n = static_cast<double>(weights.size());
      const double deviation = std::sqrt(power / n);
      // A block of 32 weights shares the sign of its offset, so its mean varies more than that of free weights: by at
      // most half a code step, which is at most 0.5 deviations for types with three bits or more.
      EXPECT_LT(std::abs(sum / n), 5 * wanted * std::sqrt(1 + 32 * 0.25) / std::sqrt(n));
      EXPECT_NEAR(deviation / wanted, 1.0, type == DType::mxfp4 ? 0.45 : 0.1);
    }
}

TEST(RandomRows, DependOnSeedAndRowOnly) {
  for (const DType type : kWeightTypes) {
    SCOPED_TRACE(dtype_name(type));
    const RandomRows one(type, 512, 0.1, 3), same(type, 512, 0.1, 3), other(type, 512, 0.1, 4);
    std::vector<std::byte> a(one.row_bytes()), b(a.size()), c(a.size()), d(a.size());
    one.fill(5, a.data());
    same.fill(4, b.data());
    same.fill(5, b.data());
    other.fill(5, c.data());
    one.fill(6, d.data());
    EXPECT_EQ(a, b);
    EXPECT_NE(a, c);
    EXPECT_NE(a, d);
  }
}

TEST(RandomRows, RefuseTypesThatAreNotComputed) {
  for (const DType type : {DType::iq2_xxs, DType::i8, DType::f64})
    test::expect_error(ErrorCode::unsupported_type, [&] { RandomRows(type, 256, 1.0, 0); });
  test::expect_error(ErrorCode::bad_shape, [] { RandomRows(DType::q4_k, 128, 1.0, 0); });
}

/// A small llama; `odd` has no dimension that is a multiple of 256, and rows beside the last full panel.
ModelSpec small_model(bool odd, bool tied) {
  ModelSpec spec = llama_spec({.vocab = odd ? 333 : 512,
                               .width = odd ? 96 : 256,
                               .layers = 3,
                               .heads = 4,
                               .kv_heads = odd ? 1 : 2,
                               .head_dim = odd ? 24 : 64,
                               .ffn = odd ? 160 : 512,
                               .context = 64,
                               .tied = tied});
  return spec;
}

std::vector<float> logits_of(const Model& model, int threads) {
  Session session(model, {.context = 16, .threads = threads});
  const std::vector<Token> prompt = {1, 17, 300, 5, 5, 256, 9, 11, 2, 33, 70};  // long enough for unpacked tiles
  session.prefill(prompt);
  std::vector<float> logits(session.logits().begin(), session.logits().end());
  session.decode(3);
  logits.insert(logits.end(), session.logits().begin(), session.logits().end());
  return logits;
}

class RandomModel : public testing::TestWithParam<DType> {};

TEST_P(RandomModel, HasSaneLogits) {
  for (const bool odd : {false, true})
    for (const bool tied : {false, true}) {
      const std::vector<float> logits = logits_of(Model::random(small_model(odd, tied), GetParam(), 11), 2);
      double power = 0;
      for (const float logit : logits) {
        ASSERT_TRUE(std::isfinite(logit));
        power += double{logit} * logit;
      }
      const double size = std::sqrt(power / static_cast<double>(logits.size()));
      EXPECT_GT(size, 0.5) << "odd " << odd << " tied " << tied;
      EXPECT_LT(size, 2.0) << "odd " << odd << " tied " << tied;
    }
}

/// Panels made directly and rows packed on the way into each product are the same weights.
TEST_P(RandomModel, IsTheSamePackedOrNot) {
  for (const bool odd : {false, true}) {
    const ModelSpec spec = small_model(odd, odd);
    const Model packed = Model::random(spec, GetParam(), 5);
    const Model plain = Model::random(spec, GetParam(), 5, {.repack = false});
    EXPECT_EQ(logits_of(packed, 2), logits_of(plain, 1));
    EXPECT_EQ(packed.weight_bytes(), plain.weight_bytes());
    EXPECT_NE(logits_of(packed, 2), logits_of(Model::random(spec, GetParam(), 6), 2));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RandomModel, testing::ValuesIn(kWeightTypes),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(RandomModelTypes, RowsThatDoNotFillBlocksTakeANearType) {
  const Model model = Model::random(small_model(true, false), DType::q6_k);
  int nearest = 0;
  for_each_matrix(model.spec(), model.transformer().weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
    const std::string name = gguf_tensor_name(tensor.id);
    EXPECT_EQ(w.type, w.cols % 32 == 0 ? DType::q8_0 : DType::f16) << name;
    EXPECT_TRUE(is_table(tensor.id.role) ? !w.file.empty() : w.packed()) << name;
    nearest += w.type == DType::q8_0 ? 1 : 0;
  });
  EXPECT_GT(nearest, 0);
  const Model mixed =
      Model::random(small_model(false, false), WeightTypes(DType::q4_k).set(TensorRole::ffn_down, 1, DType::q6_k));
  const auto down = [&](std::size_t l) {
    return std::get<DenseWeights>(mixed.transformer().weights.layers[l].ffn).down.w.type;
  };
  EXPECT_EQ(down(0), DType::q4_k);
  EXPECT_EQ(down(1), DType::q6_k);
}

TEST(RandomModelTypes, BadConfigurationsAreRefused) {
  ModelSpec spec = small_model(false, false);
  spec.width = 0;
  test::expect_error(ErrorCode::bad_value, [&] { Model::random(spec, DType::f32); });
  spec = small_model(false, false);
  test::expect_error(ErrorCode::unsupported_type, [&] { Model::random(spec, DType::iq1_s); });
}

}  // namespace
}  // namespace plumb::random_test
