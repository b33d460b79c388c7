/// The sampler as its users see it.

#include "plumb/text/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "tests/support/expect_error.hpp"

namespace plumb::sampler_test {
namespace {

using test::expect_error;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_logits(std::size_t size, unsigned seed, float spread = 2.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> logits(size);
  for (float& x : logits) x = normal(random);
  return logits;
}

std::vector<Token> draw(const SamplerOptions& options, const std::vector<float>& logits, int count) {
  Sampler sampler(options, static_cast<std::int64_t>(logits.size()));
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(sampler.sample(logits));
  return tokens;
}

/// Upper bound of a chi-square variable with `freedom` degrees, exceeded with probability 1e-6 (Laurent and Massart
/// 2000, lemma 1: P(X >= d + 2 sqrt(d x) + 2 x) <= exp(-x)).
double chi_square_bound(double freedom) {
  const double x = std::log(1e6);
  return freedom + 2 * std::sqrt(freedom * x) + 2 * x;
}

TEST(Sampler, DrawsFromTheModelsDistribution) {
  for (const float temperature : {1.0f, 0.5f, 2.0f}) {
    const std::vector<float> logits = random_logits(50, 7, 0.6f);
    std::vector<double> p(logits.size());
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(static_cast<double>(logits[i] / temperature));
    const int draws = 200'000;
    std::vector<double> seen(p.size(), 0);
    for (const Token token : draw({.temperature = temperature, .seed = 42}, logits, draws))
      ++seen[static_cast<std::size_t>(token)];
    double chi_square = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double expected = draws * p[i] / sum;
      ASSERT_GT(expected, 5) << "too rare for the test";
      chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    EXPECT_LT(chi_square, chi_square_bound(49)) << "temperature " << temperature;
    EXPECT_GT(chi_square, 10) << "too regular to be random: P < 1e-9 for 49 degrees";
  }
}

TEST(Sampler, DrawsFromWhatTopKLeaves) {
  const std::vector<float> logits = random_logits(5000, 3);
  std::vector<std::size_t> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  const int draws = 100'000, kept = 20;
  std::map<Token, double> seen;
  for (const Token token : draw({.top_k = kept, .seed = 9}, logits, draws)) ++seen[token];
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kept));
  double sum = 0, chi_square = 0;
  for (int i = 0; i < kept; ++i) sum += std::exp(static_cast<double>(logits[order[static_cast<std::size_t>(i)]]));
  for (int i = 0; i < kept; ++i) {
    const std::size_t id = order[static_cast<std::size_t>(i)];
    const double expected = draws * std::exp(static_cast<double>(logits[id])) / sum;
    const double error = seen[static_cast<Token>(id)] - expected;
    chi_square += error * error / expected;
  }
  EXPECT_LT(chi_square, chi_square_bound(kept - 1));
}

/// Computed once by an independent program in 40-digit decimal arithmetic. No platform, compiler or version may draw
/// anything else.
TEST(Sampler, TheSameSeedGivesTheSameTokensEverywhere) {
  std::vector<float> logits(1000);
  for (std::size_t i = 0; i < logits.size(); ++i)  // exact in float, so that no library's rounding enters
    logits[i] = static_cast<float>((i * 7919) % 1000) / 128.0f;
  EXPECT_EQ(draw({.seed = 1}, logits, 8), (std::vector<Token>{568, 743, 964, 446, 446, 766, 878, 531}));
  EXPECT_EQ(draw({.temperature = 0.75f, .top_k = 100, .typical_p = 0.95f, .top_p = 0.9f, .min_p = 0.05f, .seed = 2},
                 logits, 8),
            (std::vector<Token>{593, 754, 593, 766, 309, 346, 729, 741}));
  EXPECT_EQ(draw({.repetition_penalty = 1.25f, .frequency_penalty = 0.5f, .seed = 3}, logits, 8),
            (std::vector<Token>{124, 704, 607, 75, 224, 632, 149, 890}));
}

TEST(Sampler, SeedsDifferAndResetRepeats) {
  const std::vector<float> logits = random_logits(1000, 5);
  EXPECT_NE(draw({.seed = 1}, logits, 20), draw({.seed = 2}, logits, 20));
  Sampler sampler({.frequency_penalty = 1.0f, .seed = 1}, 1000);
  std::vector<Token> first, again;
  for (int i = 0; i < 20; ++i) first.push_back(sampler.sample(logits));
  sampler.reset();
  for (int i = 0; i < 20; ++i) again.push_back(sampler.sample(logits));
  EXPECT_EQ(first, again);
}

TEST(Sampler, ACopyDrawsWhatTheOriginalWould) {
  const std::vector<float> logits = random_logits(300, 6);
  Sampler original({.top_p = 0.9f, .presence_penalty = 2.0f, .seed = 4}, 300);
  for (int i = 0; i < 5; ++i) original.sample(logits);
  Sampler copy = original;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(copy.sample(logits), original.sample(logits));
}

TEST(Sampler, GreedyTakesTheLowestOfEqualTokens) {
  EXPECT_EQ(draw({.temperature = 0}, {1, 3, 2, 3}, 2), (std::vector<Token>{1, 1}));
  EXPECT_EQ(draw({.temperature = 0, .top_k = 2, .top_p = 0.1f, .seed = 8}, {1, 3, 2, 3}, 1), std::vector<Token>{1});
  EXPECT_EQ(draw({.top_k = 1}, {1, 3, 2, 3}, 3), (std::vector<Token>{1, 1, 1}));
}

TEST(Sampler, TopKOfZeroOrOfTheWholeVocabularyKeepsAll) {
  const std::vector<float> logits = random_logits(200, 11);
  const std::vector<Token> all = draw({.seed = 3}, logits, 50);
  EXPECT_EQ(draw({.top_k = 0, .seed = 3}, logits, 50), all);
  EXPECT_EQ(draw({.top_k = 200, .seed = 3}, logits, 50), all);
  EXPECT_EQ(draw({.top_k = 1'000'000'000'000, .seed = 3}, logits, 50), all);
}

TEST(Sampler, FiltersFollowOneAnother) {
  // Probabilities 0.4 0.3 0.2 0.1. top_k 3 leaves 4/9 3/9 2/9; top_p 0.7 then keeps two of them, not three.
  const std::vector<float> logits = {std::log(0.4f), std::log(0.3f), std::log(0.2f), std::log(0.1f)};
  std::map<Token, int> seen;
  for (const Token token : draw({.top_k = 3, .top_p = 0.75f, .seed = 1}, logits, 2000)) ++seen[token];
  EXPECT_EQ(seen.size(), 2u);
  seen.clear();
  for (const Token token : draw({.top_p = 0.75f, .seed = 1}, logits, 2000)) ++seen[token];
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Sampler, PenaltiesFollowTheirDefinition) {
  const std::vector<float> logits = {2.0f, 1.9f, -1.0f, -1.1f};
  const auto greedy_after = [&](SamplerOptions options, const std::vector<Token>& history,
                                const std::vector<float>& row) {
    options.temperature = 0;
    Sampler sampler(options, 4);
    for (const Token token : history) sampler.accept(token);
    return sampler.sample(row);
  };
  EXPECT_EQ(greedy_after({}, {0}, logits), 0);
  EXPECT_EQ(greedy_after({.repetition_penalty = 1.1f}, {0}, logits), 1);                        // 2 / 1.1 < 1.9
  EXPECT_EQ(greedy_after({.repetition_penalty = 1.04f}, {0}, logits), 0);                       // 2 / 1.04 > 1.9
  EXPECT_EQ(greedy_after({.repetition_penalty = 1.2f}, {2}, {-5.0f, -5.0f, -1.0f, -1.1f}), 3);  // -1 * 1.2 < -1.1
  EXPECT_EQ(greedy_after({.frequency_penalty = 0.06f}, {0}, logits), 0);
  EXPECT_EQ(greedy_after({.frequency_penalty = 0.06f}, {0, 0}, logits), 1);  // twice
  EXPECT_EQ(greedy_after({.presence_penalty = 0.06f}, {0, 0}, logits), 0);   // once
  EXPECT_EQ(greedy_after({.presence_penalty = 0.11f}, {0}, logits), 1);
  EXPECT_EQ(greedy_after({.presence_penalty = 0.11f, .penalty_last_n = 2}, {0, 2, 3}, logits), 0);  // too long ago
  EXPECT_EQ(greedy_after({.presence_penalty = 0.11f, .penalty_last_n = 3}, {0, 2, 3}, logits), 1);
  EXPECT_EQ(greedy_after({.presence_penalty = 0.11f, .penalty_last_n = 0}, {0}, logits), 0);
  EXPECT_EQ(greedy_after({.presence_penalty = 0.11f, .penalty_last_n = -1}, std::vector<Token>(100'000, 0), logits), 1);
  EXPECT_EQ(greedy_after({.presence_penalty = -5.0f}, {3}, logits), 3);  // a reward
}

/// A window against counting from scratch.
TEST(Sampler, PenaltyWindowsCountTheLastTokens) {
  std::mt19937 random(17);
  for (const std::int64_t last_n : {1, 2, 7, 64}) {
    Sampler sampler({.temperature = 0, .frequency_penalty = 1.0f, .penalty_last_n = last_n}, 8);
    std::vector<Token> history;
    for (int step = 0; step < 500; ++step) {
      std::vector<float> row(8), expected;
      for (float& x : row) x = static_cast<float>(random() % 5) + static_cast<float>(&x - row.data()) / 16;
      expected = row;
      const std::size_t from = history.size() - std::min(history.size(), static_cast<std::size_t>(last_n));
      for (std::size_t i = from; i < history.size(); ++i) expected[static_cast<std::size_t>(history[i])] -= 1.0f;
      const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
      const Token token = sampler.sample(row);
      ASSERT_EQ(token, best) << "last_n " << last_n << " step " << step;
      history.push_back(token);
      if (random() % 2) {
        sampler.accept(static_cast<Token>(step % 8));
        history.push_back(static_cast<Token>(step % 8));
      }
    }
  }
}

TEST(Sampler, BiasComesFirst) {
  const std::vector<float> logits = {5, 4, 3, 2};
  EXPECT_EQ(draw({.temperature = 0, .logit_bias = {{0, -kInf}}}, logits, 1), std::vector<Token>{1});
  EXPECT_EQ(draw({.temperature = 0, .logit_bias = {{3, 2.0f}, {3, 2.0f}}}, logits, 1), std::vector<Token>{3});
  for (const Token token : draw({.logit_bias = {{0, -kInf}, {1, -kInf}}, .seed = 1}, logits, 200)) EXPECT_GE(token, 2);
  EXPECT_EQ(draw({.temperature = 0, .logit_bias = {{2, 3e38f}, {2, 3e38f}}}, logits, 1), std::vector<Token>{2});
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  const std::vector<float> logits = random_logits(1000, 21);
  long double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<long double>(x));
  const auto exact = [&](Token token) {
    return static_cast<double>(static_cast<long double>(logits[static_cast<std::size_t>(token)]) - std::log(sum));
  };
  // Options change what is drawn and not what is reported.
  Sampler sampler({.temperature = 0.3f, .top_k = 5, .logit_bias = {{7, 50.0f}}, .logprobs = 4}, 1000);
  std::vector<std::size_t> order(1000);
  for (std::size_t i = 0; i < 1000; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  const Token token = sampler.sample(logits);
  EXPECT_EQ(token, 7);
  // Weights are rounded to 2^-43 of the best for 1000 tokens; the report is a float.
  EXPECT_NEAR(sampler.logprob(), exact(token), 1e-6);
  ASSERT_EQ(sampler.top_logprobs().size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sampler.top_logprobs()[i].token, static_cast<Token>(order[i]));
    EXPECT_NEAR(sampler.top_logprobs()[i].logprob, exact(static_cast<Token>(order[i])), 1e-6);
  }
  Sampler all({.logprobs = 1'000'000}, 1000);
  all.sample(logits);
  EXPECT_EQ(all.top_logprobs().size(), 1000u);
  Sampler none({}, 1000);
  none.sample(logits);
  EXPECT_EQ(none.logprob(), 0.0f);
  EXPECT_TRUE(none.top_logprobs().empty());
}

TEST(Sampler, SurvivesLogitsThatAreNoNumbers) {
  const SamplerOptions everything{.temperature = 0.8f,
                                  .top_k = 3,
                                  .typical_p = 0.9f,
                                  .top_p = 0.9f,
                                  .min_p = 0.01f,
                                  .repetition_penalty = 1.3f,
                                  .logprobs = 2};
  for (const SamplerOptions& options : {SamplerOptions{}, SamplerOptions{.temperature = 0}, everything,
                                        SamplerOptions{.temperature = 1e-30f}, SamplerOptions{.temperature = 1e30f}}) {
    EXPECT_EQ(draw(options, {kNan, 1.0f, kNan}, 3), (std::vector<Token>{1, 1, 1}));
    EXPECT_EQ(draw(options, {kNan, kInf, 5.0f, -kInf}, 3), (std::vector<Token>{1, 1, 1}));
    EXPECT_EQ(draw(options, {-kInf, -kInf, -1e38f}, 3), (std::vector<Token>{2, 2, 2}));
    EXPECT_EQ(draw(options, {3.4e38f, -3.4e38f}, 1), std::vector<Token>{0});
    for (const Token token : draw(options, {kInf, kInf, 0.0f}, 20)) EXPECT_LT(token, 2);
    for (const auto& hopeless : {std::vector<float>{kNan, kNan}, std::vector<float>{-kInf, -kInf}})
      expect_error(ErrorCode::bad_value, [&] { draw(options, hopeless, 1); });
  }
}

TEST(Sampler, RefusesOptionsWithoutMeaning) {
  const auto refused = [](SamplerOptions options, ErrorCode code = ErrorCode::invalid_argument) {
    return expect_error(code, [&] { Sampler(std::move(options), 10); });
  };
  for (const float bad : {kNan, -0.1f, kInf, -kInf})
    EXPECT_NE(refused({.temperature = bad}).find("temperature"), std::string::npos);
  refused({.top_k = -1});
  for (const float bad : {kNan, -0.1f, 1.1f, kInf}) {
    EXPECT_NE(refused({.top_p = bad}).find("top_p"), std::string::npos);
    EXPECT_NE(refused({.min_p = bad}).find("min_p"), std::string::npos);
    EXPECT_NE(refused({.typical_p = bad}).find("typical_p"), std::string::npos);
  }
  for (const float bad : {kNan, 0.0f, -1.0f, kInf}) refused({.repetition_penalty = bad});
  for (const float bad : {kNan, kInf}) {
    refused({.frequency_penalty = bad});
    refused({.presence_penalty = bad});
    refused({.logit_bias = {{1, bad}}});
  }
  refused({.penalty_last_n = -2});
  refused({.logprobs = -2});
  refused({.logit_bias = {{10, 1.0f}}}, ErrorCode::out_of_range);
  refused({.logit_bias = {{-1, 1.0f}}}, ErrorCode::out_of_range);
  expect_error(ErrorCode::invalid_argument, [] { Sampler({}, 0); });

  Sampler sampler({}, 10);
  expect_error(ErrorCode::invalid_argument, [&] { sampler.sample(std::vector<float>(9)); });
  expect_error(ErrorCode::invalid_argument, [&] { sampler.sample({}); });
  expect_error(ErrorCode::out_of_range, [&] { sampler.accept(10); });
  expect_error(ErrorCode::out_of_range, [&] { sampler.accept(kNoToken); });
}

TEST(Sampler, AVocabularyOfOne) {
  EXPECT_EQ(draw({.typical_p = 0.5f, .top_p = 0.5f, .min_p = 0.5f}, {-3.0f}, 2), (std::vector<Token>{0, 0}));
}

}  // namespace
}  // namespace plumb::sampler_test
