// Attention through the cache against a plain double-precision evaluation: groups, odd head sizes, windows, caps, every
// KV type, several sequences, prompts and single rows; the same bits for every number of threads and every split.

#include "plumb/ops/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plumb/core/half.hpp"
#include "plumb/blocks/state.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/tiers.hpp"

namespace plumb {
namespace {

struct Heads {
  int n_heads = 4, n_kv_heads = 2, head_dim = 16;
  DType kv = DType::f32;
  int window = 0;
  float softcap = 0;
  bool rounded = false;  ///< bf16 dots, where a tier has them
  int sequences = 2, context = 700;

  int group() const { return n_heads / n_kv_heads; }
  std::size_t width() const { return static_cast<std::size_t>(n_heads * head_dim); }
  ModelSpec spec() const {
    ModelSpec c;
    c.n_layers = 2;
    c.n_heads = n_heads;
    c.n_kv_heads = n_kv_heads;
    c.head_dim = head_dim;
    return c;
  }
  ops::AttentionShape shape() const {
    return {n_heads, n_kv_heads, head_dim, head_dim, 1.0f / std::sqrt(static_cast<float>(head_dim)), softcap, window};
  }
};

/// What a cache of this type keeps of a row.
std::vector<double> kept(DType type, const std::vector<float>& row) {
  std::vector<double> numbers;
  float largest = 0;
  for (const float x : row) largest = std::max(largest, std::fabs(x));
  const float scale = largest / 127.0f;
  for (const float x : row)
    numbers.push_back(type == DType::f32 ? static_cast<double>(x)
                      : type == DType::f16
                          ? static_cast<double>(to_float(to_half(x)))
                          : std::nearbyint(static_cast<double>(x * (1.0f / scale))) * static_cast<double>(scale));
  return numbers;
}

/// A cache of random keys and values, also kept as doubles: numbers[(((s * G + g) * context + p) * 2 + part) * dim +
/// d].
struct Filled {
  Filled(const KernelTable& kernels, const Heads& setup)
      : cache(setup.spec(), setup.context, setup.sequences, setup.kv) {
    std::mt19937 random(99);
    std::normal_distribution<float> normal;
    const ops::KvLayer layer = cache.layer(1);
    const auto row = [&] {
      std::vector<float> x(static_cast<std::size_t>(setup.head_dim));
      for (float& v : x) v = normal(random);
      const std::vector<double> exact = kept(setup.kv, x);
      numbers.insert(numbers.end(), exact.begin(), exact.end());
      return x;
    };
    for (int s = 0; s < setup.sequences; ++s)
      for (int g = 0; g < setup.n_kv_heads; ++g)
        for (int p = 0; p < setup.context; ++p) {
          const std::vector<float> key = row(), value = row();
          ops::store_kv(kernels, layer, s, g, p, key.data(), value.data());
        }
  }
  const double* at(const Heads& setup, int s, int g, int p, int part) const {
    return numbers.data() +
           static_cast<std::size_t>((((s * setup.n_kv_heads + g) * setup.context + p) * 2 + part) * setup.head_dim);
  }
  KvCache cache;
  std::vector<double> numbers;
};

std::vector<double> plain(const Heads& setup, const Filled& filled, const ops::AttentionRow& row, const float* q) {
  const int dim = setup.head_dim;
  std::vector<double> out(setup.width(), 0.0);
  for (int h = 0; h < setup.n_heads; ++h) {
    const int g = h / setup.group();
    const int first = setup.window > 0 ? std::max(0, row.position - setup.window + 1) : 0;
    std::vector<double> weight;
    double sum = 0;
    for (int p = first; p <= row.position; ++p) {
      double score = 0;
      for (int d = 0; d < dim; ++d)
        score += static_cast<double>(q[h * dim + d]) * filled.at(setup, row.sequence, g, p, 0)[d];
      score /= std::sqrt(static_cast<double>(dim));
      if (setup.softcap > 0)
        score = static_cast<double>(setup.softcap) * std::tanh(score / static_cast<double>(setup.softcap));
      weight.push_back(std::exp(score));
      sum += weight.back();
    }
    for (int p = first; p <= row.position; ++p)
      for (int d = 0; d < dim; ++d)
        out[static_cast<std::size_t>(h * dim + d)] +=
            weight[static_cast<std::size_t>(p - first)] / sum * filled.at(setup, row.sequence, g, p, 1)[d];
  }
  return out;
}

std::vector<float> computed(const KernelTable& kernels, const Heads& setup, const Filled& filled,
                            std::span<const ops::AttentionRow> rows, const float* q, int threads) {
  const ops::AttentionShape shape = setup.shape();
  const ops::KvLayer layer = filled.cache.layer(1);
  const auto width = static_cast<std::int64_t>(setup.width());
  std::vector<float> out(rows.size() * setup.width(), -1.0f);
  ops::AttentionScratch scratch(shape, threads, setup.context);
  run_parallel(threads, [&](const Worker& worker) {
    ops::attention(worker, {&kernels, &shape, &layer, rows, q, width, out.data(), width, setup.rounded}, scratch);
  });
  return out;
}

std::vector<float> queries(const Heads& setup, std::size_t rows) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> q(rows * setup.width());
  for (float& v : q) v = normal(random);
  return q;
}

/// Against double, over thread counts, and each row alone.
void check(const Heads& setup, const std::vector<ops::AttentionRow>& rows, bool every_row_exactly = true) {
  SCOPED_TRACE(testing::Message() << setup.n_heads << "/" << setup.n_kv_heads << " heads of " << setup.head_dim
                                  << " window " << setup.window << " cap " << setup.softcap << " "
                                  << dtype_name(setup.kv) << (setup.rounded ? " rounded" : "") << ", " << rows.size()
                                  << " rows");
  // Queries, keys, weights and values err by at most 2^-9 each, independently: 4 (2^-9)^2 of the power, and twice that
  // for a row of few numbers.
  const double bound = setup.rounded ? 8 * 0x1p-18 : 1e-11;
  const std::vector<float> q = queries(setup, rows.size());
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const KernelTable& kernels = kernels_for(isa);
    const Filled filled(kernels, setup);
    const std::vector<float> out = computed(kernels, setup, filled, rows, q.data(), 2);
    const std::size_t width = setup.width();
    for (std::size_t n = 0; n < rows.size(); n += every_row_exactly ? 1 : 37) {
      const std::vector<double> want = plain(setup, filled, rows[n], q.data() + n * width);
      EXPECT_LT(test::nmse(std::span<const float>(out.data() + n * width, width), std::span<const double>(want)), bound)
          << "position " << rows[n].position << " sequence " << rows[n].sequence;
      const std::vector<float> alone = computed(kernels, setup, filled, {&rows[n], 1}, q.data() + n * width, 3);
      EXPECT_EQ(alone, std::vector<float>(out.begin() + static_cast<std::ptrdiff_t>(n * width),
                                          out.begin() + static_cast<std::ptrdiff_t>((n + 1) * width)))
          << "row " << n << " depends on the other rows of its batch";
    }
    for (const int threads : {1, 3, 4, 8})
      EXPECT_EQ(out, computed(kernels, setup, filled, rows, q.data(), threads)) << threads << " threads";
  }
}

const std::vector<ops::AttentionRow> kRows = {{0, 0}, {1, 1}, {254, 0}, {255, 0}, {256, 1}, {511, 0}, {699, 1}};

std::vector<ops::AttentionRow> prompt(int first, int count) {
  std::vector<ops::AttentionRow> rows;
  for (int n = 0; n < count; ++n) rows.push_back({first + n, 0});
  return rows;
}

TEST(Attention, GroupsAndHeadSizes) {
  check({4, 4, 16}, kRows);
  check({8, 2, 64}, kRows);
  check({16, 1, 32}, kRows);
  check({6, 2, 80}, kRows);
  check({3, 3, 7}, kRows);
  check({5, 1, 96}, kRows);
}

TEST(Attention, OneRowOfOneSequence) {
  for (const int position : {0, 15, 16, 255, 256, 699}) {
    check({8, 1, 48}, {{position, 0}});
    check({12, 3, 32, DType::f16}, {{position, 1}});
  }
}

TEST(Attention, Prompts) {
  check({8, 2, 32}, prompt(0, 300), false);
  check({8, 2, 32, DType::f16}, prompt(231, 260), false);
  check({16, 1, 16, DType::i8}, prompt(400, 300), false);
  check({3, 3, 40, DType::f16}, prompt(17, 555), false);
}

TEST(Attention, MixedBatches) {
  std::vector<ops::AttentionRow> rows = prompt(100, 40);
  for (const ops::AttentionRow& row : kRows) rows.push_back(row);
  for (int p = 300; p < 330; ++p) rows.push_back({p, 1});
  for (int p = 500; p < 520; ++p) rows.push_back({p, p % 2});  // alternating sequences
  check({8, 2, 32, DType::f16}, rows, false);
}

TEST(Attention, WindowsAndCaps) {
  for (const int window : {1, 3, 256, 300, 5000}) {
    check({4, 2, 16, DType::f32, window}, kRows);
    check({4, 2, 16, DType::f16, window}, prompt(200, 320), false);
  }
  check({4, 2, 16, DType::f32, 0, 1.5f}, kRows);
  check({4, 2, 16, DType::i8, 30, 20.0f}, kRows);
}

TEST(Attention, NarrowCaches) {
  for (const DType type : {DType::f16, DType::i8})
    for (const int dim : {5, 48, 128}) check({4, 2, dim, type}, kRows);
}

TEST(Attention, Bf16Dots) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    check({8, 2, 64, type, 0, 0, true}, kRows);
    check({8, 2, 48, type, 300, 0, true}, prompt(231, 260), false);
    check({3, 3, 7, type, 0, 0, true}, kRows);  // an odd size keeps f32
    check({4, 2, 16, type, 30, 20.0f, true}, kRows);
    check({16, 1, 32, type, 0, 0, true}, prompt(17, 301), false);
  }
}

/// Int8 keys and values cost accuracy; this much, for normally distributed ones.
TEST(Attention, Int8CachesStayClose) {
  Heads setup{8, 2, 64, DType::f32};
  const KernelTable& kernels = active_kernels();
  const std::vector<float> q = queries(setup, kRows.size());
  const Filled exact(kernels, setup);
  const std::vector<float> want = computed(kernels, setup, exact, kRows, q.data(), 1);
  setup.kv = DType::i8;
  const Filled narrow(kernels, setup);
  const std::vector<float> got = computed(kernels, setup, narrow, kRows, q.data(), 1);
  // Codes err by up to half a step of max|x| / 127, uniformly: with max|x| near 2.6 sigma the relative power is
  // (2.6 / 127)^2 / 12 = 3.5e-5 for values; score errors of the same relative power act on weights near e^score.
  EXPECT_LT((test::nmse<float, float>(got, want)), 4 * 3.5e-5);
}

TEST(KvCache, HeadsDoNotFallIntoTheSameCacheSets) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    const KvCache cache(Heads{8, 8, 64}.spec(), 4096, 1, type);
    const ops::KvLayer layer = cache.layer(0);
    EXPECT_EQ(layer.head_stride % 64, 0);
    EXPECT_EQ(layer.head_stride / 64 % 2, 1);
  }
}

TEST(KvCache, HoldsWhatItsTypeNeeds) {
  const auto bytes = [](DType type) { return KvCache(Heads{8, 2, 64}.spec(), 4096, 1, type).bytes(); };
  const double elements = 2.0 * 2 * 2 * 64 * 4096;  // layers, K and V, heads
  EXPECT_NEAR(static_cast<double>(bytes(DType::f32)) / elements, 4, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::f16)) / elements, 2, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::i8)) / elements, 1 + 4.0 / 64, 0.001);
}

TEST(KvCache, CopiesSequences) {
  const Heads setup{4, 2, 24, DType::i8};
  const KernelTable& kernels = active_kernels();
  Filled filled(kernels, setup);
  filled.cache.extend(0, 530);
  filled.cache.copy(0, 1, 521);
  EXPECT_EQ(filled.cache.length(1), 521);
  const std::vector<float> q = queries(setup, 1);
  const ops::AttentionRow from{520, 0}, to{520, 1};
  EXPECT_EQ(computed(kernels, setup, filled, {&from, 1}, q.data(), 1),
            computed(kernels, setup, filled, {&to, 1}, q.data(), 1));
}

}  // namespace
}  // namespace plumb
