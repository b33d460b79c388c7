/// Every filter against its definition: full sort, long double, no scratch.

#include "src/text/candidates.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

namespace plumb::candidates_test {
namespace {

constexpr float kGone = -std::numeric_limits<float>::infinity();
using Places = std::set<std::size_t>;

std::vector<long double> softmax(const std::vector<float>& row) {
  const auto max = static_cast<long double>(*std::max_element(row.begin(), row.end()));
  std::vector<long double> p(row.size());
  long double sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i) sum += p[i] = std::exp(static_cast<long double>(row[i]) - max);
  for (long double& x : p) x /= sum;
  return p;
}

/// Places in ascending order of key, the lower place first among equals.
std::vector<std::size_t> sorted_by(const std::vector<long double>& key) {
  std::vector<std::size_t> order(key.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key[a] < key[b]; });
  return order;
}

/// The shortest beginning of `order` with `mass`. `doubtful` tells that the sum comes so near to it that rounding
/// decides.
Places first_of_mass(const std::vector<std::size_t>& order, const std::vector<long double>& p, double mass,
                     bool& doubtful) {
  Places kept;
  long double sum = 0;
  doubtful = false;
  for (const std::size_t place : order) {
    kept.insert(place);
    sum += p[place];
    if (std::fabs(sum - static_cast<long double>(mass)) < 1e-7L) doubtful = true;
    if (sum >= static_cast<long double>(mass)) break;
  }
  return kept;
}

/// What a filter leaves of a row. Tokens of less than 2^-33 of the best count as gone: they cannot be drawn.
template <class Filter>
Places kept_by(const std::vector<float>& row, Filter filter) {
  Candidates candidates(static_cast<std::int64_t>(row.size()));
  candidates.assign(std::span<const float>(row));
  candidates.weigh(1.0);
  filter(candidates);
  Places kept;
  for (std::size_t i = 0; i < candidates.size(); ++i) kept.insert(static_cast<std::size_t>(candidates.token(i)));
  EXPECT_EQ(kept.size(), candidates.size());
  return kept;
}

/// Rows that look like logits, with ties, removed tokens and lengths around the blocks of the implementation.
std::vector<float> random_row(std::mt19937& random) {
  static constexpr std::size_t kSizes[] = {1, 2, 3, 7, 64, 255, 256, 257, 1000, 5000};
  std::vector<float> row(kSizes[random() % std::size(kSizes)]);
  std::normal_distribution<float> normal(0.0f, std::array{0.01f, 1.0f, 3.0f, 10.0f}[random() % 4]);
  for (float& x : row) x = normal(random);
  if (random() % 3 == 0)
    for (float& x : row) x = std::round(x);  // many equal logits
  if (random() % 3 == 0)
    for (float& x : row)
      if (random() % 2 == 0) x = kGone;
  if (*std::max_element(row.begin(), row.end()) == kGone) row[random() % row.size()] = 1.0f;
  return row;
}

class Filters : public testing::Test {
 protected:
  static constexpr int kRounds = 3000;
  std::mt19937 random{20240611};
};

TEST_F(Filters, TopPKeepsTheSmallestSetOfThatMass) {
  int compared = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<float> row = random_row(random);
    const double mass = std::uniform_real_distribution<double>(0.01, 0.999)(random);
    const std::vector<long double> p = softmax(row);
    std::vector<long double> key(p.size());
    for (std::size_t i = 0; i < row.size(); ++i) key[i] = -static_cast<long double>(row[i]);
    bool doubtful = false;
    const Places want = first_of_mass(sorted_by(key), p, mass, doubtful);
    if (doubtful) continue;
    ++compared;
    ASSERT_EQ(kept_by(row, [&](Candidates& c) { c.keep_top_p(mass); }), want) << "round " << round;
  }
  EXPECT_GT(compared, kRounds * 9 / 10);
}

TEST_F(Filters, TypicalKeepsTheTokensNearestToTheEntropy) {
  int compared = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<float> row = random_row(random);
    const double mass = std::uniform_real_distribution<double>(0.01, 0.999)(random);
    const std::vector<long double> p = softmax(row);
    long double entropy = 0;
    for (const long double x : p)
      if (x > 0) entropy -= x * std::log(x);
    std::vector<long double> key(p.size());
    for (std::size_t i = 0; i < p.size(); ++i)
      key[i] = p[i] > 0 ? std::fabs(-std::log(p[i]) - entropy) : std::numeric_limits<long double>::infinity();
    const std::vector<std::size_t> order = sorted_by(key);
    bool doubtful = false;
    const Places want = first_of_mass(order, p, mass, doubtful);
    // Two different logits at one distance, one above the mean and one below: rounding decides which comes first.
    for (std::size_t i = 0; i + 1 < order.size(); ++i)
      if (row[order[i]] != row[order[i + 1]] && std::fabs(key[order[i]] - key[order[i + 1]]) < 1e-9L) doubtful = true;
    if (doubtful) continue;
    ++compared;
    // The reference's sum has equal logits in another order than exact arithmetic on the mean logit: compare multisets.
    const Places got = kept_by(row, [&](Candidates& c) { c.keep_typical(mass); });
    std::multiset<float> got_logits, want_logits;
    for (const std::size_t i : got) got_logits.insert(row[i]);
    for (const std::size_t i : want) want_logits.insert(row[i]);
    ASSERT_EQ(got_logits, want_logits) << "round " << round;
  }
  EXPECT_GT(compared, kRounds / 2);
}

TEST_F(Filters, MinPKeepsWhatIsProbableEnough) {
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<float> row = random_row(random);
    const double ratio = std::pow(10.0, std::uniform_real_distribution<double>(-6.0, 0.0)(random));
    const auto max = static_cast<long double>(*std::max_element(row.begin(), row.end()));
    const Places got = kept_by(row, [&](Candidates& c) { c.keep_min_p(ratio); });
    for (std::size_t i = 0; i < row.size(); ++i) {
      const long double share = std::exp(static_cast<long double>(row[i]) - max);
      if (std::fabs(share - static_cast<long double>(ratio)) < 1e-9L) continue;
      ASSERT_EQ(got.count(i) == 1, share > static_cast<long double>(ratio)) << "round " << round << " place " << i;
    }
  }
}

TEST_F(Filters, EveryFilterKeepsOneTokenAtLeast) {
  const auto most_probable = [](const std::vector<float>& row) {
    return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  };
  for (int round = 0; round < 300; ++round) {
    const std::vector<float> row = random_row(random);
    EXPECT_EQ(kept_by(row, [](Candidates& c) { c.keep_top_p(0.0); }), Places{most_probable(row)});
    EXPECT_EQ(kept_by(row, [](Candidates& c) { c.keep_typical(0.0); }).size(), 1u);
    const Places best = kept_by(row, [](Candidates& c) { c.keep_min_p(1.0); });
    for (const std::size_t place : best) EXPECT_NEAR(row[place], row[most_probable(row)], 1e-6f);
    EXPECT_EQ(best.count(most_probable(row)), 1u);
  }
}

TEST_F(Filters, TopSelectorFindsTheBest) {
  TopSelector selector;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<float> row = random_row(random);
    if (round % 5 == 0) std::sort(row.begin(), row.end());  // the worst order for the buffer
    const auto count = static_cast<std::int64_t>(1 + random() % (row.size() + 3));
    std::vector<TopSelector::Entry> all;
    for (std::size_t i = 0; i < row.size(); ++i)
      if (row[i] > kGone) all.push_back({row[i], static_cast<Token>(i)});
    std::sort(all.begin(), all.end(), more_probable);
    all.resize(std::min(all.size(), static_cast<std::size_t>(count)));
    const auto found = selector.select(row, count);
    std::vector<TopSelector::Entry> got(found.begin(), found.end());
    std::sort(got.begin(), got.end(), more_probable);
    ASSERT_EQ(got.size(), all.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i].token, all[i].token) << "round " << round;
  }
}

TEST_F(Filters, WeightsAreProbabilities) {
  for (int round = 0; round < 300; ++round) {
    std::vector<float> row = random_row(random);
    const double temperature = std::pow(10.0, std::uniform_real_distribution<double>(-1.0, 1.0)(random));
    Candidates candidates(static_cast<std::int64_t>(row.size()));
    candidates.assign(std::span<const float>(row));
    candidates.weigh(temperature);
    const auto max = static_cast<long double>(*std::max_element(row.begin(), row.end()));
    const long double scale = std::ldexp(1.0L, candidates.scale());
    long double total = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const long double exact =
          std::exp((static_cast<long double>(row[i]) - max) / static_cast<long double>(temperature));
      // Half a unit of rounding; 1 / temperature is rounded once and multiplies up to 60 nats.
      ASSERT_NEAR(static_cast<double>(candidates.weight(i) / scale), static_cast<double>(exact),
                  static_cast<double>(0.51L / scale) + 1e-14);
      total += candidates.weight(i);
    }
    ASSERT_EQ(static_cast<double>(total), candidates.total());
    ASSERT_LT(candidates.total(), 0x1p53);
  }
}

TEST_F(Filters, EveryPointFindsItsToken) {
  for (int round = 0; round < 300; ++round) {
    std::vector<float> row = random_row(random);
    Candidates candidates(static_cast<std::int64_t>(row.size()));
    candidates.assign(std::span<const float>(row));
    candidates.weigh(1.0);
    double begin = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double weight = candidates.weight(i);
      if (weight == 0) continue;
      ASSERT_EQ(candidates.at(begin), static_cast<Token>(i));
      ASSERT_EQ(candidates.at(begin + weight - 1), static_cast<Token>(i));
      begin += weight;
    }
  }
}

}  // namespace
}  // namespace plumb::candidates_test
