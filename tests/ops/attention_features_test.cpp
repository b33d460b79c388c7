// What some models add to attention, against double precision in every tier: sinks, ALiBi slopes, keys and values of
// different sizes, rings of tiles for windows, one scratch for layers of several shapes.

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "plumb/ops/alibi.hpp"
#include "tests/ops/attention_case.hpp"

namespace plumb::attention_features_test {
namespace {

using test::AttentionCase;
using test::check_attention;
using test::heads;
using test::prompt;

const std::vector<ops::AttentionRow>& kRows = test::kScatteredRows;

/// Every cache, with bf16 dots and without.
constexpr std::pair<DType, bool> kWays[] = {
    {DType::f32, false}, {DType::f16, false}, {DType::f16, true}, {DType::i8, false}, {DType::i8, true}};

std::vector<float> sinks_of(int n_heads) {  // some of no weight beside scores near 0, some that take nearly all of it
  std::vector<float> sinks = test::normal_numbers(static_cast<std::size_t>(n_heads), 17);
  for (std::size_t h = 0; h < sinks.size(); ++h) sinks[h] = h % 3 == 0 ? 4 * sinks[h] : h % 3 == 1 ? 8.0f : -20.0f;
  return sinks;
}
std::vector<float> slopes_of(int n_heads, float max_bias = 8) {
  std::vector<float> slopes(static_cast<std::size_t>(n_heads));
  ops::alibi_slopes(n_heads, max_bias, slopes.data());
  return slopes;
}

TEST(AttentionFeatures, Sinks) {
  for (const auto& [type, rounded] : kWays) {
    for (AttentionCase c : {heads(6, 3, 18, type, 100, 0, rounded), heads(5, 1, 16, type, 0, 3.0f, rounded)}) {
      c.sinks = sinks_of(c.n_heads);
      check_attention(c, kRows);
      check_attention(c, {{699, 1}});  // cut between workers and joined
    }
    AttentionCase many = heads(8, 2, 32, type, 0, 0, rounded);
    many.sinks = sinks_of(8);
    check_attention(many, prompt(201, 260), false);
  }
}

/// Rows that see later positions: texts of several lengths side by side, windows of odd and even length.
TEST(AttentionFeatures, BothWays) {
  std::vector<ops::AttentionRow> rows;
  for (const auto& [length, sequence] : {std::pair{37, 0}, {290, 1}})
    for (int p = 0; p < length; ++p) rows.push_back({p, sequence, length});
  for (const auto& [type, rounded] : kWays)
    for (const int window : {0, 1, 24, 101, 600}) {
      AttentionCase c = heads(6, 3, 18, type, window, 0, rounded);
      c.causal = false;
      check_attention(c, rows, false);
      check_attention(c, {{0, 1, 1}, {3, 0, 699}});
    }
}

/// Sinks beyond all scores: those far below them change nothing, those far above leave nothing.
TEST(AttentionFeatures, ExtremeSinks) {
  AttentionCase c = heads(4, 2, 16);
  const test::KeysAndValues data(c);
  const std::vector<float> q = test::normal_numbers(kRows.size() * c.q_width(), 5);
  for (const Isa isa : test::tiers_here()) {
    const KernelTable& kernels = kernels_for(isa);
    const test::FilledLayer filled(kernels, c, data);
    const auto with = [&](std::vector<float> sinks) {
      c.sinks = std::move(sinks);
      return test::attention_of(kernels, c, filled.layer(), kRows, q.data(), 3);
    };
    const std::vector<float> without = with({});
    for (const float low : {-200.0f, -1e30f, -std::numeric_limits<float>::max(), -INFINITY})
      EXPECT_EQ(with({low, low, low, low}), without) << low << " in " << isa_name(isa);
    for (const float high : {200.0f, 1e30f, std::numeric_limits<float>::max() / 2})
      for (const float x : with({high, high, high, high})) ASSERT_EQ(x, 0.0f) << high << " in " << isa_name(isa);
  }
}

TEST(AttentionFeatures, Slopes) {
  for (const auto& [type, rounded] : kWays) {
    for (AttentionCase c : {heads(6, 3, 18, type, 100, 0, rounded), heads(12, 1, 16, type, 0, 3.0f, rounded)}) {
      c.slopes = slopes_of(c.n_heads);
      check_attention(c, kRows);
      check_attention(c, {{699, 1}});
    }
    AttentionCase many = heads(8, 2, 32, type, 0, 0, rounded);
    many.slopes = slopes_of(8);
    check_attention(many, prompt(201, 260), false);
    many.sinks = sinks_of(8);
    check_attention(many, prompt(3, 140), false);
  }
}

/// Far from the beginning positions are large and what differs between neighbours is small.
TEST(AttentionFeatures, SlopesFarFromTheBeginning) {
  AttentionCase c = heads(4, 1, 8, DType::f16);
  c.context = 20000;
  c.sequences = 1;
  c.slopes = {0.5f, 0.00390625f, 1e-4f, 0.0f};
  check_attention(c, {{19999, 0}, {16384, 0}});
}

TEST(AttentionFeatures, SlopesAreThoseOfThePaper) {
  const std::vector<float> eight = slopes_of(8);
  for (std::size_t h = 0; h < 8; ++h) EXPECT_EQ(eight[h], std::exp2(-static_cast<float>(h + 1)));
  // 12 heads: those of 8, then every second one of 16.
  const std::vector<float> twelve = slopes_of(12), sixteen = slopes_of(16);
  for (std::size_t h = 0; h < 8; ++h) EXPECT_EQ(twelve[h], eight[h]);
  for (std::size_t h = 8; h < 12; ++h) EXPECT_EQ(twelve[h], sixteen[2 * (h - 8)]);
  EXPECT_EQ(slopes_of(1, 8), std::vector<float>{0x1p-8f});
  EXPECT_EQ(slopes_of(4, 16)[0], 0x1p-4f);
}

TEST(AttentionFeatures, KeysAndValuesOfDifferentSizes) {
  std::vector<ops::AttentionRow> rows = {{0, 1}, {15, 1}, {256, 1}, {299, 1}};
  for (const ops::AttentionRow& row : prompt(230, 50)) rows.push_back(row);
  for (const auto& [type, rounded] : kWays)
    for (const auto& [k_dim, v_dim] :
         {std::pair{24, 16}, {40, 24}, {80, 128}, {192, 128}, {16, 80}, {7, 33}, {33, 1}}) {
      AttentionCase c{4, 2, k_dim, v_dim, type};
      c.rounded = rounded;
      c.context = 300;
      if (!rounded || k_dim % 2 == 0) check_attention(c, rows, false);  // an odd size keeps f32
    }
}

/// Batches of a sequence that goes round a ring several times, compared with a cache that holds every position.
void check_ring(AttentionCase c, int batch) {
  SCOPED_TRACE(c.name() + ", batches of " + std::to_string(batch));
  c.context = 1300;
  const std::int64_t ring = ops::kv_ring_tiles(c.context, c.window, batch);
  ASSERT_LT(ring * kKeyTile, c.context);
  const test::KeysAndValues data(c);
  const std::vector<float> q = test::normal_numbers(static_cast<std::size_t>(batch) * c.q_width(), 5);
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const KernelTable& kernels = kernels_for(isa);
    const test::FilledLayer whole(kernels, c, data);
    const test::LayerMemory wrapped(c, ring);
    for (int at = 0; at + batch <= c.context; at += batch) {
      for (int s = 0; s < c.sequences; ++s) test::store(kernels, wrapped.layer(), data, c, s, at, at + batch);
      // Rare and enough: around the ends of ranges and of the ring, and the last batch.
      const bool edge = at % kKeyRange < batch || at + 2 * batch > c.context;
      if (!edge) continue;
      for (const int threads : {1, 3}) {
        const std::vector<ops::AttentionRow> rows = prompt(at, batch, 1);
        ASSERT_EQ(test::attention_of(kernels, c, wrapped.layer(), rows, q.data(), threads),
                  test::attention_of(kernels, c, whole.layer(), rows, q.data(), threads))
            << "position " << at;
      }
    }
    const ops::AttentionRow last{c.context / batch * batch - 1, 1};
    const std::vector<float> out = test::attention_of(kernels, c, wrapped.layer(), {&last, 1}, q.data(), 2);
    EXPECT_LT((test::nmse<float, double>(out, test::plain_attention(c, data, last, q.data()))),
              test::attention_bound(c));
  }
}

TEST(AttentionFeatures, RingsHoldWhatWindowsSee) {
  for (const auto& [type, rounded] : kWays) {
    check_ring(heads(4, 2, 16, type, 100, 0, rounded), 1);
    check_ring(heads(4, 2, 16, type, 256, 0, rounded), 1);
    check_ring(heads(4, 2, 16, type, 257, 0, rounded), 1);  // one position more than a range
    check_ring(heads(4, 1, 24, type, 257, 0, rounded), 7);
    check_ring(heads(8, 2, 16, type, 300, 0, rounded), 213);  // exactly two ranges
    check_ring(heads(2, 2, 16, type, 1, 0, rounded), 256);
    AttentionCase all = heads(8, 2, 16, type, 130, 5.0f, rounded);
    all.sinks = sinks_of(8);
    all.slopes = slopes_of(8);
    check_ring(all, 40);
  }
}

TEST(AttentionFeatures, RingsAreWholeRangesOrEverything) {
  EXPECT_EQ(ops::kv_ring_tiles(4096, 0, 512), 256);      // no window
  EXPECT_EQ(ops::kv_ring_tiles(4096, 5000, 1), 256);     // a window that never closes
  EXPECT_EQ(ops::kv_ring_tiles(4096, 1024, 1), 64);      // window + rows - 1 = 1024
  EXPECT_EQ(ops::kv_ring_tiles(4096, 1024, 2), 80);      // 1025 positions: five ranges
  EXPECT_EQ(ops::kv_ring_tiles(4096, 1024, 257), 80);    // 1280
  EXPECT_EQ(ops::kv_ring_tiles(4096, 1024, 258), 96);    // 1281
  EXPECT_EQ(ops::kv_ring_tiles(4096, 1024, 4000), 256);  // a batch of nearly all
  EXPECT_EQ(ops::kv_ring_tiles(700, 500, 100), 44);      // the context is less than a ring, and no whole range
}

/// Layers of other heads and sizes in one scratch, one after the other, have the bits they have in their own.
TEST(AttentionFeatures, OneScratchForSeveralShapes) {
  const std::array<AttentionCase, 4> layers = {AttentionCase{8, 2, 64, 16, DType::f16},
                                               {40, 1, 16, 24, DType::f16},
                                               {4, 4, 24, 128, DType::f16, 100},
                                               {150, 1, 8, 40, DType::i8}};
  std::vector<ops::AttentionShape> shapes;
  for (const AttentionCase& c : layers) shapes.push_back(c.shape());
  for (const int threads : {1, 4}) {
    ops::AttentionScratch scratch(shapes, threads, layers[0].context);
    for (const auto& rows : {kRows, prompt(300, 140), {{699, 1}}})
      for (const AttentionCase& c : layers) {
        SCOPED_TRACE(c.name());
        const KernelTable& kernels = active_kernels();
        const test::FilledLayer filled(kernels, c, test::KeysAndValues(c));
        const std::vector<float> q = test::normal_numbers(rows.size() * c.q_width(), 5);
        EXPECT_EQ(test::attention_of(kernels, c, filled.layer(), rows, q.data(), threads, scratch),
                  test::attention_of(kernels, c, filled.layer(), rows, q.data(), threads));
      }
  }
}

TEST(AttentionFeatures, AScratchHoldsTheLargestOfItsShapes) {
  const ops::AttentionShape wide{8, 2, 256, 64}, tall{40, 1, 64, 256};
  const auto bytes = [](std::span<const ops::AttentionShape> shapes) {
    return ops::AttentionScratch(shapes, 2, 1000).bytes();
  };
  const std::size_t first = ops::AttentionScratch(wide, 2, 1000).bytes();
  const std::size_t second = ops::AttentionScratch(tall, 2, 1000).bytes();
  EXPECT_GE(bytes(std::array{wide, tall}), std::max(first, second));
  EXPECT_LT(bytes(std::array{wide, tall}), first + second);
  EXPECT_EQ(bytes(std::array{wide, wide}), first);
}

}  // namespace
}  // namespace plumb::attention_features_test
