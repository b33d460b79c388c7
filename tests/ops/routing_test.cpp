// The choice of experts against sorting and against a plain double-precision reference, and the slots that gather their
// rows.

#include "plumb/ops/routing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

namespace plumb::routing_test {
namespace {

/// The `used` best of a row by (score, lowest index), in rising order.
std::vector<int> best_of(const std::vector<float>& scores, int used) {
  std::vector<int> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(used));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int> experts_of(const ops::Routing& routing, std::int64_t row) {
  std::vector<int> experts;
  for (const ops::Routing::Visit& visit : routing.visits(row)) experts.push_back(visit.expert);
  return experts;
}

TEST(Routing, ChoosesTheLargestAndGathersTheirRows) {
  std::mt19937 random(5);
  SCOPED_TRACE("seed 5");
  for (const auto& [count, used] : {std::pair{8, 2}, {7, 3}, {5, 1}, {6, 6}, {1, 1}, {64, 8}}) {
    SCOPED_TRACE(count);
    constexpr std::int64_t kRows = 37;
    const std::int64_t stride = count + 3;
    std::uniform_int_distribution<int> few(-3, 3);  // many ties
    std::vector<float> scores(static_cast<std::size_t>(kRows * stride));
    for (float& score : scores) score = static_cast<float>(few(random));
    ops::Routing routing(kRows, count, used);
    routing.route(active_kernels(), {count, used}, scores.data(), stride, kRows);
    std::int64_t next = 0;
    for (int e = 0; e < count; ++e) {  // slots follow one another, rows rise within an expert
      const Range slots = routing.slots(e);
      EXPECT_EQ(slots.begin, next);
      next = slots.end;
      for (std::int64_t i = 1; i < slots.size(); ++i) EXPECT_LT(routing.rows(slots)[i - 1], routing.rows(slots)[i]);
    }
    EXPECT_EQ(next, kRows * used);
    for (std::int64_t n = 0; n < kRows; ++n) {
      const std::vector<float> row(scores.begin() + n * stride, scores.begin() + n * stride + count);
      EXPECT_EQ(experts_of(routing, n), best_of(row, used));
      double sum = 0, chosen = 0;
      for (const int e : best_of(row, used)) chosen += std::exp(static_cast<double>(row[static_cast<std::size_t>(e)]));
      for (const ops::Routing::Visit& visit : routing.visits(n)) {
        const Range slots = routing.slots(visit.expert);
        ASSERT_TRUE(visit.slot >= slots.begin && visit.slot < slots.end);
        EXPECT_EQ(routing.rows(slots)[visit.slot - slots.begin], n);
        const double want = std::exp(static_cast<double>(row[static_cast<std::size_t>(visit.expert)])) / chosen;
        EXPECT_NEAR(static_cast<double>(visit.weight), want, 1e-6);  // a few ULP of exp, sums and a division
        sum += static_cast<double>(visit.weight);
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
}

TEST(Routing, WeightsMayStayProbabilitiesOfAll) {
  const std::vector<float> scores = {0, std::log(2.0f), 0, 0};  // 1/5, 2/5, 1/5, 1/5
  ops::Routing routing(1, 4, 2);
  routing.route(active_kernels(), {4, 2, {.renormalise = false}}, scores.data(), 4, 1);
  EXPECT_EQ(experts_of(routing, 0), (std::vector{0, 1}));
  EXPECT_NEAR(static_cast<double>(routing.visits(0)[0].weight), 0.2, 1e-6);
  EXPECT_NEAR(static_cast<double>(routing.visits(0)[1].weight), 0.4, 1e-6);
}

/// The rule in double precision, by sorting: experts of a row in rising order, and their weights.
struct Reference {
  std::vector<int> experts;
  std::vector<double> weights;
};

std::vector<int> largest(const std::vector<double>& values, int n) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return values[static_cast<std::size_t>(a)] > values[static_cast<std::size_t>(b)];
  });
  order.resize(static_cast<std::size_t>(n));
  return order;
}

Reference reference(std::span<const float> scores, std::span<const float> bias, const ops::RoutingRule& rule,
                    int used) {
  std::vector<double> p(scores.begin(), scores.end());
  double all = 0;
  for (double& x : p) all += x = rule.sigmoid ? 1 / (1 + std::exp(-x)) : std::exp(x);
  if (!rule.sigmoid)
    for (double& x : p) x /= all;
  std::vector<double> preference = p;
  for (std::size_t e = 0; e < bias.size(); ++e) preference[e] += static_cast<double>(bias[e]);
  if (rule.groups > 1) {
    const std::size_t size = p.size() / static_cast<std::size_t>(rule.groups);
    std::vector<double> merit;
    for (std::size_t g = 0; g < p.size(); g += size) {
      std::vector<double> own(preference.begin() + static_cast<std::ptrdiff_t>(g),
                              preference.begin() + static_cast<std::ptrdiff_t>(g + size));
      std::sort(own.rbegin(), own.rend());
      merit.push_back(rule.best_two && size > 1 ? own[0] + own[1] : own[0]);
    }
    const std::vector<int> kept = largest(merit, rule.groups_used);
    for (std::size_t e = 0; e < p.size(); ++e)
      if (std::count(kept.begin(), kept.end(), static_cast<int>(e / size)) == 0) preference[e] = -INFINITY;
  }
  Reference want{largest(preference, used), {}};
  std::sort(want.experts.begin(), want.experts.end());
  double chosen = 0;
  for (const int e : want.experts) chosen += p[static_cast<std::size_t>(e)];
  for (const int e : want.experts)
    want.weights.push_back(p[static_cast<std::size_t>(e)] / (rule.renormalise ? chosen : 1) *
                           static_cast<double>(rule.weight_scale));
  return want;
}

/// Continuous scores: no two are so near that float and double would order them differently.
TEST(Routing, EveryRuleEqualsDoublePrecision) {
  std::mt19937 random(9);
  SCOPED_TRACE("seed 9");
  std::normal_distribution<float> normal;
  constexpr int kCount = 24, kUsed = 4;
  constexpr std::int64_t kRows = 50;
  std::vector<float> scores(kRows * kCount), bias(kCount);
  for (float& score : scores) score = 2 * normal(random);
  for (float& b : bias) b = 0.3f * normal(random);
  int moved = 0;  // rows that choose otherwise for a bias or groups
  for (const bool sigmoid : {false, true})
    for (const bool renormalise : {false, true})
      for (const bool biased : {false, true})
        for (const auto& [groups, groups_used] : {std::pair{0, 0}, {1, 1}, {4, 1}, {4, 2}, {8, 3}, {24, 5}, {6, 6}})
          for (const bool best_two : {false, true}) {
            const ops::RoutingRule rule{.sigmoid = sigmoid,
                                        .renormalise = renormalise,
                                        .weight_scale = 2.5f,
                                        .groups = groups,
                                        .groups_used = groups_used,
                                        .best_two = best_two};
            SCOPED_TRACE(testing::Message()
                         << "sigmoid " << sigmoid << " renormalise " << renormalise << " bias " << biased << " groups "
                         << groups_used << " of " << groups << " by two " << best_two);
            const std::span<const float> own_bias = biased ? std::span<const float>(bias) : std::span<const float>();
            ops::Routing routing(kRows, kCount, kUsed);
            routing.route(active_kernels(), {kCount, kUsed, rule, biased ? bias.data() : nullptr}, scores.data(),
                          kCount, kRows);
            for (std::int64_t n = 0; n < kRows; ++n) {
              const std::span<const float> row(scores.data() + n * kCount, kCount);
              const Reference want = reference(row, own_bias, rule, kUsed);
              ASSERT_EQ(experts_of(routing, n), want.experts) << "row " << n;
              for (std::size_t i = 0; i < kUsed; ++i)  // a few ULP of exp, sums and a division
                EXPECT_NEAR(static_cast<double>(routing.visits(n)[i].weight), want.weights[i],
                            3e-6 * want.weights[i] + 1e-7);
              moved += want.experts != best_of({row.begin(), row.end()}, kUsed) ? 1 : 0;
            }
          }
  EXPECT_GT(moved, 1000);
}

/// Sigmoids that are all nearly zero: their sum is not divided by below the floor that other engines have.
TEST(Routing, SumsOfSigmoidsThatVanishAreNotDividedBy) {
  const std::vector<float> scores(4, -40.0f);
  ops::Routing routing(1, 4, 2);
  routing.route(active_kernels(), {4, 2, {.sigmoid = true}}, scores.data(), 4, 1);
  for (const ops::Routing::Visit& visit : routing.visits(0)) {
    EXPECT_GE(visit.weight, 0);
    EXPECT_LT(visit.weight, 1e-10f);
  }
}

TEST(Routing, ScoresThatAreNotFiniteChooseDistinctExperts) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& scores :
       {std::vector{nan, nan, nan, nan}, {inf, 1.0f, -inf, nan}, {-inf, -inf, -inf, -inf}}) {
    for (const bool sigmoid : {false, true})
      for (const int groups : {0, 2}) {
        ops::Routing routing(1, 4, 2);
        const ops::RoutingRule rule{.sigmoid = sigmoid, .groups = groups, .groups_used = groups / 2};
        routing.route(active_kernels(), {4, 2, rule}, scores.data(), 4, 1);
        const std::vector<int> experts = experts_of(routing, 0);
        EXPECT_GE(experts.front(), 0);
        EXPECT_LT(experts.front(), experts.back());
        EXPECT_LT(experts.back(), 4);
      }
  }
}

}  // namespace
}  // namespace plumb::routing_test
