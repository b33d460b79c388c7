// Attention through the cache against a plain double-precision evaluation: groups, odd head sizes, windows, caps, every
// KV type, several sequences, prompts and single rows; the same bits for every number of threads and every split. And
// the cache itself.

#include "plumb/ops/attention.hpp"

#include <gtest/gtest.h>

#include "plumb/model/kv_cache.hpp"
#include "tests/ops/attention_case.hpp"

namespace plumb {
namespace {

using test::AttentionCase;
using test::heads;
using test::prompt;

const std::vector<ops::AttentionRow>& kRows = test::kScatteredRows;

void check(const AttentionCase& c, const std::vector<ops::AttentionRow>& rows, bool every_row = true) {
  test::check_attention(c, rows, every_row);
}

TEST(Attention, GroupsAndHeadSizes) {
  check(heads(4, 4, 16), kRows);
  check(heads(8, 2, 64), kRows);
  check(heads(16, 1, 32), kRows);
  check(heads(6, 2, 80), kRows);
  check(heads(3, 3, 7), kRows);
  check(heads(5, 1, 96), kRows);
}

TEST(Attention, OneRowOfOneSequence) {
  for (const int position : {0, 15, 16, 255, 256, 699}) {
    check(heads(8, 1, 48), {{position, 0}});
    check(heads(12, 3, 32, DType::f16), {{position, 1}});
  }
}

TEST(Attention, Prompts) {
  check(heads(8, 2, 32), prompt(0, 300), false);
  check(heads(8, 2, 32, DType::f16), prompt(231, 260), false);
  check(heads(16, 1, 16, DType::i8), prompt(400, 300), false);
  check(heads(3, 3, 40, DType::f16), prompt(17, 555), false);
}

TEST(Attention, MixedBatches) {
  std::vector<ops::AttentionRow> rows = prompt(100, 40);
  for (const ops::AttentionRow& row : kRows) rows.push_back(row);
  for (int p = 300; p < 330; ++p) rows.push_back({p, 1});
  for (int p = 500; p < 520; ++p) rows.push_back({p, p % 2});  // alternating sequences
  check(heads(8, 2, 32, DType::f16), rows, false);
}

TEST(Attention, WindowsAndCaps) {
  for (const int window : {1, 3, 256, 300, 5000}) {
    check(heads(4, 2, 16, DType::f32, window), kRows);
    check(heads(4, 2, 16, DType::f16, window), prompt(200, 320), false);
  }
  check(heads(4, 2, 16, DType::f32, 0, 1.5f), kRows);
  check(heads(4, 2, 16, DType::i8, 30, 20.0f), kRows);
}

TEST(Attention, NarrowCaches) {
  for (const DType type : {DType::f16, DType::i8})
    for (const int dim : {5, 48, 128}) check(heads(4, 2, dim, type), kRows);
}

TEST(Attention, Bf16Dots) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    check(heads(8, 2, 64, type, 0, 0, true), kRows);
    check(heads(8, 2, 48, type, 300, 0, true), prompt(231, 260), false);
    check(heads(3, 3, 7, type, 0, 0, true), kRows);  // an odd size keeps f32
    check(heads(4, 2, 16, type, 30, 20.0f, true), kRows);
    check(heads(16, 1, 32, type, 0, 0, true), prompt(17, 301), false);
  }
}

/// Int8 keys and values cost accuracy; this much, for normally distributed ones.
TEST(Attention, Int8CachesStayClose) {
  AttentionCase c = heads(8, 2, 64);
  const KernelTable& kernels = active_kernels();
  const std::vector<float> q = test::normal_numbers(kRows.size() * c.q_width(), 5);
  const test::FilledLayer exact(kernels, c, test::KeysAndValues(c));
  const std::vector<float> want = test::attention_of(kernels, c, exact.layer(), kRows, q.data(), 1);
  c.kv = DType::i8;
  const test::FilledLayer narrow(kernels, c, test::KeysAndValues(c));
  const std::vector<float> got = test::attention_of(kernels, c, narrow.layer(), kRows, q.data(), 1);
  // Codes err by up to half a step of max|x| / 127, uniformly: with max|x| near 2.6 sigma the relative power is
  // (2.6 / 127)^2 / 12 = 3.5e-5 for values; score errors of the same relative power act on weights near e^score.
  EXPECT_LT((test::nmse<float, float>(got, want)), 4 * 3.5e-5);
}

ModelConfig config_of(const AttentionCase& c) {
  ModelConfig config;
  config.n_layers = 2;
  config.n_heads = c.n_heads;
  config.n_kv_heads = c.n_kv_heads;
  config.head_dim = c.k_dim;
  return config;
}

TEST(KvCache, HeadsDoNotFallIntoTheSameCacheSets) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    const KvCache cache(config_of(heads(8, 8, 64)), 4096, 1, type);
    const ops::KvLayer layer = cache.layer(0);
    EXPECT_EQ(layer.head_stride % 64, 0);
    EXPECT_EQ(layer.head_stride / 64 % 2, 1);
  }
}

TEST(KvCache, HoldsWhatItsTypeNeeds) {
  const auto bytes = [](DType type) { return KvCache(config_of(heads(8, 2, 64)), 4096, 1, type).bytes(); };
  const double elements = 2.0 * 2 * 2 * 64 * 4096;  // layers, K and V, heads
  EXPECT_NEAR(static_cast<double>(bytes(DType::f32)) / elements, 4, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::f16)) / elements, 2, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::i8)) / elements, 1 + 4.0 / 64, 0.001);
}

TEST(KvCache, CopiesSequences) {
  const AttentionCase c = heads(4, 2, 24, DType::i8);
  const KernelTable& kernels = active_kernels();
  KvCache cache(config_of(c), c.context, c.sequences, c.kv);
  const test::KeysAndValues data(c);
  for (int s = 0; s < c.sequences; ++s) test::store(kernels, cache.layer(1), data, c, s, 0, c.context);
  cache.extend(0, 530);
  cache.copy(0, 1, 521);
  EXPECT_EQ(cache.length(1), 521);
  const std::vector<float> q = test::normal_numbers(c.q_width(), 5);
  const ops::AttentionRow from{520, 0}, to{520, 1};
  EXPECT_EQ(test::attention_of(kernels, c, cache.layer(1), {&from, 1}, q.data(), 1),
            test::attention_of(kernels, c, cache.layer(1), {&to, 1}, q.data(), 1));
}

}  // namespace
}  // namespace plumb
