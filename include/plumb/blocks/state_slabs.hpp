#pragma once
/// @file
/// Where what a sequence remembers lies in memory.
///
/// Layout of keys and values, one place for all: [block][layer][KV head] { key tiles, value tiles }, blocks of 256
/// positions (state_blocks.hpp), or of the whole context where that is shorter, and tiles of 16 as
/// cpu/attention_kernels.hpp draws them. A head's keys of a block are contiguous, so attention streams them; slabs are
/// padded to an odd number of cache lines, since heads at power-of-two distances would fall into the same cache
/// sets. Of latent attention there is one head: the vectors' first elements in value tiles, the rest as rows in the
/// place of keys, and after them the key tiles of an indexer. A layer with a window keeps a ring of positions
/// (kept_positions), [sequence][layer][KV head]. Memory is touched when positions are stored. Elements are f32, f16, or
/// int8 with one f32 scale per position and head. A layer's recurrent values lie with the rings, f32 whatever the type
/// of keys and values.

#include <algorithm>
#include <cstdint>
#include <variant>
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
  int checkpoints = 0, checkpoint_every = kCheckpointEvery;
};

/// Positions of a block.
inline std::int64_t block_positions(std::int64_t context) {
  return std::min<std::int64_t>(kKeyRange, round_up<std::int64_t>(context, kKeyTile));
}

/// What layers have taken so far: bytes of a block, and of what belongs to one sequence alone.
struct StateSpace {
  std::int64_t block = 0, sequence = 0;
};

/// Where what one layer remembers lies inside a block, or inside what belongs to a sequence alone.
struct StateSlabs {
  KvState shape;
  std::int64_t positions = 0;     // kept
  std::int64_t tiles = 0;         // of a slab: those of a block, or of the ring
  std::int64_t offset = 0;        // of the first slab
  std::int64_t value_offset = 0;  // bytes of one head's keys
  std::int64_t bytes = 0;         // keys and values of one head
  bool ring = false;
  bool latent = false;
  int index_dim = 0;                                       // of an indexer's keys
  std::int64_t index_offset = 0;                           // from the first slab to these
  std::int64_t recurrent_offset = 0, recurrent_bytes = 0;  // padded to whole lines
  std::int64_t recurrent_values = 0;

  bool in_blocks() const { return shape.kv_heads > 0 && !ring; }
  /// Those of the next layer. @throws Error{overflow}.
  static StateSlabs of(const LayerState& layer, StateSpace& space, const StateOptions& options);
};

namespace detail {

inline StateSlabs slabs_of(const KvState& shape, const StateOptions& options) {
  constexpr std::int64_t kLine = kAlignment;
  StateSlabs slabs;
  slabs.shape = shape;
  slabs.positions = kept_positions(shape.window, options.context, options.batch);
  slabs.ring = slabs.positions < options.context;
  slabs.tiles = (slabs.ring ? slabs.positions : block_positions(options.context)) / kKeyTile;
  slabs.value_offset = round_up(checked_mul(slabs.tiles, kv_tile_bytes(options.kv, shape.k_dim), "KV cache"), kLine);
  const std::int64_t values =
      checked_mul(slabs.tiles, kv_tile_bytes(options.kv, padded_value_dim(shape.v_dim)), "KV cache");
  slabs.bytes = checked_add(slabs.value_offset, round_up(values, kLine), "KV cache");
  if (slabs.bytes / kLine % 2 == 0) slabs.bytes += kLine;
  return slabs;
}

inline StateSlabs slabs_of(const LatentState& shape, const StateOptions& options) {
  StateSlabs slabs = slabs_of(KvState{1, padded_value_dim(shape.rest_dim), shape.value_dim, 0}, options);
  slabs.latent = true;
  slabs.index_dim = shape.index_dim;
  if (shape.index_dim == 0) return slabs;
  slabs.index_offset = slabs.bytes;
  const std::int64_t keys = checked_mul(slabs.tiles, kv_tile_bytes(options.kv, shape.index_dim), "KV cache");
  slabs.bytes = checked_add(slabs.bytes, round_up<std::int64_t>(keys, kAlignment), "KV cache");
  return slabs;
}

}  // namespace detail

inline StateSlabs StateSlabs::of(const LayerState& layer, StateSpace& space, const StateOptions& options) {
  StateSlabs slabs;
  if (const auto* const kv = std::get_if<KvState>(&layer.positions)) slabs = detail::slabs_of(*kv, options);
  if (const auto* const latent = std::get_if<LatentState>(&layer.positions)) slabs = detail::slabs_of(*latent, options);
  std::int64_t& place = slabs.in_blocks() ? space.block : space.sequence;
  slabs.offset = place;
  place = checked_add(place, checked_mul<std::int64_t>(slabs.bytes, slabs.shape.kv_heads, "KV cache"), "KV cache");
  slabs.recurrent_offset = space.sequence;
  const std::int64_t values = checked_mul<std::int64_t>(layer.recurrent, sizeof(float), "state");
  slabs.recurrent_bytes = round_up<std::int64_t>(values, kAlignment);
  slabs.recurrent_values = layer.recurrent;
  space.sequence = checked_add(space.sequence, slabs.recurrent_bytes, "state");
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
