#pragma once
/// Attention layers that tests make by hand: random keys and values, the cache they are stored in, and the plain
/// double-precision attention over what the cache keeps of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "plumb/core/half.hpp"
#include "plumb/ops/attention.hpp"
#include "tests/support/guarded.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::test {

/// A layer and the sequences over it.
struct AttentionCase {
  int n_heads = 4, n_kv_heads = 2, k_dim = 16, v_dim = 16;
  DType kv = DType::f32;
  int window = 0;
  float softcap = 0;
  bool rounded = false;            ///< bf16 dots, where a tier has them
  std::vector<float> slopes = {};  // [n_heads], or none
  std::vector<float> sinks = {};   // [n_heads], or none
  int sequences = 2, context = 700;
  bool causal = true;

  int group() const { return n_heads / n_kv_heads; }
  std::size_t q_width() const { return static_cast<std::size_t>(n_heads * k_dim); }
  std::size_t out_width() const { return static_cast<std::size_t>(n_heads * v_dim); }
  ops::AttentionShape shape() const {
    return {n_heads, n_kv_heads, k_dim, v_dim, 1.0f / std::sqrt(static_cast<float>(k_dim)), softcap, window, causal};
  }
  std::string name() const {
    std::string text = std::to_string(n_heads) + "/" + std::to_string(n_kv_heads) + " heads of " +
                       std::to_string(k_dim) + "/" + std::to_string(v_dim) + " window " + std::to_string(window) +
                       " cap " + std::to_string(softcap) + " " + std::string(dtype_name(kv));
    if (rounded) text += " rounded";
    if (!slopes.empty()) text += " with slopes";
    if (!sinks.empty()) text += " with sinks";
    if (!causal) text += " both ways";
    return text;
  }
};

/// A case whose keys and values have one size.
inline AttentionCase heads(int n_heads, int n_kv_heads, int dim, DType kv = DType::f32, int window = 0,
                           float softcap = 0, bool rounded = false) {
  return {n_heads, n_kv_heads, dim, dim, kv, window, softcap, rounded};
}

inline std::vector<float> normal_numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(n);
  for (float& x : numbers) x = normal(random);
  return numbers;
}

/// Keys or values of every position: as they are given, and in double what a cache of this type keeps of them.
class Numbers {
 public:
  Numbers(const AttentionCase& c, int dim, unsigned seed)
      : heads_(c.n_kv_heads),
        context_(c.context),
        dim_(dim),
        given_(normal_numbers(static_cast<std::size_t>(c.sequences * heads_ * context_ * dim), seed)) {
    for (std::size_t i = 0; i < given_.size(); i += static_cast<std::size_t>(dim)) keep(c.kv, &given_[i]);
  }
  const float* given(int sequence, int head, int p) const { return &given_[at(sequence, head, p)]; }
  const double* kept(int sequence, int head, int p) const { return &kept_[at(sequence, head, p)]; }

 private:
  std::size_t at(int sequence, int head, int p) const {
    return static_cast<std::size_t>(((sequence * heads_ + head) * context_ + p) * dim_);
  }
  void keep(DType type, const float* row) {
    float largest = 0;
    for (int d = 0; d < dim_; ++d) largest = std::max(largest, std::fabs(row[d]));
    const float scale = largest / 127.0f;
    for (int d = 0; d < dim_; ++d)
      kept_.push_back(type == DType::f32 ? static_cast<double>(row[d])
                      : type == DType::f16
                          ? static_cast<double>(to_float(to_half(row[d])))
                          : std::nearbyint(static_cast<double>(row[d] * (1.0f / scale))) * static_cast<double>(scale));
  }

  int heads_, context_, dim_;
  std::vector<float> given_;
  std::vector<double> kept_;
};

struct KeysAndValues {
  explicit KeysAndValues(const AttentionCase& c) : keys(c, c.k_dim, 99), values(c, c.v_dim, 98) {}
  Numbers keys, values;
};

/// Puts positions [begin, end) of a sequence into a layer.
inline void store(const KernelTable& kernels, const ops::KvLayer& layer, const KeysAndValues& data,
                  const AttentionCase& c, int sequence, int begin, int end) {
  for (int g = 0; g < c.n_kv_heads; ++g)
    for (int p = begin; p < end; ++p)
      ops::store_kv(kernels, layer, sequence, g, p, data.keys.given(sequence, g, p), data.values.given(sequence, g, p));
}

/// The memory of one layer, which ends at a forbidden page. What was never stored is NaN. `ring_tiles`: 0 = all.
class LayerMemory {
 public:
  explicit LayerMemory(const AttentionCase& c, std::int64_t ring_tiles = 0)
      : memory_(static_cast<std::size_t>(c.sequences * c.n_kv_heads * slab(c, ring_tiles))) {
    std::fill(memory_.begin(), memory_.end(), std::byte{0xFF});
    layer_.base = memory_.data();
    layer_.head_stride = slab(c, ring_tiles);
    layer_.sequence_stride = c.n_kv_heads * layer_.head_stride;
    layer_.value_offset = tiles(c, ring_tiles) * kv_tile_bytes(c.kv, c.k_dim);
    layer_.k_dim = c.k_dim;
    layer_.v_dim = c.v_dim;
    layer_.type = c.kv;
    layer_.ring_tiles = ring_tiles;
  }
  const ops::KvLayer& layer() const { return layer_; }

 private:
  static std::int64_t tiles(const AttentionCase& c, std::int64_t ring_tiles) {
    return ring_tiles > 0 ? ring_tiles : ceil_div(c.context, kKeyTile);
  }
  static std::int64_t slab(const AttentionCase& c, std::int64_t ring_tiles) {
    return tiles(c, ring_tiles) * (kv_tile_bytes(c.kv, c.k_dim) + kv_tile_bytes(c.kv, padded_value_dim(c.v_dim)));
  }
  Guarded<std::byte> memory_;
  ops::KvLayer layer_;
};

/// A layer that holds every position of every sequence.
class FilledLayer : public LayerMemory {
 public:
  FilledLayer(const KernelTable& kernels, const AttentionCase& c, const KeysAndValues& data) : LayerMemory(c) {
    for (int s = 0; s < c.sequences; ++s) store(kernels, layer(), data, c, s, 0, c.context);
  }
};

/// One row's attention, [n_heads, v_dim], in double.
inline std::vector<double> plain_attention(const AttentionCase& c, const KeysAndValues& data,
                                           const ops::AttentionRow& row, const float* q) {
  std::vector<double> out(c.out_width(), 0.0);
  for (int h = 0; h < c.n_heads; ++h) {
    const int g = h / c.group();
    const int back = c.causal ? c.window - 1 : c.window / 2, ahead = c.causal ? 0 : c.window / 2;
    const int first = c.window > 0 ? std::max(0, row.position - back) : 0;
    const int last = c.causal || c.window > 0 ? std::min(row.position + ahead, std::max(row.length - 1, row.position))
                                              : row.length - 1;
    std::vector<double> score;
    for (int p = first; p <= last; ++p) {
      double s = 0;
      for (int d = 0; d < c.k_dim; ++d)
        s += static_cast<double>(q[h * c.k_dim + d]) * data.keys.kept(row.sequence, g, p)[d];
      s /= std::sqrt(static_cast<double>(c.k_dim));
      if (c.softcap > 0) s = static_cast<double>(c.softcap) * std::tanh(s / static_cast<double>(c.softcap));
      if (!c.slopes.empty()) s += static_cast<double>(c.slopes[static_cast<std::size_t>(h)]) * (p - row.position);
      score.push_back(s);
    }
    double top = *std::max_element(score.begin(), score.end()), sum = 0;
    if (!c.sinks.empty()) {
      const double sink = static_cast<double>(c.sinks[static_cast<std::size_t>(h)]);
      top = std::max(top, sink);
      sum = std::exp(sink - top);
    }
    for (double& s : score) sum += s = std::exp(s - top);
    for (int p = first; p <= last; ++p)
      for (int d = 0; d < c.v_dim; ++d)
        out[static_cast<std::size_t>(h * c.v_dim + d)] +=
            score[static_cast<std::size_t>(p - first)] / sum * data.values.kept(row.sequence, g, p)[d];
  }
  return out;
}

/// What plumb computes for these rows: [rows, n_heads, v_dim]. Queries and outputs end at forbidden pages.
inline std::vector<float> attention_of(const KernelTable& kernels, const AttentionCase& c, const ops::KvLayer& layer,
                                       std::span<const ops::AttentionRow> rows, const float* q, int threads,
                                       ops::AttentionScratch& scratch) {
  const ops::AttentionShape shape = c.shape();
  const Guarded<float> asked(std::vector<float>(q, q + rows.size() * c.q_width()));
  Guarded<float> out(std::vector<float>(rows.size() * c.out_width(), -1.0f));
  ops::AttentionCall call{&kernels, &shape, &layer, rows, asked.data(), static_cast<std::int64_t>(c.q_width())};
  call.out = out.data();
  call.out_stride = static_cast<std::int64_t>(c.out_width());
  call.rounded = c.rounded;
  if (!c.slopes.empty()) call.slopes = c.slopes.data();
  if (!c.sinks.empty()) call.sinks = c.sinks.data();
  run_parallel(threads, [&](const Worker& worker) { ops::attention(worker, call, scratch); });
  return {out.begin(), out.end()};
}
inline std::vector<float> attention_of(const KernelTable& kernels, const AttentionCase& c, const ops::KvLayer& layer,
                                       std::span<const ops::AttentionRow> rows, const float* q, int threads) {
  ops::AttentionScratch scratch(c.shape(), threads, c.context);
  return attention_of(kernels, c, layer, rows, q, threads, scratch);
}

/// How far the normalised squared error may go. Queries, keys, weights and values in bf16 err by at most 2^-9 each,
/// independently: 4 (2^-9)^2 of the power, and twice that for a row of few numbers.
inline double attention_bound(const AttentionCase& c) { return c.rounded ? 8 * 0x1p-18 : 1e-11; }

/// Every tier against double, over thread counts, and each row (or every 37th) alone.
inline void check_attention(const AttentionCase& c, const std::vector<ops::AttentionRow>& rows, bool every_row = true) {
  SCOPED_TRACE(c.name() + ", " + std::to_string(rows.size()) + " rows");
  const std::vector<float> q = normal_numbers(rows.size() * c.q_width(), 5);
  const KeysAndValues data(c);
  const std::size_t step = every_row ? 1 : 37, width = c.out_width();
  std::vector<std::vector<double>> want;
  for (std::size_t n = 0; n < rows.size(); n += step)
    want.push_back(plain_attention(c, data, rows[n], q.data() + n * c.q_width()));
  for (const Isa isa : tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const KernelTable& kernels = kernels_for(isa);
    const FilledLayer filled(kernels, c, data);
    const std::vector<float> out = attention_of(kernels, c, filled.layer(), rows, q.data(), 2);
    for (std::size_t n = 0; n < rows.size(); n += step) {
      const std::vector<float> row(out.begin() + static_cast<std::ptrdiff_t>(n * width),
                                   out.begin() + static_cast<std::ptrdiff_t>((n + 1) * width));
      EXPECT_LT((nmse<float, double>(row, want[n / step])), attention_bound(c))
          << "position " << rows[n].position << " sequence " << rows[n].sequence;
      EXPECT_EQ(attention_of(kernels, c, filled.layer(), {&rows[n], 1}, q.data() + n * c.q_width(), 3), row)
          << "row " << n << " depends on the other rows of its batch";
    }
    for (const int threads : {1, 3, 4, 8})
      EXPECT_EQ(out, attention_of(kernels, c, filled.layer(), rows, q.data(), threads)) << threads << " threads";
  }
}

/// Rows at positions first, first + 1, ... of a sequence.
inline std::vector<ops::AttentionRow> prompt(int first, int count, int sequence = 0) {
  std::vector<ops::AttentionRow> rows;
  for (int n = 0; n < count; ++n) rows.push_back({first + n, sequence});
  return rows;
}

/// Single rows of two sequences around the edges of tiles and ranges.
inline const std::vector<ops::AttentionRow> kScatteredRows = {{0, 0},   {1, 1},   {254, 0}, {255, 0},
                                                              {256, 1}, {511, 0}, {699, 1}};

}  // namespace plumb::test
