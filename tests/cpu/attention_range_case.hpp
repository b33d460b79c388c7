#pragma once
/// One range of keys and values in tiles, query rows against it, and their attention in double precision with bounds.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "plumb/core/half.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "tests/support/guarded.hpp"

namespace plumb::test {

inline constexpr DType kTypes[] = {DType::f32, DType::f16, DType::i8};

/// Element `index` of a tile whose scale (int8) is `scale`, read as the layout says.
inline double element(DType type, const std::byte* tile, int index, float scale) {
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
        slope(static_cast<std::size_t>(rows)),
        sink(static_cast<std::size_t>(rows), -INFINITY),
        scores(8 * kScoreStride) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(range.k_dim)));
    for (float& x : plain) x = normal(random);
    for (int m = 0; m < rows; ++m) {
      end[index(m)] = 1 + static_cast<int>(random() % static_cast<unsigned>(range.keys));
      first[index(m)] = static_cast<int>(random() % static_cast<unsigned>(end[index(m)]));
    }
    end[0] = range.keys;
    std::fill(slope.begin(), slope.end(), 0.0f);
    clear();
  }
  /// Slopes from steep to none and sinks from light to heavy.
  void add_biases(std::mt19937& random) {
    biased = true;
    std::normal_distribution<float> normal;
    for (int m = 0; m < rows; ++m) {
      slope[index(m)] = m % 4 == 3 ? 0.0f : std::exp2(-2.0f * static_cast<float>(m % 4));
      sink[index(m)] = m % 3 == 2 ? -INFINITY : 4 * normal(random);
    }
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
  Guarded<float> top, total, acc, slope;
  std::vector<float> sink;
  Guarded<float> scores;
  bool biased = false;  ///< by `slope`
};

/// By f32 FMAs or by bf16 dots; straight from the tiles or through what `unpack` and `unpack_pairs` make of them.
struct Way {
  bool bf16 = false, unpacked = false;
};

/// Rows [from, from + n) of the queries against the range.
inline void attend(const AttentionKernels& kernels, Range& range, Queries& queries, int from, int n, float softcap = 0,
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
  if (queries.biased) a.slope = queries.slope.data() + from;
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

inline std::vector<float> state_of(const Queries& queries) {
  std::vector<float> state(queries.acc.data(), queries.acc.data() + queries.acc.size());
  state.insert(state.end(), queries.total.data(), queries.total.data() + queries.total.size());
  state.insert(state.end(), queries.top.data(), queries.top.data() + queries.top.size());
  return state;
}

/// The attention of one row in double, and how far f32 (or bf16 operands) may be from it.
struct Exact {
  std::vector<double> out, bound;
};
inline Exact exact(Range& range, const Queries& queries, int m, double softcap, bool bf16) {
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
    const double bias = static_cast<double>(queries.slope[Queries::index(m)]) * (p - (end - 1));
    exponent.push_back((softcap > 0 ? softcap * std::tanh(dot) : dot) + bias);
    error += 0x1p-23 * std::fabs(bias);
    slack = std::max(slack, error + 0x1p-23 * std::fabs(exponent.back()));
    top = std::max(top, exponent.back());
  }
  const double sink = static_cast<double>(queries.sink[Queries::index(m)]);
  for (const double e : exponent) total += std::exp2(e - top);
  total += std::exp2(sink - top);
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

}  // namespace plumb::test
