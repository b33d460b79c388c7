// What sequences remember: where keys and values lie, how much they take, copies, and rings of windows.

#include "plumb/blocks/state.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

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
  EXPECT_NEAR(static_cast<double>(bytes(DType::f32)) / elements, 4, 0.003);
  EXPECT_NEAR(static_cast<double>(bytes(DType::f16)) / elements, 2, 0.003);
  EXPECT_NEAR(static_cast<double>(bytes(DType::i8)) / elements, 1 + 4.0 / 64, 0.003);
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

/// Bytes of memory that the process has now.
double resident() {
  std::ifstream in("/proc/self/statm");
  double all = 0, pages = 0;
  in >> all >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

TEST(SessionState, CopiesShareWholeBlocks) {
  constexpr int kLayers = 4, kHeads = 8, kSequences = 9, kLength = 1000;
  SessionState state(std::vector<LayerState>(kLayers, KvState{kHeads, 64, 64, 0}),
                     {.context = 1024, .sequences = kSequences});
  const auto fill = [&](int s, int first, int end, int value) {
    state.prepare(s, first, end);
    for (int l = 0; l < kLayers; ++l)
      for (int h = 0; h < kHeads; ++h)
        for (int t = first / kKeyTile; t * kKeyTile < end; ++t) {
          const ops::KvLayer kv = state.kv(l);
          std::memset(kv.key_tile(s, h, t), value, static_cast<std::size_t>(kv.k_tile_bytes()));
          std::memset(kv.value_tile(s, h, t), value, static_cast<std::size_t>(kv.v_tile_bytes()));
        }
    state.extend(s, end);
  };
  const auto value_at = [&](int s, int position) {
    return static_cast<int>(*state.kv(kLayers - 1).value_tile(s, kHeads - 1, position / kKeyTile));
  };
  fill(0, 0, kLength, 7);
  const auto four = static_cast<double>(state.held_bytes());  // blocks: 3 whole ones, and the last
  const double before = resident();
  for (int s = 1; s < kSequences; ++s) state.copy(s - 1, s, 768);
  EXPECT_EQ(static_cast<double>(state.held_bytes()), four);
  EXPECT_LT(resident() - before, four / 4) << "copies of whole blocks take no memory";
  for (int s = 1; s < kSequences; ++s) state.copy(0, s, 900);
  EXPECT_EQ(static_cast<double>(state.held_bytes()), four / 4 * (3 + kSequences));
  EXPECT_LT(resident() - before, four / 4 * (kSequences + 5)) << "huge pages span the ends of blocks";
  // Who writes into a shared block gets its own, with what stands before; the others keep theirs.
  state.truncate(2, 300);
  fill(2, 304, 520, 9);
  state.copy(2, 3, 512);
  fill(0, 512, 530, 5);
  for (int s = 0; s < kSequences; ++s) {
    SCOPED_TRACE(s);
    EXPECT_EQ(value_at(s, 0), 7);
    EXPECT_EQ(value_at(s, 300), 7);
    EXPECT_EQ(value_at(s, 310), s == 2 || s == 3 ? 9 : 7);
    EXPECT_EQ(value_at(s, 515), s == 0 ? 5 : s == 2 ? 9 : s == 3 ? value_at(3, 515) : 7);
    EXPECT_TRUE(s == 2 || s == 3 || value_at(s, 880) == 7);
  }
  for (int s = 0; s < kSequences; ++s) state.truncate(s, 0);
  EXPECT_EQ(state.held_bytes(), 0u);
  for (int s = 0; s < kSequences; ++s) fill(s, 0, 1024, s);
  for (int s = 0; s < kSequences; ++s) EXPECT_EQ(value_at(s, 700), s) << "nothing is shared any more";
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

TEST(SessionState, CheckpointsAreWrittenInSharesOfAnySize) {
  SessionState state(recurrent_layers(), {.context = 64, .checkpoints = 9, .checkpoint_every = 1});
  const auto values = [&](int layer, std::size_t count) {
    return std::vector<float>(state.recurrent(layer).of(0), state.recurrent(layer).of(0) + count);
  };
  for (const int workers : {1, 2, 3, 8}) {
    state.rewind(0, 0);
    state.begin(0);
    const std::vector<float> first = test::normal_numbers(37, 1), second = test::normal_numbers(100, 2);
    std::copy(first.begin(), first.end(), state.recurrent(0).of(0));
    std::copy(second.begin(), second.end(), state.recurrent(1).of(0));
    state.extend(0, 10);
    std::byte* const place = state.begin_checkpoint(0);
    ASSERT_NE(place, nullptr);
    for (int i = 0; i < workers; ++i) state.write_checkpoint(0, place, {.index = i, .count = workers});
    EXPECT_EQ(state.begin_checkpoint(0), nullptr) << "one is enough";
    std::fill_n(state.recurrent(0).of(0), 37, 7.0f);
    std::fill_n(state.recurrent(1).of(0), 100, 7.0f);
    state.extend(0, 11);
    state.rewind(0, 10);
    EXPECT_EQ(values(0, 37), first) << workers;
    EXPECT_EQ(values(1, 100), second) << workers;
  }
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
