// Models that make embeddings and continue nothing: predicted, measured and timed as readers of whole texts.

#include <gtest/gtest.h>

#include "plumb/model/presets.hpp"
#include "plumb/perf/bench.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/perf/predict.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/specs.hpp"

namespace plumb::embedding_models_test {
namespace {

ModelSpec encoder() {
  ModelSpec spec = llama_spec(
      {.vocab = 320, .width = 128, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 32, .ffn = 256, .context = 128});
  for_each_attention(spec, [](AttentionSpec& attention) { attention.causal = false; });
  spec.output.head = spec.output.tied = spec.output.bias = false;
  spec.output.pooling = Pooling::mean;
  return spec;
}

Machine some_machine() {
  Machine machine;
  machine.isa = "avx2";
  machine.bandwidths.push_back({1, 1e6, 10e9});
  machine.peaks.push_back({"avx2", Arithmetic::f32, 1, 100e9});
  return machine;
}

TEST(EmbeddingModels, ArePredictedAsOnePassOverAText) {
  const ModelSpec spec = preset_spec("bge-small-en-v1.5");
  const Forecast f = forecast(spec, {.context = spec.context, .prompt = 300, .batch = 64}, some_machine());
  EXPECT_FALSE(f.generates);
  EXPECT_EQ(f.prefill_ledger.rows, 300);
  EXPECT_GT(f.time_to_first_token(), 0);
  EXPECT_TRUE(f.decode.ops.empty());
  EXPECT_EQ(f.time_per_token(), 0);
}

TEST(EmbeddingModels, AreMeasuredByTheTextsTheyRead) {
  const Model model = Model::random(encoder(), DType::f32);
  const Measurement m = measure(model, {.prompt = 40, .tokens = 8, .repetitions = 2, .session = {.batch = 16}});
  EXPECT_EQ(m.prefill.tokens, 40);
  EXPECT_EQ(m.prefill.seconds.size(), 2u);
  EXPECT_EQ(m.decode.tokens, 0);
  EXPECT_TRUE(m.decode.seconds.empty());
  test::expect_error(ErrorCode::invalid_argument, [&] { measure(model, {.prompt = 8, .depth = 4}); });
}

TEST(EmbeddingModels, BenchReadsPromptsAlone) {
  const Model model = Model::random(encoder(), DType::f32);
  EXPECT_EQ(run_bench(model, {.prompt = 24}, {.batch = 8, .repetitions = 2}).seconds.size(), 2u);
  test::expect_error(ErrorCode::unsupported_architecture, [&] { run_bench(model, {.generate = 2}, {}); });
  test::expect_error(ErrorCode::unsupported_architecture, [&] { run_bench(model, {.prompt = 2, .depth = 3}, {}); });
}

}  // namespace
}  // namespace plumb::embedding_models_test
