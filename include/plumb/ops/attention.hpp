#pragma once
/// @file
/// Attention of a batch of rows over the KV cache: to their own and earlier positions, or to all of their sequence.
///
///     out[n, h] = sum_p softmax_p(s[p]) V[p]            over the positions p that row n sees
///     s[p] = capped(scale * q[n, h] . K[p]) + slope[h] (p - position of n)
///
/// A head may have a *sink*: one more score s = sink[h] that takes its share of the softmax and has no value. Softcap,
/// slopes (ALiBi) and sinks are optional.
///
/// A row may attend to a choice of positions (AttentionShape::chosen): ranges are then of the list of these.
///
/// All query heads of a KV head's group, and all rows of a tile (attention_plan.hpp), share each load of K and V. Keys
/// are walked in ranges of 256 positions cut at multiples of 256; each range is computed by itself and folded into the
/// running softmax in rising order. A row's bits depend on its own keys alone: they are the same for every batch, split
/// and thread count within a tier.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "plumb/core/half.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/attention_plan.hpp"
#include "plumb/ops/kv.hpp"
#include "plumb/ops/latent_keys.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Bytes of keys, and of values, that are asked for before their range is attended to: as far as kernels ask ahead.
inline constexpr std::int64_t kPrefetchRangeBytes = 8192;

/// Running softmax of query rows: what kernels fold ranges into.
struct AttentionState {
  float* top = nullptr;    // [queries]
  float* total = nullptr;  // [queries]
  float* acc = nullptr;    // [queries, padded v_dim]

  /// The state of a row that has seen nothing.
  void clear(std::int64_t queries, int padded_dim) const {
    std::fill_n(top, queries, -INFINITY);
    std::fill_n(total, queries, 0.0f);
    std::fill_n(acc, queries * padded_dim, 0.0f);
  }
};

/// Memory of the workers.
class AttentionScratch {
 public:
  AttentionScratch() = default;
  /// For layers of any of these shapes and up to `context` positions. @throws Error{overflow, out_of_memory}.
  AttentionScratch(std::span<const AttentionShape> shapes, int threads, std::int64_t context) {
    std::int64_t packed = 0, keys = 0, values = 0, rest = 0, scales = 0;
    for (const AttentionShape& shape : shapes) {
      const std::int64_t queries = round_up<std::int64_t>(AttentionPlan::max_queries(shape), kQueryTile);
      const std::int64_t cut_queries = AttentionPlan::max_cut_queries(shape), dim = padded_value_dim(shape.v_dim);
      packed = std::max(packed, queries * shape.k_dim);
      keys = std::max(keys, std::int64_t{kKeyRange} * shape.k_dim);
      values = std::max(values, kKeyRange * dim);
      whole_.grow(queries, dim);
      cut_.grow(cut_queries, dim);
      if (!shape.latent) continue;
      rest = std::max(rest, LatentBuffers::rest_floats(shape.k_dim - shape.v_dim));
      scales = LatentBuffers::kScales;
    }
    std::int64_t floats = 0;
    const auto reserve = [&](std::int64_t n) {
      const std::int64_t at = floats;
      floats += round_up<std::int64_t>(n, 16);
      return at;
    };
    packed_q_ = reserve(packed);
    scores_ = reserve(kQueryTile * kScoreStride);
    keys_ = reserve(keys);
    values_ = reserve(values);
    rest_ = reserve(rest);
    scales_ = reserve(scales);
    first_ = reserve(whole_.queries);
    end_ = reserve(whole_.queries);
    slope_ = reserve(whole_.queries);
    state_ = reserve(whole_.floats());
    // A worker that begins inside a tile leaves the tile's remaining ranges one by one: at most all of a context.
    parts_ = floats;
    const std::int64_t ranges = threads > 1 ? ceil_div<std::int64_t>(context, kKeyRange) : 0;
    floats += checked_mul(ranges, cut_.floats(), "attention scratch");
    stride_ = floats;
    const std::int64_t all = checked_mul<std::int64_t>(stride_, threads, "attention scratch");
    memory_ = AlignedBuffer(static_cast<std::size_t>(checked_mul<std::int64_t>(all, 4, "attention scratch")));
  }
  /// For layers that all have one shape.
  AttentionScratch(const AttentionShape& shape, int threads, std::int64_t context)
      : AttentionScratch(std::span<const AttentionShape>(&shape, 1), threads, context) {}

  float* packed_q(int worker) { return of(worker) + packed_q_; }
  float* scores(int worker) { return of(worker) + scores_; }
  float* keys(int worker) { return of(worker) + keys_; }
  float* values(int worker) { return of(worker) + values_; }
  LatentBuffers latents(int worker) { return {keys(worker), values(worker), of(worker) + rest_, of(worker) + scales_}; }
  /// What the query rows of a tile see, and their slopes: [queries] each.
  std::int32_t* first(int worker) { return reinterpret_cast<std::int32_t*>(of(worker) + first_); }
  std::int32_t* end(int worker) { return reinterpret_cast<std::int32_t*>(of(worker) + end_); }
  float* slope(int worker) { return of(worker) + slope_; }
  /// State of the tile that a worker works at, from the tile's first range on.
  AttentionState state(int worker) { return whole_.at(of(worker) + state_); }
  /// State of the i-th range of the tile that a worker began inside.
  AttentionState part(int worker, std::int64_t i) { return cut_.at(of(worker) + parts_ + i * cut_.floats()); }
  std::size_t bytes() const { return memory_.size(); }

 private:
  /// Room for the state of a tile of any shape.
  struct Room {
    std::int64_t queries = 0;  ///< padded to a cache line
    std::int64_t acc = 0;      ///< floats of the values: [queries, padded v_dim] of the largest shape

    void grow(std::int64_t n, std::int64_t padded_dim) {
      queries = std::max(queries, round_up<std::int64_t>(n, 16));
      acc = std::max(acc, round_up<std::int64_t>(n * padded_dim, 16));
    }
    std::int64_t floats() const { return 2 * queries + acc; }
    AttentionState at(float* p) const { return {p, p + queries, p + 2 * queries}; }
  };
  float* of(int worker) { return memory_.as<float>() + stride_ * worker; }

  Room whole_, cut_;
  std::int64_t packed_q_ = 0, scores_ = 0, keys_ = 0, values_ = 0, rest_ = 0, scales_ = 0;
  std::int64_t first_ = 0, end_ = 0, slope_ = 0, state_ = 0;
  std::int64_t parts_ = 0;
  std::int64_t stride_ = 0;
  AlignedBuffer memory_;  // [threads, stride_] f32
};

/// What rows attend to that do not attend to all they see: positions of row n, rising, from positions[n * stride] on.
struct ChosenPositions {
  const std::int32_t* positions = nullptr;
  std::int64_t stride = 0;
};

/// The operands of one attention layer.
struct AttentionCall {
  const KernelTable* kernels = nullptr;
  const AttentionShape* shape = nullptr;
  const KvLayer* kv = nullptr;
  std::span<const AttentionRow> rows;
  const float* q = nullptr;  // [rows, q_stride], n_heads * k_dim used
  std::int64_t q_stride = 0;
  float* out = nullptr;  // [rows, out_stride], n_heads * v_dim used
  std::int64_t out_stride = 0;
  /// Dots of bf16 where the tier has them and the cache is not f32: for models whose products round their activations
  /// at least as coarsely.
  bool rounded = false;
  const float* slopes = nullptr;  // [n_heads] of ALiBi (ops/alibi.hpp), or null
  const float* sinks = nullptr;   // [n_heads], or null; finite or -inf
  ChosenPositions chosen = {};    ///< where the shape says that positions are chosen

  /// The positions that the row of a tile has chosen, from the index `first` on; null where it attends to all.
  const std::int32_t* chosen_in(const AttentionTile& tile, std::int32_t first) const {
    if (!shape->chooses(rows[static_cast<std::size_t>(tile.begin)].position)) return nullptr;
    return chosen.positions + tile.begin * chosen.stride + first;
  }
  /// Whether this call multiplies by bf16 dots.
  bool by_bf16() const {
    return rounded && !kv->latent && kernels->attention.attend_bf16[kv_index(kv->type)] != nullptr &&
           shape->k_dim % 2 == 0 && shape->k_dim <= kMaxBf16KeyDim;
  }
};

namespace detail {

/// One worker's side of an attention layer.
class AttentionWorker {
 public:
  AttentionWorker(const AttentionCall& call, const AttentionPlan& plan, AttentionScratch& scratch, int worker)
      : call_(call),
        shape_(*call.shape),
        kv_(*call.kv),
        plan_(plan),
        scratch_(scratch),
        worker_(worker),
        padded_dim_(padded_value_dim(shape_.v_dim)) {}

  /// The worker's part of the line.
  void run() {
    const AttentionCursor begin = plan_.begin_of(worker_), end = plan_.begin_of(worker_ + 1);
    AttentionCursor at = begin;
    while (at != end && at.head < shape_.n_kv_heads) {
      const AttentionTile tile = plan_.tile_at(at.row);
      const bool last = end.cut && at.same_tile(end);
      const std::int32_t from = at.cut ? at.range : tile.first_range();
      attend(at.head, tile, from, last ? end.range : tile.end_range(), at.cut, last);
      if (last) break;
      const AttentionTile following = plan_.next(tile);
      at = plan_.done(following) ? AttentionCursor{at.head + 1} : AttentionCursor{at.head, following.begin};
    }
  }

  /// After a barrier: folds the parts of every cut tile into the state that its first worker left. All workers share
  /// the query rows.
  void join(int workers) {
    for (int w = 1; w < workers; ++w) {
      const AttentionCursor cut = plan_.begin_of(w), before = plan_.begin_of(w - 1);
      if (!cut.cut || (before.cut && before.same_tile(cut))) continue;
      const AttentionTile tile = plan_.tile_at(cut.row);
      const std::int64_t queries = queries_of(tile);
      for (std::int64_t m = worker_; m < queries; m += workers) join_row(w, workers, cut, tile, m);
    }
  }

 private:
  std::int64_t queries_of(const AttentionTile& tile) const { return (tile.end - tile.begin) * shape_.group(); }

  /// Ranges [from, end) of a tile with one KV head. `part`: each into a state of its own; `open`: leave the state.
  void attend(std::int64_t head, const AttentionTile& tile, std::int32_t from, std::int32_t end, bool part, bool open) {
    pack(head, tile);
    const std::int64_t queries = queries_of(tile);
    AttentionRange range = describe(tile);
    const AttentionState own = scratch_.state(worker_);
    if (!part) own.clear(queries, padded_dim_);
    for (std::int32_t r = from; r < end; ++r) {
      const AttentionState state = part ? scratch_.part(worker_, r - from) : own;
      if (part) state.clear(queries, padded_dim_);
      range.top = state.top;
      range.total = state.total;
      range.acc = state.acc;
      if (r + 1 < end && queries <= kCutQueries) prefetch_range(head, tile, r + 1);
      attend_range(head, tile, r, range);
    }
    if (part || open) return;
    for (std::int64_t m = 0; m < queries; ++m) finish(own, head, tile, m);
  }

  /// What all ranges of a tile have in common.
  AttentionRange describe(const AttentionTile& tile) {
    AttentionRange range;
    range.rows = static_cast<int>(queries_of(tile));
    range.q = scratch_.packed_q(worker_);
    range.first = scratch_.first(worker_);
    range.end = scratch_.end(worker_);
    range.k_dim = shape_.k_dim;
    range.v_dim = padded_dim_;
    range.softcap = shape_.softcap * kLog2E;
    range.slope = call_.slopes ? scratch_.slope(worker_) : nullptr;
    range.scores = scratch_.scores(worker_);
    return range;
  }

  /// Asks for the first keys and values of a range: kernels that stream ask ahead within a block, not for the next one.
  void prefetch_range(std::int64_t head, const AttentionTile& tile, std::int32_t r) const {
    if (kv_.latent) return;
    const std::int64_t first = std::int64_t{r} * kBlockTiles;
    const std::byte* const k = kv_.key_tile(tile.sequence, head, first);
    const std::byte* const v = kv_.value_tile(tile.sequence, head, first);
    for (std::int64_t at = 0; at < kPrefetchRangeBytes; at += kAlignment) {
      __builtin_prefetch(k + at, 0, 2);
      __builtin_prefetch(v + at, 0, 2);
    }
  }

  void attend_range(std::int64_t head, const AttentionTile& tile, std::int32_t r, AttentionRange& range) {
    range.start = r * kKeyRange;
    range.first_key = std::max(0, tile.first_key - range.start);
    range.end_key = std::min(kKeyRange, tile.end_key - range.start);
    const std::int64_t first = std::int64_t{r} * (kKeyRange / kKeyTile);
    if (kv_.latent) {
      const std::int32_t* const chosen = call_.chosen_in(tile, range.start);
      LatentRange(*call_.kernels, kv_, tile.sequence, first, chosen, scratch_.latents(worker_)).fill(range);
      return call_.kernels->attention.attend[kv_index(DType::f32)](range);
    }
    range.k = kv_.key_tile(tile.sequence, head, first);
    range.v = kv_.value_tile(tile.sequence, head, first);
    range.k_tile_bytes = kv_.k_tile_bytes();
    range.v_tile_bytes = kv_.v_tile_bytes();
    if (kv_.type == DType::i8) {
      range.k_scale = range.k + kKeyTile * shape_.k_dim;
      range.v_scale = range.v + kKeyTile * range.v_dim;
      range.k_scale_stride = range.k_tile_bytes;
      range.v_scale_stride = range.v_tile_bytes;
    }
    attend_of(range)(range);
  }

  /// The kernel for a range; many query rows share one conversion of its keys and values.
  auto attend_of(AttentionRange& range) -> void (*)(const AttentionRange&) {
    const AttentionKernels& kernels = call_.kernels->attention;
    const int type = kv_index(kv_.type);
    const bool many = kv_.type != DType::f32 && range.rows > 2 * kQueryTile;
    if (many) unpack(range);
    if (call_.by_bf16()) return many ? kernels.attend_pairs : kernels.attend_bf16[type];
    return kernels.attend[many ? kv_index(DType::f32) : type];
  }

  /// Turns the tiles of a range into what products read, f32 or pairs of bf16, once for all query rows. Scales stay
  /// where they are.
  void unpack(AttentionRange& range) {
    const AttentionKernels& kernels = call_.kernels->attention;
    const int type = kv_index(kv_.type);
    const std::int64_t bytes = call_.by_bf16() ? sizeof(BFloat16) : sizeof(float);
    const std::int64_t key_bytes = bytes * kKeyTile * range.k_dim, value_bytes = bytes * kKeyTile * range.v_dim;
    auto* const keys = reinterpret_cast<std::byte*>(scratch_.keys(worker_));
    auto* const values = reinterpret_cast<std::byte*>(scratch_.values(worker_));
    for (int t = range.first_tile(); t < range.end_tile(); ++t) {
      const std::byte* const k = range.k + t * range.k_tile_bytes;
      const std::byte* const v = range.v + t * range.v_tile_bytes;
      if (call_.by_bf16()) {
        kernels.unpack_pairs[type](k, range.k_dim, kKeyTile, keys + t * key_bytes);
        kernels.unpack_pairs[type](v, std::min(kKeyTile, range.end_key - t * kKeyTile), range.v_dim,
                                   values + t * value_bytes);
      } else {
        kernels.unpack[type](k, kKeyTile * range.k_dim, reinterpret_cast<float*>(keys + t * key_bytes));
        kernels.unpack[type](v, kKeyTile * range.v_dim, reinterpret_cast<float*>(values + t * value_bytes));
      }
    }
    range.k = keys;
    range.v = values;
    range.k_tile_bytes = key_bytes;
    range.v_tile_bytes = value_bytes;
  }

  /// Queries of a tile side by side, 8 at a time, with the scale and log2(e) multiplied in; what each of them sees; and
  /// the slopes of their heads. Query m is head m % group of batch row m / group.
  void pack(std::int64_t head, const AttentionTile& tile) {
    const int group = shape_.group(), dim = shape_.k_dim;
    const float scale = shape_.softcap > 0 ? shape_.scale / shape_.softcap : shape_.scale * kLog2E;
    float* const packed = scratch_.packed_q(worker_);
    std::int64_t m = 0;
    for (std::int64_t n = tile.begin; n < tile.end; ++n) {
      const AttentionRow& row = call_.rows[static_cast<std::size_t>(n)];
      for (int h = 0; h < group; ++h, ++m) {
        const float* const q = call_.q + n * call_.q_stride + (head * group + h) * dim;
        float* const column = packed + m / kQueryTile * kQueryTile * dim + m % kQueryTile;
        for (int d = 0; d < dim; ++d) column[d * kQueryTile] = q[d] * scale;
        scratch_.first(worker_)[m] = shape_.first_key(row);
        scratch_.end(worker_)[m] = shape_.end_key(row);
        if (call_.slopes) scratch_.slope(worker_)[m] = call_.slopes[head * group + h] * kLog2E;
      }
    }
  }

  void finish(const AttentionState& state, std::int64_t head, const AttentionTile& tile, std::int64_t m) {
    const int group = shape_.group();
    const std::int64_t query_head = head * group + m % group;
    float* const out = call_.out + (tile.begin + m / group) * call_.out_stride + query_head * shape_.v_dim;
    const float sink = call_.sinks ? call_.sinks[query_head] * kLog2E : -INFINITY;
    call_.kernels->attention.finish(state.acc + m * padded_dim_, state.top[m], state.total[m], sink, out, shape_.v_dim);
  }

  /// One query row of a tile whose later parts were left by workers w, w + 1, ...
  void join_row(int w, int workers, const AttentionCursor& cut, const AttentionTile& tile, std::int64_t m) {
    const AttentionState state = scratch_.state(w - 1);
    const int dim = padded_dim_;
    for (AttentionCursor from = cut; w < workers && from.cut && from.same_tile(cut); ++w) {
      const AttentionCursor to = plan_.begin_of(w + 1);
      const std::int32_t end = to.cut && to.same_tile(cut) ? to.range : tile.end_range();
      for (std::int32_t r = from.range; r < end; ++r) {
        const AttentionState part = scratch_.part(w, r - from.range);
        call_.kernels->attention.merge(state.top + m, state.total + m, state.acc + m * dim, part.top + m,
                                       part.total + m, part.acc + m * dim, dim);
      }
      from = to;
    }
    finish(state, cut.head, tile, m);
  }

  static constexpr float kLog2E = 1.44269504088896341f;

  const AttentionCall& call_;
  const AttentionShape& shape_;
  const KvLayer& kv_;
  const AttentionPlan& plan_;
  AttentionScratch& scratch_;
  int worker_;
  int padded_dim_;  // of values
};

}  // namespace detail

/// All workers. Every position that a row sees is in the cache. Contains a barrier when a tile is cut between workers
/// (few rows); none after the last write of `out`.
inline void attention(const Worker& worker, const AttentionCall& call, AttentionScratch& scratch) {
  if (call.rows.empty()) return;
  const AttentionPlan plan(*call.shape, call.rows, worker.count);
  detail::AttentionWorker mine(call, plan, scratch, worker.index);
  mine.run();
  if (!plan.any_cut()) return;
  worker.barrier();
  mine.join(worker.count);
}

}  // namespace plumb::ops
