// Explanations: their parts make up the whole, their work is the ledger's, and asking for nothing or too much is
// refused.

#include "plumb/perf/explain.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "plumb/perf/verify.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/specs.hpp"

namespace plumb::explain_test {
namespace {

ModelSpec small_model() {
  ModelSpec spec = llama_spec(
      {.vocab = 320, .width = 128, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 32, .ffn = 256, .context = 128});
  return spec;
}

Machine some_machine() {
  Machine machine;
  machine.isa = "avx2";
  machine.bandwidths.push_back({1, 1e6, 10e9});
  machine.peaks.push_back({"avx2", Arithmetic::f32, 1, 100e9});
  return machine;
}

TEST(Explain, PartsMakeUpTheWholeAndTheWorkIsTheLedgers) {
  const ModelSpec spec = small_model();
  const Model model = Model::random(spec, DType::q4_0);
  for (const int threads : {1, 2})
    for (const int sequences : {1, 3}) {
      const Explanation e = explain(model, some_machine(),
                                    {.prompt = 40,
                                     .tokens = 6,
                                     .depth = 20,
                                     .repetitions = 3,
                                     .session = {.threads = threads, .sequences = sequences, .kv = DType::f16}});
      EXPECT_EQ(e.threads, threads);
      for (const PassReport* pass : {&e.decode, &e.prefill}) {
        ASSERT_FALSE(pass->empty());
        double sum = pass->meeting_seconds;
        for (const OpReport& op : pass->ops) {
          sum += op.seconds;
          EXPECT_GT(op.seconds, 0) << op_name(op.op);
          EXPECT_GE(op.waiting, 0) << op_name(op.op);
        }
        EXPECT_NEAR(sum / pass->seconds, 1, 1e-9);
        EXPECT_GT(pass->predicted.seconds(), 0);
      }
      const Ledger decode =
          pass_work(spec, {.weights = DType::q4_0, .kv = DType::f16, .position = 23, .sequences = sequences});
      EXPECT_EQ(e.decode.work.bytes(), decode.bytes());
      EXPECT_EQ(e.decode.work.operations(), decode.operations());
      const Ledger prefill = pass_work(spec, {.weights = DType::q4_0, .kv = DType::f16, .position = 20, .tokens = 40});
      EXPECT_EQ(e.prefill.work.bytes(), prefill.bytes());
      EXPECT_EQ(e.decode.ops.back().op, Op::sampling);
    }
}

TEST(Explain, RefusesNothingAndTooMuch) {
  const Model model = Model::random(small_model(), DType::f32);
  const Machine machine = some_machine();
  test::expect_error(ErrorCode::invalid_argument, [&] { explain(model, machine, {.prompt = 0, .tokens = 0}); });
  test::expect_error(ErrorCode::invalid_argument, [&] { explain(model, machine, {.prompt = -1}); });
  test::expect_error(ErrorCode::invalid_argument, [&] { explain(model, machine, {.repetitions = 0}); });
  test::expect_error(ErrorCode::context_overflow, [&] { explain(model, machine, {.prompt = 100, .depth = 100}); });
}

TEST(Verify, CasesAreManyAndDistinctAndErrorsAreSummarized) {
  const std::vector<VerifyCase> cases = held_out_cases();
  EXPECT_GE(cases.size(), 30u);
  std::vector<std::string> names;
  for (const VerifyCase& what : cases) names.push_back(what.name());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());

  std::vector<VerifyResult> results;
  for (int i = 1; i <= 10; ++i) results.push_back({{}, i % 2 == 0 ? 1 + 0.01 * i : 1 - 0.01 * i, 1, 0});
  results.push_back({{small_model(), DType::q4_0, 128}, 2, 1, 0});
  EXPECT_NEAR(summarize(results, true).median, 0.055, 1e-12);
  EXPECT_NEAR(summarize(results, true).p90, 0.09, 1e-12);
  EXPECT_EQ(summarize(results, false).cases, 1);
}

TEST(Verify, RunsTheCasesAsked) {
  std::vector<VerifyCase> cases{{small_model(), DType::q4_0, 0, 16, 2}, {small_model(), DType::q8_0, 32}};
  cases[0].spec.name = cases[1].spec.name = "small";
  const auto results = verify(cases, some_machine(), {.threads = 1, .repetitions = 2, .filters = {"Q8_0"}});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].what.name(), "small Q8_0 pp32");
  EXPECT_GT(results[0].measured, 0);
  EXPECT_GT(results[0].predicted, 0);
}

}  // namespace
}  // namespace plumb::explain_test
