// What sequences remember: where keys and values lie, how much they take, copies, and rings of windows.

#include "plumb/blocks/state.hpp"

#include <gtest/gtest.h>

#include "tests/ops/attention_case.hpp"

namespace plumb {
namespace {

using test::AttentionCase;
using test::heads;

std::vector<LayerState> two_layers(const AttentionCase& c) { return {2, KvState{c.n_kv_heads, c.k_dim, c.v_dim, 0}}; }

TEST(SessionState, HeadsDoNotFallIntoTheSameCacheSets) {
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    const SessionState cache(two_layers(heads(8, 8, 64)), {.context = 4096, .kv = type});
    const ops::KvLayer layer = cache.kv(0);
    EXPECT_EQ(layer.head_stride % 64, 0);
    EXPECT_EQ(layer.head_stride / 64 % 2, 1);
  }
}

TEST(SessionState, HoldsWhatItsTypeNeeds) {
  const auto bytes = [](DType type) {
    return SessionState(two_layers(heads(8, 2, 64)), {.context = 4096, .kv = type}).bytes();
  };
  const double elements = 2.0 * 2 * 2 * 64 * 4096;  // layers, K and V, heads
  EXPECT_NEAR(static_cast<double>(bytes(DType::f32)) / elements, 4, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::f16)) / elements, 2, 0.001);
  EXPECT_NEAR(static_cast<double>(bytes(DType::i8)) / elements, 1 + 4.0 / 64, 0.001);
}

TEST(SessionState, CopiesSequences) {
  const AttentionCase c = heads(4, 2, 24, DType::i8);
  const KernelTable& kernels = active_kernels();
  SessionState cache(two_layers(c), {.context = c.context, .sequences = c.sequences, .kv = c.kv});
  const test::KeysAndValues data(c);
  for (int s = 0; s < c.sequences; ++s) test::store(kernels, cache.kv(1), data, c, s, 0, c.context);
  cache.extend(0, 530);
  cache.copy(0, 1, 521);
  EXPECT_EQ(cache.length(1), 521);
  const std::vector<float> q = test::normal_numbers(c.q_width(), 5);
  const ops::AttentionRow from{520, 0}, to{520, 1};
  EXPECT_EQ(test::attention_of(kernels, c, cache.kv(1), {&from, 1}, q.data(), 1),
            test::attention_of(kernels, c, cache.kv(1), {&to, 1}, q.data(), 1));
}

/// What a row at the end of `length` positions sees must be there after a cut, or can_truncate must say that it is not.
TEST(SessionState, ARingKnowsWhatItHasLost) {
  constexpr int kWindow = 100, kBatch = 30, kContext = 4000;
  const std::vector<LayerState> layers{KvState{1, 8, 8, 0}, KvState{1, 8, 8, kWindow}};
  SessionState state(layers, {.context = kContext, .batch = kBatch});
  const ops::KvLayer all = state.kv(0), ring = state.kv(1);
  EXPECT_EQ(all.ring_tiles, 0);
  const std::int64_t kept = ring.ring_tiles * kKeyTile;
  EXPECT_EQ(kept, kept_positions(kWindow, kContext, kBatch));
  EXPECT_EQ(kept % kKeyRange, 0);
  EXPECT_GE(kept, kWindow + kBatch - 1);
  const int written = 3000;
  state.extend(0, written);
  for (int length = 1; length <= written; ++length) {
    const int first_seen = std::max(0, length - kWindow + 1);
    EXPECT_EQ(state.can_truncate(0, length), first_seen >= written - kept) << length;
  }
  EXPECT_TRUE(state.can_truncate(0, 0));
  state.truncate(0, 0);
  state.extend(0, 40);
  EXPECT_TRUE(state.can_truncate(0, 1));
}

}  // namespace
}  // namespace plumb
