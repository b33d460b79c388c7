#pragma once
/// @file
/// Where what a sequence remembers lies in memory.
///
/// Layout of keys and values, one place for all: [sequence][layer][KV head] { key tiles, value tiles }, tiles of 16
/// positions as cpu/attention_kernels.hpp draws them. A head's keys are contiguous, so attention streams them; slabs
/// are padded to an odd number of cache lines, since heads at power-of-two distances would fall into the same cache
/// sets. Of latent attention there is one head: the vectors' first elements in value tiles, the rest as rows in the
/// place of keys, and after them the key tiles of an indexer. A layer with a window keeps a ring of positions
/// (kept_positions). Memory is touched when positions are stored. Elements are f32, f16, or int8 with one f32 scale per
/// position and head. After them lie the layer's recurrent values, f32 whatever the type of keys and values.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plumb/blocks/layer_state.hpp"
#include "plumb/core/checked.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI {

/// How much a session remembers.
struct StateOptions {
  int context = 0;  ///< positions of each sequence
  int sequences = 1;
  int batch = 512;        ///< most rows of one pass: rings have room for as many positions more
  DType kv = DType::f32;  ///< f32, f16 or i8
  /// Copies of each sequence's recurrent values at most, and tokens from one to the next at least (checkpoints.hpp).
  int checkpoints = 0, checkpoint_every = 256;
};

/// Where what one layer remembers lies inside a sequence's memory.
struct StateSlabs {
  KvState shape;
  std::int64_t positions = 0;     // kept
  std::int64_t offset = 0;        // of the first slab
  std::int64_t value_offset = 0;  // bytes of one head's keys
  std::int64_t bytes = 0;         // keys and values of one head
  bool ring = false;
  bool latent = false;
  int index_dim = 0;                                       // of an indexer's keys
  std::int64_t index_offset = 0;                           // from the first slab to these
  std::int64_t recurrent_offset = 0, recurrent_bytes = 0;  // padded to whole lines
  std::int64_t recurrent_values = 0;

  /// Those of a layer that begins at `offset`. @throws Error{overflow}.
  static StateSlabs of(const LayerState& layer, std::int64_t offset, const StateOptions& options);
};

namespace detail {

inline StateSlabs slabs_of(const KvState& shape, std::int64_t offset, const StateOptions& options) {
  constexpr std::int64_t kLine = kAlignment;
  StateSlabs slabs;
  slabs.shape = shape;
  slabs.offset = offset;
  slabs.positions = kept_positions(shape.window, options.context, options.batch);
  slabs.ring = slabs.positions < options.context;
  const std::int64_t tiles = ceil_div<std::int64_t>(slabs.positions, kKeyTile);
  slabs.value_offset = round_up(checked_mul(tiles, kv_tile_bytes(options.kv, shape.k_dim), "KV cache"), kLine);
  const std::int64_t values = checked_mul(tiles, kv_tile_bytes(options.kv, padded_value_dim(shape.v_dim)), "KV cache");
  slabs.bytes = checked_add(slabs.value_offset, round_up(values, kLine), "KV cache");
  if (slabs.bytes / kLine % 2 == 0) slabs.bytes += kLine;
  return slabs;
}

inline StateSlabs slabs_of(const LatentState& shape, std::int64_t offset, const StateOptions& options) {
  StateSlabs slabs = slabs_of(KvState{1, padded_value_dim(shape.rest_dim), shape.value_dim, 0}, offset, options);
  slabs.latent = true;
  slabs.index_dim = shape.index_dim;
  if (shape.index_dim == 0) return slabs;
  slabs.index_offset = slabs.bytes;
  const std::int64_t tiles = ceil_div<std::int64_t>(slabs.positions, kKeyTile);
  const std::int64_t keys = checked_mul(tiles, kv_tile_bytes(options.kv, shape.index_dim), "KV cache");
  slabs.bytes = checked_add(slabs.bytes, round_up<std::int64_t>(keys, kAlignment), "KV cache");
  return slabs;
}

}  // namespace detail

inline StateSlabs StateSlabs::of(const LayerState& layer, std::int64_t offset, const StateOptions& options) {
  StateSlabs slabs;
  if (const auto* const kv = std::get_if<KvState>(&layer.positions)) slabs = detail::slabs_of(*kv, offset, options);
  if (const auto* const latent = std::get_if<LatentState>(&layer.positions))
    slabs = detail::slabs_of(*latent, offset, options);
  const std::int64_t positions = checked_mul<std::int64_t>(slabs.bytes, slabs.shape.kv_heads, "KV cache");
  slabs.recurrent_offset = checked_add(offset, positions, "state");
  const std::int64_t values = checked_mul<std::int64_t>(layer.recurrent, sizeof(float), "state");
  slabs.recurrent_bytes = round_up<std::int64_t>(values, kAlignment);
  slabs.recurrent_values = layer.recurrent;
  return slabs;
}

/// What lies in one layer of a sequence, for those who write it down.
struct StateLayer {
  /// Tiles of 16 positions: key tiles of a KV head, value tiles, those of latent vectors, those of an indexer's keys.
  struct Tiles {
    ops::KvLayer view;
    int head = 0;
    bool keys = false;     ///< view.key_tile(), else view.value_tile()
    bool columns = false;  ///< a position is a column of the tile, else a row
    int dim = 0;           ///< elements of a position

    std::byte* tile(int sequence, std::int64_t t) const {
      return keys ? view.key_tile(sequence, head, t) : view.value_tile(sequence, head, t);
    }
    std::int64_t bytes() const { return kv_tile_bytes(view.type, dim); }
  };
  std::vector<Tiles> tiles;
  int first_seen = 0;  ///< the first position that a row at the end of the sequence sees
  int first_held = 0;  ///< the first that the layer still holds
  std::size_t recurrent_bytes = 0;
  std::byte* recurrent = nullptr;
};

}  // namespace plumb
