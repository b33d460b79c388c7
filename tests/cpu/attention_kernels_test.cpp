// Attention kernels of every tier: tiles as they are documented, ranges against double precision with forbidden pages
// beside every buffer, and the promises that batches and threads rest on: a row's bits do not depend on its neighbours,
// ranges folded one by one equal ranges folded apart and merged.

#include <gtest/gtest.h>

#include "tests/cpu/attention_range_case.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::attention_kernels_test {
namespace {

using test::attend;
using test::element;
using test::Exact;
using test::exact;
using test::Guarded;
using test::kTypes;
using test::Queries;
using test::Range;
using test::state_of;

class AttentionKernelsOf : public testing::TestWithParam<Isa> {
 protected:
  const AttentionKernels& kernels = kernels_for(GetParam()).attention;

  void check(DType type, int k_dim, int v_dim, int keys, int rows, float softcap, std::mt19937& random) {
    Range range(kernels, type, k_dim, v_dim, keys, random);
    Queries queries(rows, range, random);
    check(range, queries, softcap, false);
    const bool bf16 = kernels.attend_bf16[kv_index(type)] && k_dim % 2 == 0;
    if (bf16) check(range, queries, softcap, true);
    queries.add_biases(random);
    check(range, queries, softcap, false);
    if (bf16) check(range, queries, softcap, true);
  }

 private:
  void check(Range& range, Queries& queries, float softcap, bool bf16) {
    const int rows = queries.rows;
    SCOPED_TRACE(testing::Message() << dtype_name(range.type) << (bf16 ? " bf16 dots" : "") << " dims " << range.k_dim
                                    << "/" << range.v_dim << " keys " << range.keys << " rows " << rows << " softcap "
                                    << softcap << (queries.biased ? " slopes and sinks" : ""));
    queries.clear();
    attend(kernels, range, queries, 0, rows, softcap, {.bf16 = bf16});
    for (int m = 0; m < rows; ++m) {
      Guarded<float> out(static_cast<std::size_t>(range.v_dim));
      const std::size_t i = Queries::index(m);
      kernels.finish(queries.acc.data() + m * range.padded, queries.top[i], queries.total[i], queries.sink[i],
                     out.data(), range.v_dim);
      const Exact want = exact(range, queries, m, static_cast<double>(softcap), bf16);
      for (int d = 0; d < range.v_dim; ++d)
        ASSERT_NEAR(static_cast<double>(out[Queries::index(d)]), want.out[Queries::index(d)],
                    want.bound[Queries::index(d)])
            << "row " << m << " dimension " << d;
    }
    const std::vector<float> together = state_of(queries);
    queries.clear();
    for (int m = 0; m < rows; ++m) attend(kernels, range, queries, m, 1, softcap, {.bf16 = bf16});
    EXPECT_EQ(state_of(queries), together) << "a row's bits depend on its neighbours";
    queries.clear();
    attend(kernels, range, queries, 0, rows, softcap, {.bf16 = bf16, .unpacked = true});
    EXPECT_EQ(state_of(queries), together) << "converted first or on the way";
  }
};

TEST_P(AttentionKernelsOf, RangesEqualDouble) {
  std::mt19937 random(2026);
  for (const DType type : kTypes) {
    for (const int rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 17}) check(type, 32, 32, 256, rows, 0, random);
    for (const int dim : {1, 7, 16, 40, 48, 64, 80, 96, 128, 160, 256}) check(type, dim, dim, 100, 4, 0, random);
    for (const int keys : {1, 15, 16, 17, 33, 250}) check(type, 20, 36, keys, 8, 0, random);
    for (const int v_dim : {1, 16, 24, 128}) check(type, 24, v_dim, 90, 5, 0, random);
    for (const int k_dim : {40, 80, 192}) check(type, k_dim, 24, 90, 5, 0, random);
    check(type, 64, 48, 200, 8, 3.0f, random);
  }
}

TEST_P(AttentionKernelsOf, StoredRowsAreReadBackFromTheirTiles) {
  std::mt19937 random(5);
  for (const DType type : kTypes) {
    Range range(kernels, type, 37, 21, 19, random);
    for (int p = 0; p < range.keys; ++p)
      for (int d = 0; d < 37; ++d) {
        const float key = range.written_keys[static_cast<std::size_t>(p * 37 + d)];
        if (type == DType::i8)
          EXPECT_NEAR(range.key(p, d), key, 0.501 * static_cast<double>(range.scale(range.key_tile(p) + 37 * 16, p)));
        else
          EXPECT_EQ(range.key(p, d), static_cast<double>(type == DType::f32 ? key : to_float(to_half(key))));
        if (d >= 32) continue;
        const float value = d < 21 ? range.written_values[static_cast<std::size_t>(p * 21 + d)] : 0.0f;  // padding is 0
        if (type == DType::i8)
          EXPECT_NEAR(range.value(p, d), value,
                      0.501 * static_cast<double>(range.scale(range.value_tile(p) + 32 * 16, p)));
        else
          EXPECT_EQ(range.value(p, d), static_cast<double>(type == DType::f32 ? value : to_float(to_half(value))));
      }
  }
}

TEST_P(AttentionKernelsOf, ExtremeRowsAreStoredFinite) {
  for (const DType type : {DType::f16, DType::i8}) {
    std::vector<std::byte> tile(static_cast<std::size_t>(kv_tile_bytes(type, 16)), std::byte{0});
    for (const float size : {1e38f, 1e5f, 1e-38f, 1e-44f, 0.0f}) {
      std::vector<float> row(16, size);
      row[3] = -size;
      kernels.store_value[kv_index(type)](row.data(), 16, tile.data(), 2);
      float scale = 1;
      if (type == DType::i8) std::memcpy(&scale, tile.data() + 256 + 8, 4);
      const double stored = element(type, tile.data(), 2 * 16, scale);
      EXPECT_TRUE(std::isfinite(stored)) << size;
      EXPECT_LE(std::fabs(stored), static_cast<double>(size) * 1.0001);
      EXPECT_EQ(element(type, tile.data(), 2 * 16 + 3, scale), -stored);
    }
  }
}

TEST_P(AttentionKernelsOf, RangesFoldedApartAndMergedHaveTheSameBits) {
  std::mt19937 random(7);
  for (const DType type : kTypes) {
    Range a(kernels, type, 64, 48, 256, random), b(kernels, type, 64, 48, 256, random),
        c(kernels, type, 64, 48, 77, random);
    Queries online(5, c, random), apart(5, c, random), other(5, c, random);
    apart.plain = other.plain = online.plain;
    for (std::size_t m = 0; m < 5; ++m) apart.first[m] = other.first[m] = online.first[m];
    for (std::size_t m = 0; m < 5; ++m) apart.end[m] = other.end[m] = online.end[m];
    for (Range* range : {&a, &b, &c}) attend(kernels, *range, online, 0, 5);
    attend(kernels, a, apart, 0, 5);
    for (Range* range : {&b, &c}) {
      other.clear();
      attend(kernels, *range, other, 0, 5);
      for (std::size_t m = 0; m < 5; ++m)
        kernels.merge(&apart.top[m], &apart.total[m], &apart.acc[m * 48], &other.top[m], &other.total[m],
                      &other.acc[m * 48], 48);
    }
    EXPECT_EQ(state_of(online), state_of(apart));
  }
}

/// What a row does not see may be anything finite: the places of a ring hold older and newer positions.
TEST_P(AttentionKernelsOf, MaskedPositionsDoNotMatter) {
  std::mt19937 random(11);
  for (const DType type : kTypes)
    for (const bool bf16 : {false, true}) {
      if (bf16 && !kernels.attend_bf16[kv_index(type)]) continue;
      for (const bool unpacked : {false, true}) {
        Range range(kernels, type, 48, 40, 250, random);
        Queries queries(9, range, random);
        queries.add_biases(random);
        for (std::size_t m = 0; m < 9; ++m) queries.first[m] = 83, queries.end[m] = 201 + static_cast<int>(m);
        // Nobody sees 80 ... 82, whose tile is read, nor what comes before; 83 ... 200 are seen by all.
        const auto state = [&] {
          queries.clear();
          attend(kernels, range, queries, 0, 9, 0, {.bf16 = bf16, .unpacked = unpacked});
          return state_of(queries);
        };
        const std::vector<float> before = state();
        const std::vector<float> key(48, 6e4f), value(40, -6e4f);
        for (const int p : {0, 79, 80, 82, 209, 220})
          kernels.store_key[kv_index(type)](key.data(), 48, range.key_tile(p), p % kKeyTile),
              kernels.store_value[kv_index(type)](value.data(), 40, range.value_tile(p), p % kKeyTile);
        EXPECT_EQ(state(), before) << dtype_name(type) << (bf16 ? " bf16" : "") << (unpacked ? " unpacked" : "");
      }
    }
}

TEST_P(AttentionKernelsOf, ARowThatSeesNothingLeavesItsStateAlone) {
  std::mt19937 random(9);
  Range range(kernels, DType::f32, 16, 16, 64, random);
  Queries queries(2, range, random);
  queries.first[1] = 300;  // its keys begin in a later range
  queries.end[1] = 310;
  attend(kernels, range, queries, 0, 2);
  EXPECT_EQ(queries.top[1], -INFINITY);
  EXPECT_EQ(queries.total[1], 0.0f);
  std::vector<float> out(16, 1.0f);
  for (const float sink : {-INFINITY, -3.0f, 1e30f}) {
    std::fill(out.begin(), out.end(), 1.0f);
    kernels.finish(queries.acc.data() + 16, queries.top[1], queries.total[1], sink, out.data(), 16);
    EXPECT_EQ(out, std::vector<float>(16, 0.0f)) << sink;
  }

  queries.first[1] = 0;
  queries.end[1] = 64;
  queries.clear();
  attend(kernels, range, queries, 0, 2);
  const std::vector<float> before = state_of(queries);
  const float minus_infinity = -INFINITY, zero = 0;  // an empty state merged into a full one changes nothing
  const std::vector<float> nothing(16, 0.0f);
  kernels.merge(&queries.top[1], &queries.total[1], &queries.acc[16], &minus_infinity, &zero, nothing.data(), 16);
  EXPECT_EQ(state_of(queries), before);
}

INSTANTIATE_TEST_SUITE_P(EveryTier, AttentionKernelsOf, testing::ValuesIn(test::tiers_here()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace plumb::attention_kernels_test
