#pragma once
/// @file
/// Where the keys and values of one layer lie, and how a row is put there. cpu/attention_kernels.hpp draws the tiles.

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
  DType type = DType::f32;  ///< f32, f16 or i8

  std::int64_t k_tile_bytes() const { return kv_tile_bytes(type, k_dim); }
  std::int64_t v_tile_bytes() const { return kv_tile_bytes(type, padded_value_dim(v_dim)); }
  /// The key tile of positions [16 tile, 16 tile + 16).
  std::byte* key_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return base + sequence * sequence_stride + kv_head * head_stride + tile * k_tile_bytes();
  }
  std::byte* value_tile(std::int64_t sequence, std::int64_t kv_head, std::int64_t tile) const {
    return base + sequence * sequence_stride + kv_head * head_stride + value_offset + tile * v_tile_bytes();
  }
};

/// Stores one key [k_dim] and one value [v_dim]. Positions of one tile may be stored by different threads at once.
inline void store_kv(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t kv_head,
                     std::int64_t position, const float* key, const float* value) {
  const int type = kv_index(kv.type), slot = static_cast<int>(position % kKeyTile);
  const std::int64_t tile = position / kKeyTile;
  kernels.attention.store_key[type](key, kv.k_dim, kv.key_tile(sequence, kv_head, tile), slot);
  kernels.attention.store_value[type](value, kv.v_dim, kv.value_tile(sequence, kv_head, tile), slot);
}

}  // namespace plumb::ops
