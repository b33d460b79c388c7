#pragma once
/// @file
/// Kernels of attention and the layout of keys and values that they read. Part of KernelTable.
///
/// Keys and values lie in *tiles* of 16 positions.
///
///     key tile    [k_dim][16 positions]                one vector = the same dimension of 16 keys
///     value tile  [16 positions][v_dim padded to 16]   one vector = 16 dimensions of a value
///
/// so that a vector of 16 scores grows by one FMA per dimension, with the query's element broadcast, and nothing is
/// summed across lanes; the weighted sum of values likewise. Elements are f32, f16 or int8; after an int8 tile come 16
/// f32 scales, one per position: element = code * scale.

#include <cstddef>
#include <cstdint>

#include "plumb/core/checked.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/cpu/kv_type.hpp"

namespace plumb::inline PLUMB_ABI {

/// Positions of one tile of keys or values.
inline constexpr int kKeyTile = 16;
/// Positions of one range of keys, the unit in which attention is computed and merged: [256 i, 256 i + 256).
inline constexpr int kKeyRange = 256;
/// Query rows that are packed side by side.
inline constexpr int kQueryTile = 8;
/// Floats from one row of scores to the next: a range and a cache line, so that rows fall into different cache sets.
inline constexpr int kScoreStride = kKeyRange + 16;

/// Keys of at most so many dimensions, an even number, have kernels with bf16 dots.
inline constexpr int kMaxBf16KeyDim = 512;
/// Floats (or codes) of one value row in a tile.
constexpr int padded_value_dim(int v_dim) { return round_up(v_dim, 16); }
/// Bytes of a tile of 16 positions of `dim` elements.
constexpr std::int64_t kv_tile_bytes(DType type, int dim) {
  return std::int64_t{kKeyTile} * dim * dtype_info(type).block_bytes + (type == DType::i8 ? 4 * kKeyTile : 0);
}

/// Query rows against one range of keys. Positions are counted from the start of the range.
struct AttentionRange {
  int rows = 0;                         ///< query rows
  const float* q = nullptr;             // [ceil(rows / 8)][k_dim][8], times scale (and log2(e), unless capped)
  const std::int32_t* first = nullptr;  // [rows], absolute position of the first key that a row sees
  const std::int32_t* end = nullptr;    // [rows], and of the first after them that it does not
  std::int32_t start = 0;               ///< absolute position of the range: a multiple of 256
  /// [rows], times log2(e), or null: slope * (p - (end - 1)) is added to a row's exponent of position p (ALiBi).
  const float* slope = nullptr;

  const std::byte* k = nullptr;  ///< the range's first key tile
  const std::byte* v = nullptr;
  std::int64_t k_tile_bytes = 0, v_tile_bytes = 0;
  const std::byte* k_scale = nullptr;  ///< 16 f32 of the first tile, or none
  const std::byte* v_scale = nullptr;
  std::int64_t k_scale_stride = 0, v_scale_stride = 0;  ///< bytes from one tile's scales to the next
  int k_dim = 0, v_dim = 0;                             ///< v_dim padded to 16
  int first_key = 0, end_key = 0;                       ///< keys that some row sees; what lies beyond is not used
  float softcap = 0.0f;                                 ///< 0: exponents are q.k; else softcap * tanh(q.k)

  int first_tile() const { return first_key / kKeyTile; }
  int end_tile() const { return (end_key + kKeyTile - 1) / kKeyTile; }

  float* top = nullptr;     // [rows], running maximum of the exponents
  float* total = nullptr;   // [rows], running sum of 2^(exponent - top)
  float* acc = nullptr;     // [rows][v_dim], running weighted sum of values
  float* scores = nullptr;  // [8][kScoreStride], work
};

/// The query heads of an indexer against keys of one head: what they give every position.
struct IndexRange {
  const float* q = nullptr;        // [ceil(heads / 8)][dim][8]
  const float* weights = nullptr;  // [heads]
  int heads = 0, dim = 0;
  const std::byte* k = nullptr;  ///< the first key tile
  std::int64_t k_tile_bytes = 0;
  const std::byte* k_scale = nullptr;  ///< 16 f32 of the first tile, k_tile_bytes apart, or none
  int positions = 0;
  float* out = nullptr;  // [positions, to whole tiles]

  int tiles() const { return (positions + kKeyTile - 1) / kKeyTile; }
};

/// Attention kernels of a tier. Arrays are indexed by kv_index().
struct AttentionKernels {
  /// Folds one range of keys into (top, total, acc) of every row. Starting from (-inf, 0, 0) leaves the range's own
  /// result. A row's bits do not depend on the other rows, nor on keys that it does not see (if finite).
  void (*attend[kKvTypes])(const AttentionRange&) = {};
  /// Folds another state of one row, of the ranges that follow, into a state: the same arithmetic as `attend`.
  void (*merge)(float* top, float* total, float* acc, const float* other_top, const float* other_total,
                const float* other_acc, int v_dim) = nullptr;
  /// out[d] = acc[d] / (total + 2^(sink - top)) for d < v_dim (not padded); 0 where that sum is 0. `sink` is the
  /// exponent of a position without a value, -inf for none.
  void (*finish)(const float* acc, float top, float total, float sink, float* out, int v_dim) = nullptr;
  /// Converts n elements of a tile to f32, int8 codes without their scales. n is a multiple of 16.
  void (*unpack[kKvTypes])(const std::byte* from, std::int64_t n, float* to) = {};
  /// rows [count <= 16][stride], padded to 16 -> a key tile [dim][16], times a f32 scale per position where there are
  /// such; 0 for positions beyond `count`.
  void (*keys_of_rows)(const float* rows, std::int64_t stride, int count, int dim, const std::byte* scales,
                       float* keys) = nullptr;
  /// out[p] = sum_h weight[h] max(0, q[h].k[p]). A score's bits depend on its own key alone.
  void (*index_scores[kKvTypes])(const IndexRange&) = {};
  /// `attend` by bf16 dots: queries, keys, weights and values are rounded to bf16 (relative error at most 2^-9), sums
  /// stay f32. Null where the tier has no such dot, and for f32 caches, which keep f32 arithmetic.
  void (*attend_bf16[kKvTypes])(const AttentionRange&) = {};
  /// The same on tiles that unpack_pairs made, bit for bit.
  void (*attend_pairs)(const AttentionRange&) = nullptr;
  /// rows x length elements of a tile -> [ceil(rows / 2)][length] pairs of bf16, int8 codes without their scales. A
  /// tile of keys is k_dim x 16, one of values 16 x v_dim, of which the rows that hold something are given.
  void (*unpack_pairs[kKvTypes])(const std::byte* from, int rows, int length, std::byte* to) = {};
  /// Puts one key [dim] into column `slot` of a key tile. Numbers beyond the range of f16 become its largest.
  void (*store_key[kKvTypes])(const float* key, int dim, std::byte* tile, int slot) = {};
  /// Puts one value [dim] into row `slot` of a value tile; the padding becomes 0.
  void (*store_value[kKvTypes])(const float* value, int dim, std::byte* tile, int slot) = {};
};

}  // namespace plumb
