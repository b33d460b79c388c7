#pragma once
/// @file
/// How an indexer is run: its projections beside those of the attention it serves, then scores and choice, a few rows
/// of the batch at a time, since a row's scores are as long as what it sees.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include "plumb/blocks/indexer.hpp"
#include "plumb/blocks/pass.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/rope.hpp"

namespace plumb::inline PLUMB_ABI {

class IndexerRun {
 public:
  IndexerRun(const Pass& pass, const IndexerSpec& spec, const IndexerWeights& weights, int layer)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        products_(pass.products()),
        s_(pass.scratch().index),
        keys_(pass.state().index_keys(layer)) {}

  /// The forms that it takes of the layer's input, and of the compressed query.
  ops::ActivationForms input_forms() const {
    ops::ActivationForms forms = products_.forms({&w_.k});
    forms.f32 = true;  // weights of heads
    return forms;
  }
  ops::ActivationForms query_forms() const { return products_.forms({&w_.q}); }

  void project(const Worker& worker, const ops::Activations& x) const {
    products_.run(worker, x, {{Op::k, Products::into(w_.k, s_.k)}});
    products_.multiply(worker, x, {Op::router, Products::into(w_.weights, s_.weights)}, true);
  }
  void project_queries(const Worker& worker, const ops::Activations& compressed) const {
    products_.run(worker, compressed, {{Op::q, Products::into(w_.q, s_.q)}});
  }

  /// Tasks are (row, head), and a row's key.
  void rotate_and_store(const Worker& worker) const {
    worker.enter(Op::rope);
    const std::int64_t tasks = spec_.heads + 1;
    const Range mine = worker.share(pass_.n() * tasks);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / tasks, head = task % tasks;
      if (head < spec_.heads)
        rotate(n, s_.q.row(n) + head * spec_.dims);
      else
        store(n);
    }
  }

  /// The positions of every row that sees more than it may attend to. Contains barriers, the last of them at the end.
  void choose(const Worker& worker) const {
    std::int64_t rows[kScoredRows];
    for (std::int64_t n = 0; n < pass_.n();) {
      int count = 0;
      for (; n < pass_.n() && count < kScoredRows; ++n)
        if (seen(n) > spec_.top) rows[count++] = n;
      if (count == 0) return;
      worker.enter(Op::index);
      score(worker, rows, count);
      worker.barrier();
      const Range mine = worker.share(count);
      for (std::int64_t i = mine.begin; i < mine.end; ++i) choose_of(worker, rows[i], s_.scores.row(i));
      worker.barrier();
    }
  }
  ops::ChosenPositions chosen() const { return {s_.chosen_of(0), s_.most}; }

 private:
  const BatchRow& row(std::int64_t n) const { return pass_.rows()[static_cast<std::size_t>(n)]; }
  /// Positions that row n sees.
  std::int64_t seen(std::int64_t n) const { return std::int64_t{row(n).position} + 1; }

  void rotate(std::int64_t n, float* head) const {
    if (spec_.rope < 0) return;
    const auto table = static_cast<std::size_t>(spec_.rope);
    ops::rotate_head(pass_.kernels(), pass_.ropes()[table], pass_.scratch().angles[table].row(n), head);
  }

  void store(std::int64_t n) const {
    float* const key = s_.k.row(n);
    norm_row(pass_.kernels(), spec_.norm, w_.k_norm, key, key, spec_.dims);
    rotate(n, key);
    const std::int64_t tile = row(n).position / kKeyTile;
    pass_.kernels().attention.store_key[kv_index(keys_.type)](key, spec_.dims, keys_.key_tile(row(n).sequence, 0, tile),
                                                              row(n).position % kKeyTile);
  }

  /// scores[i] of `count` rows. Tasks are (row, range of positions).
  void score(const Worker& worker, const std::int64_t* rows, int count) const {
    const auto ranges = [&](int i) { return ceil_div<std::int64_t>(seen(rows[i]), kKeyRange); };
    std::int64_t all = 0;
    for (int i = 0; i < count; ++i) all += ranges(i);
    const Range mine = worker.share(all);
    std::int64_t task = 0;
    for (int i = 0; i < count; task += ranges(i), ++i) {
      const std::int64_t first = std::max<std::int64_t>(0, mine.begin - task);
      const std::int64_t end = std::min(ranges(i), mine.end - task);
      if (first < end) score_row(worker, rows[i], {first, end}, s_.scores.row(i));
    }
  }

  /// Some ranges of one row's scores.
  void score_row(const Worker& worker, std::int64_t n, Range ranges, float* scores) const {
    float* const packed = s_.packed.row(worker.index);
    for (int h = 0; h < spec_.heads; ++h) {
      const float* const q = s_.q.row(n) + std::int64_t{h} * spec_.dims;
      float* const column = packed + std::int64_t{h / kQueryTile} * kQueryTile * spec_.dims + h % kQueryTile;
      for (int d = 0; d < spec_.dims; ++d) column[d * kQueryTile] = q[d];
    }
    IndexRange range;
    range.q = packed;
    range.weights = s_.weights.row(n);
    range.heads = spec_.heads;
    range.dim = spec_.dims;
    range.k_tile_bytes = keys_.k_tile_bytes();
    for (std::int64_t r = ranges.begin; r < ranges.end; ++r) {
      range.k = keys_.key_tile(row(n).sequence, 0, r * (kKeyRange / kKeyTile));
      if (keys_.type == DType::i8) range.k_scale = range.k + std::int64_t{kKeyTile} * spec_.dims;
      range.positions = static_cast<int>(std::min<std::int64_t>(kKeyRange, seen(n) - r * kKeyRange));
      range.out = scores + r * kKeyRange;
      pass_.kernels().attention.index_scores[kv_index(keys_.type)](range);
    }
  }

  /// The positions with the largest scores, in rising order. Scores that are no numbers are the smallest.
  void choose_of(const Worker& worker, std::int64_t n, float* scores) const {
    const std::int64_t all = seen(n);
    float* const sorted = s_.sorted.row(worker.index);
    for (std::int64_t p = 0; p < all; ++p) {
      if (std::isnan(scores[p])) scores[p] = -std::numeric_limits<float>::infinity();
      sorted[p] = scores[p];
    }
    float* const last = sorted + spec_.top - 1;
    std::nth_element(sorted, last, sorted + all, std::greater<>());
    const float least = *last;
    std::int64_t equal = spec_.top - std::count_if(sorted, last, [&](float score) { return score > least; });
    std::int32_t* next = s_.chosen_of(n);
    for (std::int64_t p = 0; p < all; ++p)
      if (scores[p] > least || (scores[p] == least && equal-- > 0)) *next++ = static_cast<std::int32_t>(p);
  }

  const Pass& pass_;
  const IndexerSpec& spec_;
  const IndexerWeights& w_;
  const Products& products_;
  IndexScratch& s_;
  ops::KvLayer keys_;
};

}  // namespace plumb
