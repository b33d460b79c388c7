#pragma once
/// @file
/// The KV cache: keys and values of every position of every sequence.
///
/// Layout, one place for all: [sequence][layer][KV head] { key tiles, value tiles }, tiles of 16 positions as
/// cpu/attention_kernels.hpp draws them. A head's keys are contiguous, so attention streams them; slabs are padded to
/// an odd number of cache lines, since heads at power-of-two distances would fall into the same cache sets. Memory is
/// touched when positions are stored. Elements are f32, f16, or int8 with one f32 scale per position and head.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/model/config.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI {

/// Keys and values of `sequences` sequences of up to `context` positions each. Sequence s holds positions
/// [0, length(s)).
class KvCache {
 public:
  KvCache() = default;
  /// `type` is f32, f16 or i8. @throws Error{invalid_argument, overflow, out_of_memory}.
  KvCache(const ModelConfig& config, int context, int sequences, DType type);

  DType type() const { return type_; }
  int context() const { return context_; }
  int sequences() const { return static_cast<int>(lengths_.size()); }
  /// Bytes of the whole cache, padding included.
  std::size_t bytes() const { return memory_.size(); }
  /// Positions that sequence s holds.
  int length(int s) const { return lengths_[checked_sequence(s)]; }

  /// Forgets positions [length, ...) of sequence s. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Forgets sequence s.
  void clear(int s) { truncate(s, 0); }
  /// Makes the first `length` positions of `to` equal to those of `from`. @throws Error{out_of_range}.
  void copy(int from, int to, int length);

  /// Announces that positions up to `length` of sequence s are being stored by a forward pass.
  void extend(int s, int length) { lengths_[checked_sequence(s)] = std::max(lengths_[checked_sequence(s)], length); }
  /// Where the keys and values of one layer lie.
  ops::KvLayer layer(int l) const;

 private:
  std::size_t checked_sequence(int s) const {
    if (s < 0 || s >= sequences())
      throw Error(ErrorCode::out_of_range,
                  "sequence " + std::to_string(s) + " of a cache for " + std::to_string(sequences()) + " sequences");
    return static_cast<std::size_t>(s);
  }

  DType type_ = DType::f32;
  int context_ = 0, n_layers_ = 0, n_kv_heads_ = 0;
  int k_dim_ = 0, v_dim_ = 0;
  std::int64_t value_offset_ = 0;  // bytes of one head's keys
  std::int64_t slab_bytes_ = 0;    // keys and values of one head
  std::vector<int> lengths_;       // [sequences]
  AlignedBuffer memory_;           // [sequences, n_layers, n_kv_heads, slab_bytes_]
};

inline KvCache::KvCache(const ModelConfig& config, int context, int sequences, DType type)
    : type_(type), context_(context), n_layers_(config.n_layers), n_kv_heads_(config.n_kv_heads) {
  if (!is_kv_type(type))
    throw Error(ErrorCode::invalid_argument,
                "KV type " + std::string(dtype_name(type)) + ": the cache holds F32, F16 or I8");
  if (context < 1) throw Error(ErrorCode::invalid_argument, "context " + std::to_string(context) + ": at least 1");
  if (sequences < 1)
    throw Error(ErrorCode::invalid_argument, "sequences " + std::to_string(sequences) + ": at least 1");
  constexpr std::int64_t kLine = kAlignment;
  k_dim_ = v_dim_ = config.head_dim;
  const std::int64_t tiles = ceil_div<std::int64_t>(context, kKeyTile);
  value_offset_ = round_up(checked_mul(tiles, kv_tile_bytes(type, k_dim_), "KV cache"), kLine);
  const std::int64_t values = checked_mul(tiles, kv_tile_bytes(type, padded_value_dim(v_dim_)), "KV cache");
  slab_bytes_ = checked_add(value_offset_, round_up(values, kLine), "KV cache");
  if (slab_bytes_ / kLine % 2 == 0) slab_bytes_ += kLine;
  const std::int64_t slabs =
      checked_mul<std::int64_t>(checked_mul<std::int64_t>(sequences, n_layers_, "KV cache"), n_kv_heads_, "KV cache");
  const std::int64_t bytes = checked_mul(slabs, slab_bytes_, "KV cache");
  try {
    memory_ = AlignedBuffer(static_cast<std::size_t>(bytes));
  } catch (const Error&) {
    throw Error(ErrorCode::out_of_memory, "no memory for keys and values of " + std::to_string(context) +
                                              " positions of " + std::to_string(sequences) +
                                              (sequences == 1 ? " sequence: " : " sequences: ") +
                                              std::to_string(bytes) + " bytes; a smaller context needs fewer");
  }
  lengths_.assign(static_cast<std::size_t>(sequences), 0);
}

inline ops::KvLayer KvCache::layer(int l) const {
  ops::KvLayer view;
  const std::int64_t layer_bytes = n_kv_heads_ * slab_bytes_;
  view.base = const_cast<std::byte*>(memory_.data()) + l * layer_bytes;
  view.sequence_stride = n_layers_ * layer_bytes;
  view.head_stride = slab_bytes_;
  view.value_offset = value_offset_;
  view.k_dim = k_dim_;
  view.v_dim = v_dim_;
  view.type = type_;
  return view;
}

inline void KvCache::truncate(int s, int length) {
  int& own = lengths_[checked_sequence(s)];
  if (length < 0 || length > own)
    throw Error(ErrorCode::out_of_range, "cannot cut sequence " + std::to_string(s) + " of " + std::to_string(own) +
                                             " positions to " + std::to_string(length));
  own = length;
}

inline void KvCache::copy(int from, int to, int length) {
  const std::size_t source = checked_sequence(from), target = checked_sequence(to);
  if (length < 0 || length > lengths_[source])
    throw Error(ErrorCode::out_of_range, "cannot copy " + std::to_string(length) + " positions of sequence " +
                                             std::to_string(from) + ", which holds " +
                                             std::to_string(lengths_[source]));
  lengths_[target] = length;
  if (source == target || length == 0) return;
  const std::int64_t tiles = ceil_div<std::int64_t>(length, kKeyTile);  // whole tiles: what is beyond is not read
  for (int l = 0; l < n_layers_; ++l) {
    const ops::KvLayer view = layer(l);
    for (int g = 0; g < n_kv_heads_; ++g) {
      std::memcpy(view.key_tile(to, g, 0), view.key_tile(from, g, 0),
                  static_cast<std::size_t>(tiles * view.k_tile_bytes()));
      std::memcpy(view.value_tile(to, g, 0), view.value_tile(from, g, 0),
                  static_cast<std::size_t>(tiles * view.v_tile_bytes()));
    }
  }
}

}  // namespace plumb
