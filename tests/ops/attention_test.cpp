// Attention against a plain double-precision evaluation: groups, odd head sizes, more keys than a block, windows, caps,
// f16 caches, several sequences.

#include "plumb/ops/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plumb/model/kv_cache.hpp"
#include "tests/support/numeric.hpp"

namespace plumb {
namespace {

struct Setup {
  ModelConfig config;
  DType kv = DType::f32;
  int sequences = 2, context = 700;
  int window = 0;
  float softcap = 0;
};

/// A cache filled with random keys and values, which are also kept as doubles (after rounding to the cache's type).
struct Filled {
  explicit Filled(const Setup& setup, unsigned seed = 99)
      : cache(setup.config, setup.context, setup.sequences, setup.kv) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const ops::KvLayer layer = cache.layer(setup.config.n_layers - 1);
    const int dim = setup.config.head_dim;
    for (int s = 0; s < setup.sequences; ++s)
      for (int g = 0; g < setup.config.n_kv_heads; ++g)
        for (int p = 0; p < setup.context; ++p)
          for (int part = 0; part < 2; ++part) {
            std::byte* row = part == 0 ? layer.key(s, g, p) : layer.value(s, g, p);
            for (int d = 0; d < dim; ++d) {
              const float value = normal(random);
              if (setup.kv == DType::f16) {
                reinterpret_cast<Half*>(row)[d] = to_half(value);
                numbers.push_back(static_cast<double>(to_float(to_half(value))));
              } else {
                reinterpret_cast<float*>(row)[d] = value;
                numbers.push_back(static_cast<double>(value));
              }
            }
          }
  }
  const double* at(const Setup& setup, int s, int g, int p, int part) const {
    const int dim = setup.config.head_dim;
    const std::size_t row =
        ((static_cast<std::size_t>(s * setup.config.n_kv_heads + g)) * static_cast<std::size_t>(setup.context) +
         static_cast<std::size_t>(p)) *
            2 +
        static_cast<std::size_t>(part);
    return numbers.data() + row * static_cast<std::size_t>(dim);
  }
  KvCache cache;
  std::vector<double> numbers;
};

std::vector<double> plain(const Setup& setup, const Filled& filled, const ops::AttentionRow& row, const float* q) {
  const ModelConfig& c = setup.config;
  std::vector<double> out(static_cast<std::size_t>(c.q_dim()), 0.0);
  for (int h = 0; h < c.n_heads; ++h) {
    const int g = h / c.group_size();
    const int first = setup.window > 0 ? std::max(0, row.position - setup.window + 1) : 0;
    std::vector<double> weight;
    double sum = 0;
    for (int p = first; p <= row.position; ++p) {
      double score = 0;
      for (int d = 0; d < c.head_dim; ++d)
        score += static_cast<double>(q[h * c.head_dim + d]) * filled.at(setup, row.sequence, g, p, 0)[d];
      score /= std::sqrt(static_cast<double>(c.head_dim));
      if (setup.softcap > 0)
        score = static_cast<double>(setup.softcap) * std::tanh(score / static_cast<double>(setup.softcap));
      weight.push_back(std::exp(score));
      sum += weight.back();
    }
    for (int p = first; p <= row.position; ++p)
      for (int d = 0; d < c.head_dim; ++d)
        out[static_cast<std::size_t>(h * c.head_dim + d)] +=
            weight[static_cast<std::size_t>(p - first)] / sum * filled.at(setup, row.sequence, g, p, 1)[d];
  }
  return out;
}

std::vector<float> computed(const Setup& setup, const Filled& filled, std::span<const ops::AttentionRow> rows,
                            const std::vector<float>& q, int threads) {
  const ModelConfig& c = setup.config;
  ops::AttentionShape shape{
      c.n_heads,     c.n_kv_heads, c.head_dim, c.head_dim, 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
      setup.softcap, setup.window};
  std::vector<float> out(rows.size() * static_cast<std::size_t>(c.q_dim()));
  ops::AttentionScratch scratch(shape, threads);
  run_parallel(threads, [&](const Worker& worker) {
    ops::attention(worker, shape, filled.cache.layer(c.n_layers - 1), rows, q.data(), c.q_dim(), out.data(), c.q_dim(),
                   scratch);
  });
  return out;
}

void check(const Setup& setup, const std::vector<ops::AttentionRow>& rows) {
  const ModelConfig& c = setup.config;
  SCOPED_TRACE(testing::Message() << c.n_heads << "/" << c.n_kv_heads << " heads of " << c.head_dim << " window "
                                  << setup.window << " cap " << setup.softcap << " " << dtype_name(setup.kv));
  const Filled filled(setup);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> q(rows.size() * static_cast<std::size_t>(c.q_dim()));
  for (float& v : q) v = normal(random);
  const std::vector<float> out = computed(setup, filled, rows, q, 2);
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const std::size_t width = static_cast<std::size_t>(c.q_dim());
    const std::vector<double> want = plain(setup, filled, rows[n], q.data() + n * width);
    EXPECT_LT(test::nmse(std::span<const float>(out.data() + n * width, width), std::span<const double>(want)), 1e-11)
        << "position " << rows[n].position << " sequence " << rows[n].sequence;
  }
  EXPECT_EQ(out, computed(setup, filled, rows, q, 1)) << "results depend on the number of threads";
  EXPECT_EQ(out, computed(setup, filled, rows, q, 5)) << "results depend on the number of threads";
}

ModelConfig heads(int n_heads, int n_kv_heads, int head_dim) {
  ModelConfig config;
  config.n_layers = 2;
  config.n_heads = n_heads;
  config.n_kv_heads = n_kv_heads;
  config.head_dim = head_dim;
  return config;
}

const std::vector<ops::AttentionRow> kRows = {{0, 0}, {1, 1}, {254, 0}, {255, 0}, {256, 1}, {511, 0}, {699, 1}};

TEST(Attention, GroupsAndHeadSizes) {
  check({heads(4, 4, 16)}, kRows);
  check({heads(8, 2, 64)}, kRows);
  check({heads(16, 1, 32)}, kRows);
  check({heads(6, 2, 80)}, kRows);
  check({heads(3, 3, 7)}, kRows);
}

TEST(Attention, WindowsAndCaps) {
  for (const int window : {1, 3, 256, 300, 5000}) check({heads(4, 2, 16), DType::f32, 2, 700, window}, kRows);
  check({heads(4, 2, 16), DType::f32, 2, 700, 0, 1.5f}, kRows);
}

TEST(Attention, HalfPrecisionCache) {
  check({heads(4, 2, 48), DType::f16}, kRows);
  check({heads(4, 2, 5), DType::f16}, kRows);
}

TEST(KvCache, HeadsDoNotFallIntoTheSameCacheSets) {
  const KvCache cache(heads(8, 8, 64), 4096, 1, DType::f16);
  const ops::KvLayer layer = cache.layer(0);
  EXPECT_EQ(layer.head_stride % 64, 0);
  EXPECT_EQ(layer.head_stride / 64 % 2, 1);
}

}  // namespace
}  // namespace plumb
