// The choice of experts against sorting, and the slots that gather their rows.

#include "plumb/ops/routing.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace plumb {
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
    routing.route(active_kernels(), scores.data(), stride, kRows, true);
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
  routing.route(active_kernels(), scores.data(), 4, 1, false);
  EXPECT_EQ(experts_of(routing, 0), (std::vector{0, 1}));
  EXPECT_NEAR(static_cast<double>(routing.visits(0)[0].weight), 0.2, 1e-6);
  EXPECT_NEAR(static_cast<double>(routing.visits(0)[1].weight), 0.4, 1e-6);
}

TEST(Routing, ScoresThatAreNotFiniteChooseDistinctExperts) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& scores :
       {std::vector{nan, nan, nan, nan}, {inf, 1.0f, -inf, nan}, {-inf, -inf, -inf, -inf}}) {
    ops::Routing routing(1, 4, 3);
    routing.route(active_kernels(), scores.data(), 4, 1, true);
    const std::vector<int> experts = experts_of(routing, 0);
    for (std::size_t i = 1; i < experts.size(); ++i) EXPECT_LT(experts[i - 1], experts[i]);
    EXPECT_GE(experts.front(), 0);
    EXPECT_LT(experts.back(), 4);
  }
}

}  // namespace
}  // namespace plumb
