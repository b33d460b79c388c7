// What sequences remember: where keys and values lie, how much they take, copies, and rings of windows.

#include "plumb/blocks/state.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "plumb/blocks/sequence_rows.hpp"
#include "tests/ops/attention_case.hpp"

namespace plumb::state_test {
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

/// A layer with both, one with recurrent values alone, one with nothing.
std::vector<LayerState> recurrent_layers() {
  LayerState both = KvState{2, 8, 8, 0};
  both += LayerState::recurrence(37);
  return {both, LayerState::recurrence(100), LayerState{}};
}

TEST(SessionState, RecurrentValuesAreZeroBeforeTheFirstPosition) {
  SessionState state(recurrent_layers(), {.context = 64, .sequences = 2});
  ASSERT_TRUE(state.recurrent());
  EXPECT_FALSE(SessionState(std::vector<LayerState>{KvState{1, 8, 8, 0}}, {.context = 64}).recurrent());
  const auto all_are = [&](int s, float value) {
    const float* const first = state.recurrent(0).of(s);
    const float* const second = state.recurrent(1).of(s);
    return std::count(first, first + 37, value) == 37 && std::count(second, second + 100, value) == 100;
  };
  const auto fill = [&](int s, float value) {
    std::fill_n(state.recurrent(0).of(s), 37, value);
    std::fill_n(state.recurrent(1, 60).of(s) - 60, 100, value);
  };
  for (const int s : {0, 1}) {
    fill(s, 5);
    state.begin(s);
    EXPECT_TRUE(all_are(s, 0));
    fill(s, 2.0f + static_cast<float>(s));
    state.extend(s, 10);
    state.begin(s);  // they stay beyond the first position
    state.extend(s, 20);
  }
  EXPECT_TRUE(all_are(0, 2));
  EXPECT_TRUE(all_are(1, 3));
  state.copy(1, 0, 20);
  EXPECT_TRUE(all_are(0, 3));
  state.truncate(1, 0);
  state.begin(1);
  EXPECT_TRUE(all_are(1, 0));
  EXPECT_TRUE(all_are(0, 3));
}

TEST(SessionState, RecurrentValuesCannotBeCutBack) {
  SessionState state(recurrent_layers(), {.context = 64, .sequences = 2});
  state.begin(0);
  EXPECT_FALSE(state.complete(0)) << "a pass that has not ended";
  state.extend(0, 10);
  EXPECT_TRUE(state.complete(0));
  for (int length = 1; length < 10; ++length) EXPECT_FALSE(state.can_truncate(0, length));
  EXPECT_TRUE(state.can_truncate(0, 10));
  EXPECT_TRUE(state.can_truncate(0, 0));
  state.begin(0);
  EXPECT_FALSE(state.can_truncate(0, 10));
  state.copy(0, 1, 10);
  EXPECT_FALSE(state.complete(1)) << "a copy of what is half changed";
  state.truncate(0, 0);
  EXPECT_TRUE(state.complete(0));
}

TEST(RowsBySequence, KeepTheirOrder) {
  const std::vector<int> sequences = {3, 0, 3, 3, 1, 0, 7};
  std::vector<BatchRow> rows;
  for (const int s : sequences) rows.push_back({0, 0, s, false});
  RowsBySequence by_sequence(16);
  const auto groups = by_sequence.group(rows);
  const std::vector<std::pair<int, std::vector<std::int32_t>>> want = {{0, {1, 5}}, {1, {4}}, {3, {0, 2, 3}}, {7, {6}}};
  ASSERT_EQ(groups.size(), want.size());
  for (std::size_t g = 0; g < want.size(); ++g) {
    EXPECT_EQ(groups[g].sequence, want[g].first);
    EXPECT_EQ(std::vector<std::int32_t>(groups[g].rows.begin(), groups[g].rows.end()), want[g].second);
  }
  EXPECT_EQ(by_sequence.group(std::span(rows).first(1)).size(), 1u);
}

}  // namespace
}  // namespace plumb::state_test
