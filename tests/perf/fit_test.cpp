// What fits a budget on a machine of round numbers, checked choice by choice against the forecast itself.

#include "plumb/perf/fit.hpp"

#include <gtest/gtest.h>

#include "plumb/core/error.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "tests/support/round_machine.hpp"

namespace plumb::fit_test {
namespace {

FitOptions options_with(double latency, double memory) {
  FitOptions options;
  options.budget.latency = latency;
  options.budget.memory = memory;
  options.budget.context = 2048;
  return options;
}

TEST(Fit, EveryChoiceMeetsTheBudgetAndNoneThatDoesIsMissing) {
  const Machine machine = test::round_machine();
  const FitOptions options = options_with(0.2, 4e9);
  const std::vector<FitChoice> choices = fit_models(options, machine);
  ASSERT_FALSE(choices.empty());
  std::size_t expected = 0;
  for (const Preset& preset : all_presets()) {
    if (reads_at_once(preset.spec())) continue;  // makes no tokens
    const ModelSpec spec = preset.spec();
    bool any = false;
    for (const std::string_view type : kFitTypes) {
      if (any || spec.context < 2048) continue;
      const ForecastOptions ask{.weights = weight_types_by_name(type, spec), .kv = DType::f32, .context = 2048};
      if (memory_use(spec, ask.weights, ask.kv, ask.context, ask.sequences, ask.batch).total() > 4e9) continue;
      const Forecast f = forecast(spec, ask, machine);
      any = any || (f.decode_full.seconds() <= 0.2 && f.memory.total() <= 4e9);
    }
    expected += any;
  }
  EXPECT_EQ(choices.size(), expected);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    EXPECT_LE(choices[i].latency(), 0.2);
    EXPECT_LE(choices[i].forecast.memory.total(), 4e9);
    if (i > 0) {
      EXPECT_LE(choices[i].forecast.parameters.total(), choices[i - 1].forecast.parameters.total());
    }
  }
}

TEST(Fit, TheFirstTokenCountsToo) {
  FitOptions options = options_with(0, 16e9);
  options.budget.prompt = 1000;
  const auto slow = fit_models(options, test::round_machine());
  options.budget.first_token = 1;
  const auto fast = fit_models(options, test::round_machine());
  EXPECT_LT(fast.size(), slow.size());
  for (const FitChoice& choice : fast) EXPECT_LE(choice.forecast.time_to_first_token(), 1);
}

TEST(Fit, FreeShapesFillTheBudget) {
  FitOptions options = options_with(0.05, 16e9);
  options.free_shape = true;
  options.types = {"q4_0"};
  const Machine machine = test::round_machine();
  const auto choices = fit_models(options, machine);
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_LE(choices[0].latency(), 0.05);
  EXPECT_TRUE(choices[0].runnable);
  const ModelSpec next = free_shape(choices[0].spec.width + 128, 2048);
  EXPECT_GT(forecast(next, {.weights = DType::q4_0, .kv = DType::f32, .context = 2048}, machine).decode_full.seconds(),
            0.05);
}

TEST(Fit, VerifyMeasuresTheChoice) {
  FitOptions options = options_with(0, 1e9);
  options.budget.context = 40;
  options.budget.prompt = 16;
  options.threads = 1;
  FitChoice choice{"tiny", preset_spec("stories-260k"), "q8_0", {}, true};
  const Measurement m = verify_choice(choice, options);
  EXPECT_EQ(m.prefill.tokens, 16);
  EXPECT_EQ(m.decode.passes, 16);
  EXPECT_GT(m.decode.median(), 0);
  choice.spec = preset_spec("mixtral-8x7b");
  EXPECT_THROW(verify_choice(choice, options), Error);
}

TEST(Fit, RefusesBudgetsThatMakeNoSense) {
  const Machine machine = test::round_machine();
  EXPECT_THROW(fit_models(options_with(0, 0), machine), Error);
  EXPECT_THROW(fit_models(options_with(-1, 0), machine), Error);
  FitOptions options = options_with(1, 1e9);
  options.budget.context = 0;
  EXPECT_THROW(fit_models(options, machine), Error);
  options.budget.context = 100;
  options.budget.prompt = 101;
  EXPECT_THROW(fit_models(options, machine), Error);
  options.budget.prompt = 100;
  options.types = {"q9"};
  EXPECT_THROW(fit_models(options, machine), Error);
}

}  // namespace
}  // namespace plumb::fit_test
