#pragma once
/// @file
/// Keys and values of a range of latent vectors (KvLayer::latent), as attention kernels read them.
///
/// A latent vector is kept once, as a row: its first v_dim elements are a value, all of them a key. Rows are turned
/// into key tiles here, and rows of f16 or int8 into f32, once per range for all query rows that share it. Bits do not
/// depend on how many these are. A range holds positions side by side, or any that were chosen, in rising order: of
/// chosen positions that are all there are the bits are the same.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// A worker's memory for one range.
struct LatentBuffers {
  float* keys = nullptr;    // [range tiles][k_dim][16]
  float* values = nullptr;  // [256][padded v_dim]
  float* rest = nullptr;    // [16][k_dim - v_dim, padded]
  float* scales = nullptr;  // [256 + 16], of values and of a tile's rest

  /// Floats of rest and scales for keys that are `rest` elements longer than values.
  static std::int64_t rest_floats(int rest) { return std::int64_t{kKeyTile} * padded_value_dim(rest); }
  static constexpr std::int64_t kScales = kKeyRange + kKeyTile;
};

/// The latent vectors of one range, and how they become keys and values.
class LatentRange {
 public:
  /// Positions from 16 first_tile on, or those of `chosen`, if not null, where the range's first is chosen[0].
  LatentRange(const KernelTable& kernels, const KvLayer& kv, std::int64_t sequence, std::int64_t first_tile,
              const std::int32_t* chosen, const LatentBuffers& buffers)
      : kernels_(kernels.attention),
        kv_(kv),
        sequence_(sequence),
        first_tile_(first_tile),
        chosen_(chosen),
        buffers_(buffers) {}

  /// Fills in keys and values of `range`, whose k_dim, v_dim and keys that are seen are known.
  void fill(AttentionRange& range) const {
    const int rest = range.k_dim - kv_.v_dim;
    for (int t = range.first_tile(); t < range.end_tile(); ++t) {
      const int count = std::min(kKeyTile, range.end_key - t * kKeyTile);
      float* const keys = buffers_.keys + std::int64_t{t} * kKeyTile * range.k_dim;
      const Part values{true, range.v_dim, buffers_.values + std::int64_t{t} * kKeyTile * range.v_dim,
                        buffers_.scales + std::int64_t{t} * kKeyTile};
      turn(values, t, count, kv_.v_dim, keys);
      if (rest == 0) continue;
      const Part others{false, kv_.k_dim, buffers_.rest, buffers_.scales + kKeyRange};
      turn(others, t, count, rest, keys + std::int64_t{kKeyTile} * kv_.v_dim);
    }
    range.k = reinterpret_cast<const std::byte*>(buffers_.keys);
    range.k_tile_bytes = kFloat * kKeyTile * range.k_dim;
    if (in_place()) {
      range.v = kv_.value_tile(sequence_, 0, first_tile_);
      range.v_tile_bytes = kv_.v_tile_bytes();
    } else {
      range.v = reinterpret_cast<const std::byte*>(buffers_.values);
      range.v_tile_bytes = kFloat * kKeyTile * range.v_dim;
    }
    if (kv_.type != DType::i8) return;
    range.v_scale = reinterpret_cast<const std::byte*>(buffers_.scales);
    range.v_scale_stride = kFloat * kKeyTile;
  }

 private:
  static constexpr std::int64_t kFloat = sizeof(float);

  /// The values, or the rest of the keys: rows of `width` elements, and where they go as f32 with their scales.
  struct Part {
    bool values;
    int width;
    float* rows;
    float* scales;
  };

  /// Whether values are read where they lie.
  bool in_place() const { return kv_.type == DType::f32 && chosen_ == nullptr; }
  const std::byte* tile_of(const Part& part, std::int64_t tile) const {
    return part.values ? kv_.value_tile(sequence_, 0, tile) : kv_.key_tile(sequence_, 0, tile);
  }

  /// `dim` key dimensions of the first `count` positions of tile t of the range.
  void turn(const Part& part, int t, int count, int dim, float* keys) const {
    const float* rows = part.rows;
    const bool scaled = kv_.type == DType::i8;
    if (chosen_)
      for (int i = 0; i < count; ++i) take(part, chosen_[t * kKeyTile + i], 1, i);
    else if (in_place())
      rows = reinterpret_cast<const float*>(tile_of(part, first_tile_ + t));
    else
      take(part, (first_tile_ + t) * kKeyTile, count, 0);
    kernels_.keys_of_rows(rows, part.width, count, dim,
                          scaled ? reinterpret_cast<const std::byte*>(part.scales) : nullptr, keys);
  }

  /// Rows of `count` positions of one tile, from `position` on, as f32 in rows [to, to + count) of the part.
  void take(const Part& part, std::int64_t position, int count, int to) const {
    const std::byte* const tile = tile_of(part, position / kKeyTile);
    const std::int64_t slot = position % kKeyTile, bytes = dtype_info(kv_.type).block_bytes;
    kernels_.unpack[kv_index(kv_.type)](tile + slot * part.width * bytes, std::int64_t{count} * part.width,
                                        part.rows + std::int64_t{to} * part.width);
    if (kv_.type == DType::i8)
      std::memcpy(part.scales + to, tile + kKeyTile * part.width + slot * kFloat,
                  static_cast<std::size_t>(count * kFloat));
  }

  const AttentionKernels& kernels_;
  const KvLayer& kv_;
  std::int64_t sequence_, first_tile_;
  const std::int32_t* chosen_;
  LatentBuffers buffers_;
};

}  // namespace plumb::ops
