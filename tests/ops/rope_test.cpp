#include "plumb/ops/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

namespace plumb::rope_test {
namespace {

using Wide = long double;

/// Turns head dimensions with complex numbers in long double: element i of `pairs` is (first, second) of pair i.
std::vector<Wide> turned(std::vector<Wide> head, const std::vector<std::pair<int, int>>& pairs, Wide position,
                         const std::vector<Wide>& frequency, Wide magnitude = 1) {
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [a, b] = pairs[i];
    const std::complex<Wide> z(head[static_cast<std::size_t>(a)], head[static_cast<std::size_t>(b)]);
    const std::complex<Wide> rotated = z * std::polar(magnitude, position * frequency[i]);
    head[static_cast<std::size_t>(a)] = rotated.real();
    head[static_cast<std::size_t>(b)] = rotated.imag();
  }
  return head;
}

std::vector<std::pair<int, int>> pairs_of(RopePairs kind, int dims) {
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < dims / 2; ++i)
    pairs.push_back(kind == RopePairs::interleaved ? std::pair{2 * i, 2 * i + 1} : std::pair{i, i + dims / 2});
  return pairs;
}

std::vector<Wide> plain_frequencies(Wide base, int dims) {
  std::vector<Wide> frequency;
  for (int i = 0; i < dims / 2; ++i) frequency.push_back(std::pow(base, -2.0L * i / dims));
  return frequency;
}

void check(const RopeSpec& spec, int head_dim, std::int64_t position, const std::vector<Wide>& frequency,
           Wide magnitude = 1, std::span<const float> factors = {}) {
  SCOPED_TRACE(testing::Message() << "head_dim " << head_dim << " position " << position);
  const ops::RopeTable table = ops::make_rope_table(spec, factors);
  std::vector<float> head(static_cast<std::size_t>(head_dim)), angles(static_cast<std::size_t>(head_dim));
  for (int i = 0; i < head_dim; ++i) head[static_cast<std::size_t>(i)] = std::sin(static_cast<float>(3 * i + 1));
  const std::vector<Wide> want = turned(std::vector<Wide>(head.begin(), head.end()), pairs_of(spec.pairs, table.dims),
                                        position, frequency, magnitude);
  ops::rope_angles(table, position, angles.data());
  ops::rotate_head(active_kernels(), table, angles.data(), head.data());
  // f32 rounding of cos and sin, plus what double loses of an angle of that size.
  const double bound = 6e-7 + static_cast<double>(position) * 0x1p-51;
  for (int i = 0; i < head_dim; ++i)
    EXPECT_NEAR(static_cast<double>(head[static_cast<std::size_t>(i)]),
                static_cast<double>(want[static_cast<std::size_t>(i)]), bound)
        << "dimension " << i;
}

TEST(Rope, BothPairKindsPartialDimensionsAndLargePositions) {
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::halves})
    for (const auto& [dims, head_dim] : {std::pair{8, 8}, {64, 64}, {8, 20}, {48, 80}, {128, 128}})
      for (const std::int64_t position : {0, 1, 17, 4095, 131071, 1000003}) {
        RopeSpec spec;
        spec.pairs = pairs;
        spec.dims = dims;
        spec.base = 500000.0f;
        check(spec, head_dim, position, plain_frequencies(500000.0L, dims));
      }
}

TEST(Rope, LinearScalingDividesPositions) {
  RopeSpec spec;
  spec.dims = 32;
  spec.scaling = RopeScaling::linear;
  spec.factor = 4.0f;
  std::vector<Wide> frequency = plain_frequencies(10000.0L, 32);
  for (Wide& f : frequency) f /= 4;
  check(spec, 32, 1023, frequency);
}

TEST(Rope, FactorsDivideFrequenciesOneByOne) {
  RopeSpec spec;
  spec.dims = 8;
  const std::vector<float> factors = {1.0f, 1.5f, 4.0f, 8.0f};
  std::vector<Wide> frequency = plain_frequencies(10000.0L, 8);
  for (std::size_t i = 0; i < 4; ++i) frequency[i] /= static_cast<Wide>(factors[i]);
  check(spec, 8, 300, frequency, 1, factors);
}

// Peng et al. 2023, section 3.2, written out: pairs that turn more than beta_fast times over the original context keep
// their frequency, pairs that turn less than beta_slow times are interpolated, the ramp is linear in the pair's index
// between the whole pairs around those bounds.
TEST(Rope, YarnKeepsFastPairsAndStretchesSlowOnes) {
  RopeSpec spec;
  spec.scaling = RopeScaling::yarn;
  spec.factor = 8.0f;
  spec.original_context = 4096;
  spec.base = 10000.0f;
  constexpr int kDims = 128;
  spec.dims = kDims;
  const auto pair_with_turns = [](Wide turns) {
    return kDims * std::log(4096.0L / (turns * 2 * std::numbers::pi_v<Wide>)) / (2 * std::log(10000.0L));
  };
  const Wide low = std::floor(pair_with_turns(32)), high = std::ceil(pair_with_turns(1));
  std::vector<Wide> frequency = plain_frequencies(10000.0L, kDims);
  int kept = 0, stretched = 0;
  for (int i = 0; i < kDims / 2; ++i) {
    Wide& f = frequency[static_cast<std::size_t>(i)];
    const Wide turns = 4096.0L * f / (2 * std::numbers::pi_v<Wide>);
    const Wide ramp = std::min(1.0L, std::max(0.0L, (i - low) / (high - low)));
    const Wide own = f;
    f = own / 8 * ramp + own * (1 - ramp);
    if (turns > 40) {
      EXPECT_EQ(f, own);
      ++kept;
    }
    if (turns < 0.8L) {
      EXPECT_LT(std::fabs(f - own / 8), 1e-15L);
      ++stretched;
    }
  }
  EXPECT_GT(kept, 5);
  EXPECT_GT(stretched, 5);
  check(spec, kDims, 20000, frequency, 1 + 0.1L * std::log(8.0L));
}

TEST(Rope, NoPairsNoRotation) {
  RopeSpec spec;
  spec.pairs = RopePairs::none;
  const ops::RopeTable table = ops::make_rope_table(spec);
  std::vector<float> head(16, 1.0f);
  ops::rope_angles(table, 5, nullptr);
  ops::rotate_head(active_kernels(), table, nullptr, head.data());
  for (const float v : head) EXPECT_EQ(v, 1.0f);
}

}  // namespace
}  // namespace plumb::rope_test
