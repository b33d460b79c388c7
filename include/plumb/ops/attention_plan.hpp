#pragma once
/// @file
/// How the work of one attention layer is cut into tiles and dealt to workers.
///
/// A *tile* is a run of rows at consecutive positions of one sequence: they see nearly the same keys. A tile meets the
/// keys of every KV head range by range (256 positions). The line of all (KV head, tile, range) is cut into equal
/// parts, one per worker. A part may begin inside a tile, so that one row of one sequence feeds every worker; the
/// tile's ranges are then folded in order afterwards. Since every range is computed by itself and folded in order
/// either way, results do not depend on the cuts.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "plumb/cpu/attention_kernels.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Who asks: a row of the batch.
struct AttentionRow {
  std::int32_t position = 0;
  std::int32_t sequence = 0;
  std::int32_t length = 0;  ///< positions that its sequence has after the batch: what a row sees that sees later ones
};

/// The shape of an attention layer.
struct AttentionShape {
  int n_heads = 0, n_kv_heads = 0;
  int k_dim = 0, v_dim = 0;
  float scale = 1.0f;    ///< multiplies q.k
  float softcap = 0.0f;  ///< cap * tanh(score / cap); 0 = off
  int window = 0;        ///< positions that a row sees, its own included; 0 = all
  bool causal = true;    ///< false: later positions too; a window then reaches half of its length each way
  int chunk = 0;         ///< positions in chunks of so many: a row sees none before its own; 0 = no chunks
  bool latent = false;   ///< values are the first v_dim elements of keys, and all heads share them (KvLayer::latent)
  int chosen = 0;        ///< a row that sees more positions attends to so many of them, which are given; 0 = to all

  int group() const { return n_heads / n_kv_heads; }
  /// First position that a row sees.
  std::int32_t first_key(const AttentionRow& row) const {
    if (chunk > 0) return row.position / chunk * chunk;
    const int back = causal ? window - 1 : window / 2;
    return window > 0 ? std::max(0, row.position - back) : 0;
  }
  /// First position after them that it does not see. Of chosen positions they are the indices that count.
  std::int32_t end_key(const AttentionRow& row) const {
    if (causal) return chooses(row.position) ? chosen : row.position + 1;
    return window > 0 ? std::min(row.length, row.position + window / 2 + 1) : row.length;
  }
  /// Whether a row at `position` attends to a choice of what it sees.
  bool chooses(std::int32_t position) const { return chosen > 0 && position >= chosen; }
};

/// Query rows (batch rows x heads of a group) that a tile aims at: enough to hide the conversion of K and V.
inline constexpr int kTileQueries = 128;
/// A tile of at most so many query rows (or of one batch row) may be cut between workers.
inline constexpr int kCutQueries = 32;

/// Rows [begin, end) of the batch and the keys [first_key, end_key) that some of them sees.
struct AttentionTile {
  std::int64_t begin = 0, end = 0;
  std::int32_t sequence = 0;
  std::int32_t first_key = 0, end_key = 0;

  std::int32_t first_range() const { return first_key / kKeyRange; }
  std::int32_t end_range() const { return (end_key - 1) / kKeyRange + 1; }
};

/// A place on the line of (KV head, tile, range).
struct AttentionCursor {
  std::int64_t head = 0;
  std::int64_t row = 0;    ///< first row of the tile
  std::int32_t range = 0;  ///< 0 unless cut
  bool cut = false;        ///< inside a tile

  bool operator==(const AttentionCursor&) const = default;
  /// Same head and tile.
  bool same_tile(const AttentionCursor& other) const { return head == other.head && row == other.row; }
};

/// The cuts of one batch. Cheap to make; every worker makes its own.
class AttentionPlan {
 public:
  AttentionPlan(const AttentionShape& shape, std::span<const AttentionRow> rows, int workers)
      : shape_(shape), rows_(rows), workers_(workers) {
    const std::int64_t group = shape.group();
    tile_rows_ = std::max<std::int64_t>(1, kTileQueries / group);
    const auto items = [&] { return static_cast<std::int64_t>(rows.size()) * shape.n_kv_heads / tile_rows_; };
    while (tile_rows_ > 1 && tile_rows_ * group > kCutQueries && items() < 16 * workers) tile_rows_ /= 2;
    may_cut_ = workers > 1 && (tile_rows_ == 1 || tile_rows_ * group <= kCutQueries);
    for (AttentionTile t = first(); !done(t); t = next(t)) head_cost_ += cost(t);
  }

  /// Most query rows of a tile, and of one that may be cut.
  static int max_queries(const AttentionShape& shape) { return std::max(kTileQueries, shape.group()); }
  static int max_cut_queries(const AttentionShape& shape) { return std::max(kCutQueries, shape.group()); }

  AttentionTile first() const { return tile_at(0); }
  AttentionTile next(const AttentionTile& t) const { return tile_at(t.end); }
  bool done(const AttentionTile& t) const { return t.begin >= static_cast<std::int64_t>(rows_.size()); }
  AttentionTile tile_at(std::int64_t begin) const {
    AttentionTile t{begin, begin};
    if (done(t)) return t;
    const AttentionRow& head = rows_[static_cast<std::size_t>(begin)];
    const std::int64_t most = std::min<std::int64_t>(begin + tile_rows_, static_cast<std::int64_t>(rows_.size()));
    for (t.end = begin + 1; t.end < most; ++t.end) {
      const AttentionRow& row = rows_[static_cast<std::size_t>(t.end)];
      if (row.sequence != head.sequence || row.position != head.position + (t.end - begin)) break;
      if (shape_.chooses(row.position)) break;  // each its own keys
    }
    t.sequence = head.sequence;
    t.first_key = shape_.first_key(head);
    t.end_key = shape_.end_key(rows_[static_cast<std::size_t>(t.end - 1)]);
    return t;
  }

  /// Where the part of worker w begins; w may be the number of workers.
  AttentionCursor begin_of(int w) const {
    const std::int64_t target = head_cost_ * shape_.n_kv_heads * w / workers_;
    AttentionCursor c{target / head_cost_};
    std::int64_t offset = target % head_cost_;
    for (AttentionTile t = first(); !done(t); t = next(t)) {
      if (offset < cost(t)) return inside(c.head, t, offset);
      offset -= cost(t);
    }
    return c;  // the end of the line
  }

  /// Whether any tile is cut between workers.
  bool any_cut() const {
    for (int w = 1; may_cut_ && w < workers_; ++w)
      if (begin_of(w).cut) return true;
    return false;
  }

 private:
  std::int64_t queries(const AttentionTile& t) const { return (t.end - t.begin) * shape_.group(); }
  /// Work of one key: its products and, as much again as two of them, its loads.
  std::int64_t key_cost(const AttentionTile& t) const { return queries(t) + 2; }
  std::int64_t cost(const AttentionTile& t) const { return (t.end_key - t.first_key) * key_cost(t); }

  /// The allowed place nearest to `offset` in a tile.
  AttentionCursor inside(std::int64_t head, const AttentionTile& t, std::int64_t offset) const {
    const AttentionCursor start{head, t.begin};
    AttentionCursor after{head, t.end};
    if (t.end == static_cast<std::int64_t>(rows_.size())) after = {head + 1};
    if (!may_cut_) return 2 * offset < cost(t) ? start : after;
    const auto key = static_cast<std::int32_t>(t.first_key + offset / key_cost(t));
    const std::int32_t below = std::max(t.first_key, key / kKeyRange * kKeyRange);
    const std::int32_t above = std::min(t.end_key, (key / kKeyRange + 1) * kKeyRange);
    const std::int32_t cut = key - below <= above - key ? below : above;
    if (cut == t.first_key) return start;
    if (cut == t.end_key) return after;
    return {head, t.begin, cut / kKeyRange, true};
  }

  const AttentionShape& shape_;
  std::span<const AttentionRow> rows_;
  int workers_;
  std::int64_t tile_rows_ = 1;
  std::int64_t head_cost_ = 0;  // of all tiles with one KV head
  bool may_cut_ = false;
};

}  // namespace plumb::ops
