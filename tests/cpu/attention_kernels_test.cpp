// Attention kernels of every tier: tiles as they are documented, ranges against double precision with forbidden pages
// beside every buffer, and the promises that batches and threads rest on: a row's bits do not depend on its neighbours,
// ranges folded one by one equal ranges folded apart and merged.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plumb/core/half.hpp"
#include "tests/support/guarded.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/tiers.hpp"

namespace plumb {
namespace {

using test::Guarded;

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::i8};

/// Element `index` of a tile whose scale (int8) is `scale`, read as the layout says.
double element(DType type, const std::byte* tile, int index, float scale) {
  if (type == DType::f32) {
    float x;
    std::memcpy(&x, tile + 4 * index, 4);
    return static_cast<double>(x);
  }
  if (type == DType::f16) {
    Half h;
    std::memcpy(&h, tile + 2 * index, 2);
    return static_cast<double>(to_float(h));
  }
  return static_cast<double>(scale) * static_cast<std::int8_t>(tile[index]);
}

/// One range of random keys and values in tiles, and what they stand for in double.
struct Range {
  Range(const AttentionKernels& kernels, DType type, int k_dim, int v_dim, int keys, std::mt19937& random)
      : type(type),
        k_dim(k_dim),
        v_dim(v_dim),
        padded(padded_value_dim(v_dim)),
        keys(keys),
        tiles(ceil_div(keys, kKeyTile)),
        k(static_cast<std::size_t>(tiles * kv_tile_bytes(type, k_dim))),
        v(static_cast<std::size_t>(tiles * kv_tile_bytes(type, padded))) {
    std::fill(k.begin(), k.end(), std::byte{0xFF});  // NaN (or garbage) where nothing was stored
    std::fill(v.begin(), v.end(), std::byte{0xFF});
    std::normal_distribution<float> normal;
    for (int p = 0; p < keys; ++p) {
      Guarded<float> key(static_cast<std::size_t>(k_dim)), value(static_cast<std::size_t>(v_dim));
      for (float& x : key) x = normal(random);
      for (float& x : value) x = normal(random);
      kernels.store_key[kv_index(type)](key.data(), k_dim, key_tile(p), p % kKeyTile);
      kernels.store_value[kv_index(type)](value.data(), v_dim, value_tile(p), p % kKeyTile);
      written_keys.insert(written_keys.end(), key.begin(), key.end());
      written_values.insert(written_values.end(), value.begin(), value.end());
    }
  }

  std::byte* key_tile(int p) { return k.data() + p / kKeyTile * kv_tile_bytes(type, k_dim); }
  std::byte* value_tile(int p) { return v.data() + p / kKeyTile * kv_tile_bytes(type, padded); }
  float scale(const std::byte* codes_end, int p) const {
    float s = 1.0f;
    if (type == DType::i8) std::memcpy(&s, codes_end + 4 * (p % kKeyTile), 4);
    return s;
  }
  double key(int p, int d) {
    return element(type, key_tile(p), d * kKeyTile + p % kKeyTile, scale(key_tile(p) + k_dim * kKeyTile, p));
  }
  double value(int p, int d) {
    return element(type, value_tile(p), p % kKeyTile * padded + d, scale(value_tile(p) + padded * kKeyTile, p));
  }

  DType type;
  int k_dim, v_dim, padded, keys, tiles;
  Guarded<std::byte> k, v;
  std::vector<float> written_keys, written_values;  // [keys, dim]
};

/// Query rows, what they see, and the state that kernels fold into.
struct Queries {
  Queries(int rows, const Range& range, std::mt19937& random)
      : rows(rows),
        plain(static_cast<std::size_t>(rows * range.k_dim)),
        first(static_cast<std::size_t>(rows)),
        end(static_cast<std::size_t>(rows)),
        top(static_cast<std::size_t>(rows)),
        total(static_cast<std::size_t>(rows)),
        acc(static_cast<std::size_t>(rows * range.padded)),
        scores(8 * kScoreStride) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(range.k_dim)));
    for (float& x : plain) x = normal(random);
    for (int m = 0; m < rows; ++m) {
      end[index(m)] = 1 + static_cast<int>(random() % static_cast<unsigned>(range.keys));
      first[index(m)] = static_cast<int>(random() % static_cast<unsigned>(end[index(m)]));
    }
    end[0] = range.keys;
    clear();
  }
  static std::size_t index(int m) { return static_cast<std::size_t>(m); }
  void clear() {
    std::fill(top.begin(), top.end(), -INFINITY);
    std::fill(total.begin(), total.end(), 0.0f);
    std::fill(acc.begin(), acc.end(), 0.0f);
  }

  int rows;
  std::vector<float> plain;  // [rows, k_dim]
  Guarded<std::int32_t> first, end;
  Guarded<float> top, total, acc, scores;
};

/// By f32 FMAs or by bf16 dots; straight from the tiles or through what `unpack` and `unpack_pairs` make of them.
struct Way {
  bool bf16 = false, unpacked = false;
};

/// Rows [from, from + n) of the queries against the range.
void attend(const AttentionKernels& kernels, Range& range, Queries& queries, int from, int n, float softcap = 0,
            Way way = {}) {
  const int groups = ceil_div(n, kQueryTile);
  Guarded<float> packed(static_cast<std::size_t>(groups * kQueryTile * range.k_dim));
  for (int m = 0; m < n; ++m)
    for (int d = 0; d < range.k_dim; ++d)
      packed[static_cast<std::size_t>((m / 8 * range.k_dim + d) * 8 + m % 8)] =
          queries.plain[static_cast<std::size_t>((from + m) * range.k_dim + d)];
  AttentionRange a;
  a.rows = n;
  a.q = packed.data();
  a.first = queries.first.data() + from;
  a.end = queries.end.data() + from;
  a.k = range.k.data();
  a.v = range.v.data();
  a.k_tile_bytes = kv_tile_bytes(range.type, range.k_dim);
  a.v_tile_bytes = kv_tile_bytes(range.type, range.padded);
  if (range.type == DType::i8) {
    a.k_scale = a.k + kKeyTile * range.k_dim;
    a.v_scale = a.v + kKeyTile * range.padded;
    a.k_scale_stride = a.k_tile_bytes;
    a.v_scale_stride = a.v_tile_bytes;
  }
  a.k_dim = range.k_dim;
  a.v_dim = range.padded;
  a.first_key = *std::min_element(a.first, a.first + n);
  a.end_key = std::min(range.keys, *std::max_element(a.end, a.end + n));
  a.softcap = softcap;
  a.top = queries.top.data() + from;
  a.total = queries.total.data() + from;
  a.acc = queries.acc.data() + from * range.padded;
  a.scores = queries.scores.data();
  const int type = kv_index(range.type), element_bytes = way.bf16 ? 2 : 4;
  const int key_bytes = kKeyTile * range.k_dim * element_bytes, value_bytes = kKeyTile * range.padded * element_bytes;
  Guarded<std::byte> keys(static_cast<std::size_t>(range.tiles * key_bytes)),
      values(static_cast<std::size_t>(range.tiles * value_bytes));
  if (way.unpacked) {
    for (int t = 0; t < range.tiles; ++t) {
      const std::byte *const k = a.k + t * a.k_tile_bytes, *const v = a.v + t * a.v_tile_bytes;
      std::byte *const to_k = keys.data() + t * key_bytes, *const to_v = values.data() + t * value_bytes;
      if (way.bf16) {
        kernels.unpack_pairs[type](k, range.k_dim, kKeyTile, to_k);
        kernels.unpack_pairs[type](v, std::min(kKeyTile, a.end_key - t * kKeyTile), range.padded, to_v);
      } else {
        kernels.unpack[type](k, kKeyTile * range.k_dim, reinterpret_cast<float*>(to_k));
        kernels.unpack[type](v, kKeyTile * range.padded, reinterpret_cast<float*>(to_v));
      }
    }
    a.k = keys.data();
    a.v = values.data();
    a.k_tile_bytes = key_bytes;
    a.v_tile_bytes = value_bytes;
  }
  if (way.bf16)
    (way.unpacked ? kernels.attend_pairs : kernels.attend_bf16[type])(a);
  else
    kernels.attend[way.unpacked ? kv_index(DType::f32) : type](a);
}

std::vector<float> state_of(const Queries& queries) {
  std::vector<float> state(queries.acc.data(), queries.acc.data() + queries.acc.size());
  state.insert(state.end(), queries.total.data(), queries.total.data() + queries.total.size());
  state.insert(state.end(), queries.top.data(), queries.top.data() + queries.top.size());
  return state;
}

/// The attention of one row in double, and how far f32 (or bf16 operands) may be from it.
struct Exact {
  std::vector<double> out, bound;
};
Exact exact(Range& range, const Queries& queries, int m, double softcap, bool bf16) {
  const int first = queries.first[Queries::index(m)], end = queries.end[Queries::index(m)];
  std::vector<double> exponent;
  double top = -INFINITY, total = 0, slack = 0;
  for (int p = first; p < end; ++p) {
    double dot = 0, size = 0;
    for (int d = 0; d < range.k_dim; ++d) {
      const double term =
          static_cast<double>(queries.plain[static_cast<std::size_t>(m * range.k_dim + d)]) * range.key(p, d);
      dot += term, size += std::fabs(term);
    }
    // A chain of k_dim FMAs, the scale of int8 keys; the cap multiplies by at most softcap and adds tanh's 3 ULP.
    double error = (range.k_dim + 2) * 0x1p-24 * size;
    if (bf16) error += (2 * 0x1p-9 + 0x1p-18) * size;  // both factors are rounded
    if (softcap > 0) error = softcap * (error + 4 * 0x1p-23);
    exponent.push_back(softcap > 0 ? softcap * std::tanh(dot) : dot);
    slack = std::max(slack, error + 0x1p-23 * std::fabs(exponent.back()));
    top = std::max(top, exponent.back());
  }
  for (const double e : exponent) total += std::exp2(e - top);
  Exact result;
  for (int d = 0; d < range.v_dim; ++d) {
    double sum = 0, size = 0;
    for (int p = first; p < end; ++p) {
      const double term = std::exp2(exponent[static_cast<std::size_t>(p - first)] - top) * range.value(p, d);
      sum += term, size += std::fabs(term);
    }
    result.out.push_back(sum / total);
    // Weights err by ln(2) slack each way, above and below the line; sums of 256 by at most 256 roundings each.
    // Weights and values in bf16 err by 2^-9 each.
    const double rounding = (2 * kKeyRange + 16) * 0x1p-24 + (bf16 ? 2 * 0x1p-9 + 0x1p-18 : 0.0);
    result.bound.push_back(size / total * (2 * 0.7 * 2 * slack + rounding));
  }
  return result;
}

class AttentionKernelsOf : public testing::TestWithParam<Isa> {
 protected:
  const AttentionKernels& kernels = kernels_for(GetParam()).attention;

  void check(DType type, int k_dim, int v_dim, int keys, int rows, float softcap, std::mt19937& random) {
    Range range(kernels, type, k_dim, v_dim, keys, random);
    Queries queries(rows, range, random);
    check(range, queries, softcap, false);
    if (kernels.attend_bf16[kv_index(type)] && k_dim % 2 == 0) check(range, queries, softcap, true);
  }

 private:
  void check(Range& range, Queries& queries, float softcap, bool bf16) {
    const int rows = queries.rows;
    SCOPED_TRACE(testing::Message() << dtype_name(range.type) << (bf16 ? " bf16 dots" : "") << " dims " << range.k_dim
                                    << "/" << range.v_dim << " keys " << range.keys << " rows " << rows << " softcap "
                                    << softcap);
    queries.clear();
    attend(kernels, range, queries, 0, rows, softcap, {.bf16 = bf16});
    for (int m = 0; m < rows; ++m) {
      Guarded<float> out(static_cast<std::size_t>(range.v_dim));
      kernels.finish(queries.acc.data() + m * range.padded, queries.total[Queries::index(m)], out.data(), range.v_dim);
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
  kernels.finish(queries.acc.data() + 16, queries.total[1], out.data(), 16);
  EXPECT_EQ(out, std::vector<float>(16, 0.0f));

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
}  // namespace plumb
