#pragma once
/// @file
/// Where the keys and values of one layer lie, and how a row is put there. cpu/attention_kernels.hpp draws the tiles.
///
/// A layer that keeps every position has them in *blocks* of 256, the positions of a range, which kernels read as one
/// piece; a list says where the blocks of a sequence are, so that sequences may share some (blocks/state_blocks.hpp).
///
/// A layer whose rows see a window may keep a *ring* of tiles instead of the whole context: position p lies in tile
/// (p / 16) % ring_tiles, where it takes the place of position p - 16 ring_tiles. Kernels read whole ranges and mask by
/// position, so what else a slot holds does not matter as long as it is finite. What was overwritten is gone: a
/// sequence of `length` positions can be continued from position t < length if t - window + 1 >= length - 16
/// ring_tiles, or if it has never wrapped.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "plumb/core/half.hpp"
#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Tiles of one block.
inline constexpr std::int64_t kBlockTiles = kKeyRange / kKeyTile;

/// Keys and values of all sequences in one layer. What attention knows of the cache's layout is this.
struct KvLayer {
  std::byte* base = nullptr;
  std::int64_t sequence_stride = 0;  ///< bytes from one sequence to the next
  std::int64_t head_stride = 0;      ///< bytes from one KV head to the next
  std::int64_t value_offset = 0;     ///< bytes from a head's keys to its values
  int k_dim = 0, v_dim = 0;
  DType type = DType::f32;      ///< f32, f16 or i8
  std::int64_t ring_tiles = 0;  ///< see kv_ring_tiles(); 0 = no ring
  /// Bytes from `base` to each block of each sequence, [sequences][blocks_of_sequence]; null: a sequence lies in one
  /// piece, sequence_stride from the one before.
  const std::int64_t* blocks = nullptr;
  std::int64_t blocks_of_sequence = 0;
  /// Latent attention: a value is the first v_dim elements of its key. In the place of keys lie the k_dim (padded to
  /// 16) elements that follow, as rows like those of values.
  bool latent = false;

  std::int64_t k_tile_bytes() const { return kv_tile_bytes(type, k_dim); }
  std::int64_t v_tile_bytes() const { return kv_tile_bytes(type, padded_value_dim(v_dim)); }
  /// The key tile of positions [16 tile, 16 tile + 16).
  std::byte* key_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return place(sequence, kv_head, tile, k_tile_bytes());
  }
  std::byte* value_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return place(sequence, kv_head, tile, v_tile_bytes()) + value_offset;
  }

 private:
  std::byte* place(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile, std::int64_t bytes) const {
    std::byte* const head = base + kv_head * head_stride;
    if (blocks) return head + blocks[sequence * blocks_of_sequence + tile / kBlockTiles] + tile % kBlockTiles * bytes;
    return head + sequence * sequence_stride + (ring_tiles > 0 ? tile % ring_tiles : tile) * bytes;
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

/// Stores one key [k_dim].
inline void store_key(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head,
                      std::int64_t position, const float* key) {
  kernels.attention.store_key[kv_index(kv.type)](key, kv.k_dim, kv.key_tile(sequence, kv_head, position / kKeyTile),
                                                 static_cast<int>(position % kKeyTile));
}

/// Stores one key [k_dim] and one value [v_dim]. Positions of one tile may be stored by different threads at once.
inline void store_kv(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head,
                     std::int64_t position, const float* key, const float* value) {
  store_key(kernels, kv, sequence, kv_head, position, key);
  kernels.attention.store_value[kv_index(kv.type)](
      value, kv.v_dim, kv.value_tile(sequence, kv_head, position / kKeyTile), static_cast<int>(position % kKeyTile));
}

/// Reads one key [k_dim].
inline void load_key(const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head, std::int64_t position,
                     float* key) {
  const std::byte* const tile = kv.key_tile(sequence, kv_head, position / kKeyTile);
  const std::int64_t slot = position % kKeyTile;
  float scale = 1.0f;
  if (kv.type == DType::i8) scale = reinterpret_cast<const float*>(tile + std::int64_t{kKeyTile} * kv.k_dim)[slot];
  for (std::int64_t d = 0; d < kv.k_dim; ++d) {
    const std::int64_t at = d * kKeyTile + slot;
    if (kv.type == DType::f32)
      key[d] = reinterpret_cast<const float*>(tile)[at];
    else if (kv.type == DType::f16)
      key[d] = to_float(reinterpret_cast<const Half*>(tile)[at]);
    else
      key[d] = static_cast<float>(reinterpret_cast<const std::int8_t*>(tile)[at]) * scale;
  }
}

/// Puts the value of position `from` into the place of another, bit by bit.
inline void copy_value(const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head, std::int64_t from,
                       std::int64_t to) {
  const std::byte* const source = kv.value_tile(sequence, kv_head, from / kKeyTile);
  std::byte* const target = kv.value_tile(sequence, kv_head, to / kKeyTile);
  const std::int64_t width = padded_value_dim(kv.v_dim), bytes = width * dtype_info(kv.type).block_bytes;
  std::memcpy(target + to % kKeyTile * bytes, source + from % kKeyTile * bytes, static_cast<std::size_t>(bytes));
  if (kv.type != DType::i8) return;
  constexpr std::int64_t kScale = sizeof(float);
  std::memcpy(target + kKeyTile * width + to % kKeyTile * kScale, source + kKeyTile * width + from % kKeyTile * kScale,
              kScale);
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
