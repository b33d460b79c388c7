// The forward pass of small models made here, against an independent double-precision evaluation: shapes that a real
// file seldom has (odd widths, one KV head, heads wider than D / H), rope variants, biases, tied heads.

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/reference_model.hpp"

namespace plumb::forward_test {
namespace {

using test::GgufBuilder;
using test::TinyShape;

std::vector<Token> random_tokens(std::size_t count, int vocab, unsigned seed = 11) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % static_cast<unsigned>(vocab));
  return tokens;
}

void expect_reference(const std::string& name, const TinyShape& shape,
                      const std::function<void(GgufBuilder&)>& change = {}) {
  SCOPED_TRACE(name);
  GgufBuilder builder;
  test::add_tiny_llama(builder, 50, shape);
  if (change) change(builder);
  const test::BuiltModel built(builder);
  const std::vector<Token> tokens = random_tokens(shape.context, 50);
  const std::vector<double> want = test::ReferenceModel(built.file).logits(tokens);
  const std::vector<float> got = test::all_logits(built.model, tokens, 7);
  EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-9);
}

TEST(Forward, ShapesEqualDoublePrecision) {
  expect_reference("small", {});
  expect_reference("one KV head", {.dim = 24, .heads = 6, .kv_heads = 1, .head_dim = 4, .ffn = 33});
  expect_reference("odd everything", {.dim = 15, .heads = 3, .kv_heads = 3, .head_dim = 6, .ffn = 17, .layers = 3},
                   [](GgufBuilder& f) {
                     f.set_u32("llama.attention.key_length", 6);
                     f.set_u32("llama.attention.value_length", 6);
                   });
  expect_reference("one layer", {.dim = 8, .heads = 1, .kv_heads = 1, .head_dim = 8, .ffn = 1, .layers = 1});
  expect_reference("long",
                   {.dim = 16, .heads = 2, .kv_heads = 1, .head_dim = 8, .ffn = 8, .layers = 2, .context = 600});
}

TEST(Forward, RotationVariantsEqualDoublePrecision) {
  const TinyShape shape{.dim = 32, .heads = 4, .kv_heads = 2, .head_dim = 8, .ffn = 20};
  expect_reference("partial", shape, [](GgufBuilder& f) { f.set_u32("llama.rope.dimension_count", 4); });
  expect_reference("base", shape, [](GgufBuilder& f) { f.set_f32("llama.rope.freq_base", 1e6f); });
  expect_reference("linear", shape, [](GgufBuilder& f) {
    f.set_string("llama.rope.scaling.type", "linear");
    f.set_f32("llama.rope.scaling.factor", 4.0f);
  });
  expect_reference("factors", shape, [](GgufBuilder& f) {
    std::mt19937 random(3);
    f.add_random("rope_freqs.weight", {4}, random, 3);
  });
}

TEST(Forward, OptionalPartsEqualDoublePrecision) {
  expect_reference("tied", {}, [](GgufBuilder& f) { f.erase_tensor("output.weight"); });
  expect_reference("qkv bias", {}, [](GgufBuilder& f) {
    std::mt19937 random(4);
    for (const std::string blk : {"blk.0.", "blk.1."}) {
      f.add_random(blk + "attn_q.bias", {8}, random);
      f.add_random(blk + "attn_k.bias", {4}, random);
      f.add_random(blk + "attn_v.bias", {4}, random);
    }
  });
  expect_reference("all biases", {}, [](GgufBuilder& f) {
    std::mt19937 random(4);
    f.add_random("output.bias", {50}, random);
    for (const std::string blk : {"blk.0.", "blk.1."}) {
      f.add_random(blk + "attn_output.bias", {8}, random);
      f.add_random(blk + "ffn_gate.bias", {12}, random);
      f.add_random(blk + "ffn_up.bias", {12}, random);
      f.add_random(blk + "ffn_down.bias", {8}, random);
    }
  });
}

TEST(Forward, HalfPrecisionCacheIsNear) {
  GgufBuilder builder;
  test::add_tiny_llama(builder, 50, {.dim = 32, .heads = 4, .kv_heads = 2, .head_dim = 8, .ffn = 20, .context = 300});
  const test::BuiltModel built(builder);
  const std::vector<Token> tokens = random_tokens(300, 50);
  const std::vector<float> full = test::all_logits(built.model, tokens);
  const std::vector<float> half = test::all_logits(built.model, tokens, 64, {.threads = 2, .kv = DType::f16});
  const double error = test::nmse(std::span(half), std::span(full));
  EXPECT_LT(error, 1e-6);  // rounding to 11 bits: 2^-24 per element before averaging over keys
  EXPECT_GT(error, 0);     // the cache is really f16
}

}  // namespace
}  // namespace plumb::forward_test
