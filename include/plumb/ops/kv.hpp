#pragma once
/// @file
/// Where the keys and values of one layer lie, and how a row is put there. cpu/attention_kernels.hpp draws the tiles.
///
/// A layer whose rows see a window may keep a *ring* of tiles instead of the whole context: position p lies in tile
/// (p / 16) % ring_tiles, where it takes the place of position p - 16 ring_tiles. Kernels read whole ranges and mask by
/// position, so what else a slot holds does not matter as long as it is finite. What was overwritten is gone: a
/// sequence of `length` positions can be continued from position t < length if t - window + 1 >= length - 16
/// ring_tiles, or if it has never wrapped.

#include <algorithm>
#include <cstdint>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Keys and values of all sequences in one layer. What attention knows of the cache's layout is this.
struct KvLayer {
  std::byte* base = nullptr;
  std::int64_t sequence_stride = 0;  ///< bytes from one sequence to the next
  std::int64_t head_stride = 0;      ///< bytes from one KV head to the next
  std::int64_t value_offset = 0;     ///< bytes from a head's keys to its values
  int k_dim = 0, v_dim = 0;
  DType type = DType::f32;      ///< f32, f16 or i8
  std::int64_t ring_tiles = 0;  ///< see kv_ring_tiles(); 0 = no ring
  /// Latent attention: a value is the first v_dim elements of its key. In the place of keys lie the k_dim (padded to
  /// 16) elements that follow, as rows like those of values.
  bool latent = false;

  /// Where positions [16 tile, 16 tile + 16) lie, in tiles.
  std::int64_t slot(std::int64_t tile) const { return ring_tiles > 0 ? tile % ring_tiles : tile; }

  std::int64_t k_tile_bytes() const { return kv_tile_bytes(type, k_dim); }
  std::int64_t v_tile_bytes() const { return kv_tile_bytes(type, padded_value_dim(v_dim)); }
  /// The key tile of positions [16 tile, 16 tile + 16).
  std::byte* key_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return base + sequence * sequence_stride + kv_head * head_stride + slot(tile) * k_tile_bytes();
  }
  std::byte* value_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return base + sequence * sequence_stride + kv_head * head_stride + value_offset + slot(tile) * v_tile_bytes();
  }
};

/// Tiles that a layer keeps of each sequence of up to `context` positions, when its rows see `window` positions (0 =
/// all) and a batch brings up to `rows` consecutive positions of one sequence.
///
/// All rows of a batch are stored before the first of them is computed, so the ring must hold what the first row sees
/// and what the last row is: window + rows - 1 positions. That is rounded up to 256, the positions of a range, which
/// kernels read as one piece: a multiple of 16 tiles, unless the whole context fits and nothing ever wraps.
inline std::int64_t kv_ring_tiles(std::int64_t context, std::int64_t window, std::int64_t rows) {
  const std::int64_t all = ceil_div<std::int64_t>(context, kKeyTile);
  if (window <= 0 || window >= context) return all;
  return std::min(all, round_up<std::int64_t>(window + std::min(rows, context) - 1, kKeyRange) / kKeyTile);
}

/// Stores one key [k_dim] and one value [v_dim]. Positions of one tile may be stored by different threads at once.
inline void store_kv(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head,
                     std::int64_t position, const float* key, const float* value) {
  const int type = kv_index(kv.type), slot = static_cast<int>(position % kKeyTile);
  const std::int64_t tile = position / kKeyTile;
  kernels.attention.store_key[type](key, kv.k_dim, kv.key_tile(sequence, kv_head, tile), slot);
  kernels.attention.store_value[type](value, kv.v_dim, kv.value_tile(sequence, kv_head, tile), slot);
}

/// Stores one latent vector: the values [v_dim], and the rest of the key [rest], where there is any.
inline void store_latent(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t position,
                         const float* value, const float* key_rest, int rest) {
  const int type = kv_index(kv.type), slot = static_cast<int>(position % kKeyTile);
  const std::int64_t tile = position / kKeyTile;
  kernels.attention.store_value[type](value, kv.v_dim, kv.value_tile(sequence, 0, tile), slot);
  if (rest > 0) kernels.attention.store_value[type](key_rest, rest, kv.key_tile(sequence, 0, tile), slot);
}

}  // namespace plumb::ops
