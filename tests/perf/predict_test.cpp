// Predictions on a made-up machine of round numbers, where every time can be worked out by hand.

#include "plumb/perf/predict.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "plumb/core/error.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/subject.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/specs.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::predict_test {
namespace {

using test::round_machine;

TEST(Predict, DecodingALargeModelWaitsForMemory) {
  const ModelSpec spec = preset_spec("llama-2-7b");
  const Ledger ledger = pass_work(spec, {.weights = DType::q8_0, .kv = DType::f16, .position = 100});
  const Prediction p = predict(ledger, round_machine(), 1);
  EXPECT_EQ(p.ceiling(), Ceiling::memory);
  const Traffic bytes = ledger.bytes();
  // Weights and KV at 10 GB/s; activations are small and come at 100 GB/s. Nothing else takes longer.
  EXPECT_NEAR(p.seconds(), (bytes.weights() + bytes.kv_read) / 10e9, 0.01 * p.seconds());
  EXPECT_EQ(p.meeting_seconds, 0);
  const Prediction two = predict(ledger, round_machine(), 2);
  EXPECT_NEAR((two.seconds() - two.meeting_seconds) / p.seconds(), 0.5, 0.01);
  EXPECT_NEAR(two.meeting_seconds, (32 * 6 + 1) * 1e-6 + 5e-6, 1e-9);
}

TEST(Predict, ASmallModelLivesInTheCache) {
  const Ledger ledger = pass_work(preset_spec("stories-15m"), {.weights = DType::q8_0});
  const Prediction p = predict(ledger, round_machine(), 1);
  EXPECT_LT(p.working_set, 32 << 20);
  EXPECT_EQ(p.sum_of(Op::head).ceiling, Ceiling::cache);
  EXPECT_DOUBLE_EQ(p.bandwidth, 100e9);
}

TEST(Predict, ReadingALongPromptWaitsForArithmetic) {
  const Ledger ledger = pass_work(preset_spec("llama-2-7b"), {.weights = DType::q4_0, .tokens = 512});
  const Prediction p = predict(ledger, round_machine(), 1);
  EXPECT_EQ(p.ceiling(), Ceiling::arithmetic);
  EXPECT_GT(p.seconds(), ledger.operations().int8 / 400e9);
}

TEST(Predict, AMeasuredKernelRateReplacesThePeak) {
  Machine machine = round_machine();
  for (int threads : {1, 2})
    for (int columns : {1, 512}) machine.kernels.push_back({"avx2", DType::q4_0, threads, columns, 50e9 * threads});
  const Ledger ledger = pass_work(preset_spec("llama-2-7b"), {.weights = DType::q4_0, .tokens = 512});
  const OpWork gate = ledger.sum_of(Op::gate);
  EXPECT_DOUBLE_EQ(predict(ledger, machine, 1).sum_of(Op::gate).seconds, gate.operations.int8 / 2 / 50e9);
}

TEST(Predict, SumsAndSharesAddUp) {
  const Forecast f = forecast(preset_spec("gemma-3-1b"), {.weights = DType::q4_0, .prompt = 300}, round_machine());
  for (const Prediction* p : {&f.prefill, &f.decode, &f.decode_full}) {
    double by_op = p->meeting_seconds, by_ceiling = 0;
    for (const Op op : kAllOps) by_op += p->sum_of(op).seconds;
    for (const Ceiling c : {Ceiling::memory, Ceiling::cache, Ceiling::arithmetic, Ceiling::meeting})
      by_ceiling += p->seconds_of(c);
    EXPECT_NEAR(by_op / p->seconds(), 1, 1e-12);
    EXPECT_NEAR(by_ceiling / p->seconds(), 1, 1e-12);
  }
}

TEST(Forecast, APromptIsReadInPassesAndOneRowAsksForLogits) {
  const ModelSpec spec = preset_spec("tinyllama-1.1b");
  const Forecast whole = forecast(spec, {.weights = DType::q4_0, .prompt = 1000, .batch = 1000}, round_machine());
  const Forecast cut = forecast(spec, {.weights = DType::q4_0, .prompt = 1000, .batch = 256}, round_machine());
  EXPECT_EQ(whole.prefill_ledger.operations().int8, cut.prefill_ledger.operations().int8);
  EXPECT_EQ(whole.prefill_ledger.operations().f32, cut.prefill_ledger.operations().f32);
  EXPECT_GT(cut.prefill_ledger.bytes().weights(), 3 * whole.prefill_ledger.bytes().weights());
  EXPECT_EQ(whole.prefill_ledger.sum_of(Op::head).operations.int8, 2.0 * 32000 * 2048);
  EXPECT_EQ(cut.prefill_ledger.rows, 1000);
}

TEST(Forecast, ContextCostsBandwidth) {
  const Forecast f =
      forecast(preset_spec("llama-2-7b"), {.weights = DType::q4_0, .kv = DType::f16, .context = 4096, .prompt = 1},
               round_machine());
  const double kv = 4096.0 * 524288;
  EXPECT_NEAR(f.memory.kv, kv, 1);
  EXPECT_NEAR(f.decode_full.seconds() - f.decode.seconds(), kv / 20e9, 0.05 * kv / 20e9);
}

// No session has such a cache, so none is priced.
TEST(Forecast, TypesOfKeysAndValuesAreThoseOfSessions) {
  for (const DTypeInfo& info : kDTypes) {
    const ForecastOptions options{.weights = DType::q4_0, .kv = info.type, .context = 64, .prompt = 8};
    const auto priced = [&] { (void)forecast(preset_spec("tinyllama-1.1b"), options, round_machine()); };
    const auto counted = [&] { (void)pass_work(preset_spec("tinyllama-1.1b"), {.kv = info.type}); };
    if (is_kv_type(info.type)) {
      EXPECT_NO_THROW(priced());
      EXPECT_NO_THROW(counted());
      continue;
    }
    for (const std::function<void()>& refused : {std::function<void()>(priced), std::function<void()>(counted)}) {
      const std::string message = test::expect_error(ErrorCode::invalid_argument, refused);
      EXPECT_NE(message.find(info.name), std::string::npos) << message;
    }
  }
}

TEST(Forecast, ModelsBeyondAnyMemoryArePredictedAndMarked) {
  ModelSpec spec = preset_spec("llama-3.1-405b");
  spec = test::with_layers(spec, 320);
  const Forecast f = forecast(spec, {.weights = DType::f16, .context = 131072, .prompt = 131072}, round_machine());
  EXPECT_FALSE(f.fits);
  EXPECT_TRUE(std::isfinite(f.time_to_first_token()));
  EXPECT_GT(f.time_per_token(), 2e12 / 20e9);
  EXPECT_TRUE(forecast(preset_spec("stories-15m"), {.context = 256, .prompt = 4}, round_machine()).fits);
}

TEST(Forecast, BadRequestsGiveOneClearError) {
  const ModelSpec spec = preset_spec("tinyllama-1.1b");
  const auto code_of = [&](const ModelSpec& c, const ForecastOptions& options) {
    try {
      forecast(c, options, round_machine());
    } catch (const Error& error) {
      return std::string(error_code_name(error.code()));
    }
    return std::string("none");
  };
  EXPECT_EQ(code_of(spec, {.context = 0}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.context = 100, .prompt = 101}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.prompt = 0}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.prompt = -3}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.sequences = 0}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.batch = 0}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.threads = -1}), "invalid_argument");
  EXPECT_EQ(code_of(spec, {.context = INT64_MAX}), "invalid_argument");
  ModelSpec bad = spec;
  for_each_attention(bad, [](AttentionSpec& attention) { attention.n_heads = 0; });
  EXPECT_EQ(code_of(bad, {}), "bad_value");
}

TEST(Subject, FindsPresetsAndConfigFiles) {
  EXPECT_EQ(load_subject("tinyllama-1.1b").spec.n_layers(), 22);
  const test::TempDir dir;
  const auto path = dir.file("config.json", R"({"model_type":"llama","vocab_size":100,"hidden_size":64,
    "intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4})");
  EXPECT_EQ(test::attention_of(load_subject(path.string()).spec).head_dim, 16);
  EXPECT_FALSE(load_subject(path.string()).types.has_value());
  try {
    load_subject("no-such-model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

/// Bytes of the matrices in a file, by looking at it, equal those that the ledger's memory adds up from the types.
TEST(Subject, WeightTypesOfFilesGiveTheirBytes) {
  PLUMB_REQUIRE_FIXTURES();
  for (const char* name : {"F16", "Q8_0", "Q4_0", "Q4_K_M", "Q5_K_M", "Q3_K_M", "IQ4_XS", "tied-Q4_K_M"}) {
    const auto path = test::fixtures_dir() / "quant-models" / (std::string(name) + ".gguf");
    const Subject subject = load_subject(path.string());
    ASSERT_TRUE(subject.types.has_value());
    const double counted = memory_use(subject.spec, *subject.types, DType::f16, 1).weights;
    double stored = 0;
    const GgufFile file = GgufFile::open(path);
    for (const GgufTensor& tensor : file.tensors()) stored += static_cast<double>(tensor.view.bytes());
    EXPECT_EQ(counted, stored) << name;
  }
}

}  // namespace
}  // namespace plumb::predict_test
