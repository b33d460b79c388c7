// What fits a budget on a machine of round numbers, checked choice by choice against the forecast itself.

#include "plumb/perf/fit.hpp"

#include <gtest/gtest.h>

#include "plumb/core/error.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/quality.hpp"
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
  const FitResult result = fit_models(options, machine);
  const std::vector<FitChoice>& choices = result.choices;
  ASSERT_FALSE(choices.empty());
  EXPECT_TRUE(result.misses.empty());
  std::size_t expected = 0, shorter = 0;
  for (const Preset& preset : all_presets()) {
    if (reads_at_once(preset.spec())) continue;  // makes no tokens
    if (!preset.trained) continue;               // nobody can download it
    const ModelSpec spec = preset.spec();
    bool any = false;
    shorter += spec.context < 2048;
    for (const std::string_view type : kFitTypes) {
      if (any || spec.context < 2048) continue;
      const ForecastOptions ask{.weights = weight_types_by_name(type, spec), .kv = DType::f32, .context = 2048};
      if (memory_use(spec, ask.weights, ask.kv, ask.context, ask.sequences, ask.batch).total() > 4e9) continue;
      const Forecast f = forecast(spec, ask, machine);
      any = any || (f.decode_full.seconds() <= 0.2 && f.memory.total() <= 4e9);
    }
    expected += any;
  }
  std::size_t found = 0;
  for (const FitChoice& choice : choices) found += 1 + choice.others.size();
  EXPECT_EQ(found, expected);
  EXPECT_EQ(result.short_contexts.size(), shorter);
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
  options.types = {"q4_0"};
  const auto slow = fit_models(options, test::round_machine()).choices;
  options.budget.first_token = 1;
  const auto fast = fit_models(options, test::round_machine()).choices;
  EXPECT_LT(fast.size(), slow.size());
  for (const FitChoice& choice : fast) EXPECT_LE(choice.forecast.time_to_first_token(), 1);
}

TEST(Fit, FreeShapesFillTheBudget) {
  FitOptions options = options_with(0.05, 16e9);
  options.free_shape = true;
  options.types = {"q4_0"};
  const Machine machine = test::round_machine();
  const auto choices = fit_models(options, machine).choices;
  ASSERT_EQ(choices.size(), 1u);
  EXPECT_LE(choices[0].latency(), 0.05);
  EXPECT_TRUE(choices[0].runnable);
  const ModelSpec next = free_shape(choices[0].spec.width + 128, 2048);
  EXPECT_GT(forecast(next, {.weights = DType::q4_0, .kv = DType::f32, .context = 2048}, machine).decode_full.seconds(),
            0.05);
}

TEST(Fit, OffersNoShapesWithoutWeights) {
  ASSERT_FALSE(find_preset("bench-1.1b")->trained);
  FitOptions options = options_with(0, 60e9);
  options.types = {"q4_0"};
  for (const FitChoice& choice : fit_models(options, test::round_machine()).choices)
    EXPECT_TRUE(find_preset(choice.name)->trained) << choice.name;
}

// Llama 3.1 70B and 3.3 70B are one shape.
TEST(Fit, PresetsOfOneShapeAreOneChoice) {
  FitOptions options = options_with(0, 60e9);
  options.types = {"q4_k_m"};
  for (const FitChoice& choice : fit_models(options, test::round_machine()).choices) {
    EXPECT_NE(choice.name, "llama-3.3-70b");
    if (choice.name == "llama-3.1-70b") {
      EXPECT_EQ(choice.others, std::vector<std::string>{"llama-3.3-70b"});
    }
  }
}

TEST(Fit, NearestMissesSayByHowMuch) {
  FitOptions options = options_with(0.001, 200e6);
  options.types = {"q4_0", "q8_0"};
  const FitResult result = fit_models(options, test::round_machine());
  ASSERT_TRUE(result.choices.empty());
  ASSERT_FALSE(result.misses.empty());
  double last = 0;
  for (const FitChoice& miss : result.misses) {
    EXPECT_GT(miss.excess.worst(), 0);
    EXPECT_GE(miss.excess.worst(), last);
    last = miss.excess.worst();
    EXPECT_NEAR(miss.excess.latency, std::max(miss.latency() / 0.001 - 1, 0.0), 1e-9);
    EXPECT_NEAR(miss.excess.memory, std::max(miss.forecast.memory.total() / 200e6 - 1, 0.0), 1e-9);
  }
}

// Each user has a cache; a step of all takes longer than one of one, and less than all one after the other.
TEST(Fit, UsersShareTheWeights) {
  FitOptions options = options_with(0, 1e13);
  options.types = {"q8_0"};
  const auto of_llama = [&](std::int64_t users) {
    options.budget.users = users;
    for (FitChoice& choice : fit_models(options, test::round_machine()).choices)
      if (choice.name == "llama-3.2-1b") return choice;
    ADD_FAILURE();
    return FitChoice{};
  };
  const FitChoice one = of_llama(1), four = of_llama(4);
  EXPECT_EQ(four.forecast.memory.kv, 4 * one.forecast.memory.kv);
  EXPECT_EQ(four.forecast.memory.weights, one.forecast.memory.weights);
  EXPECT_GT(four.latency(), one.latency());
  EXPECT_LT(four.latency(), 4 * one.latency());
  EXPECT_EQ(four.forecast.time_to_first_token(), one.forecast.time_to_first_token());
}

TEST(Fit, ScoresAreALimitToo) {
  FitOptions options = options_with(0, 1e13);
  options.score = 80;
  const auto choices = fit_models(options, test::round_machine()).choices;
  ASSERT_FALSE(choices.empty());
  for (const FitChoice& choice : choices) EXPECT_GE(published_score(choice.name)->mmlu, 80);
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
  options.budget.users = 0;
  EXPECT_THROW(fit_models(options, machine), Error);
  options.budget.users = 1;
  options.types = {"q9"};
  EXPECT_THROW(fit_models(options, machine), Error);
}

}  // namespace
}  // namespace plumb::fit_test
