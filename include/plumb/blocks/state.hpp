#pragma once
/// @file
/// What the sequences of a session remember: for every layer what its block asks for (layer_state.hpp).
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
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "plumb/blocks/layer_state.hpp"
#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI {

/// How much a session remembers.
struct StateOptions {
  int context = 0;  ///< positions of each sequence
  int sequences = 1;
  int batch = 512;        ///< most rows of one pass: rings have room for as many positions more
  DType kv = DType::f32;  ///< f32, f16 or i8
};

/// The recurrent values of one layer, or of a part of it.
struct RecurrentLayer {
  float* base = nullptr;
  std::int64_t sequence_stride = 0;  // floats

  float* of(std::int64_t sequence) const { return base + sequence * sequence_stride; }
};

/// The state of all sequences. Sequence s holds positions [0, length(s)).
class SessionState {
 public:
  SessionState() = default;
  /// @throws Error{invalid_argument, overflow, out_of_memory}.
  SessionState(std::span<const LayerState> layers, const StateOptions& options);

  DType kv_type() const { return options_.kv; }
  int context() const { return options_.context; }
  int sequences() const { return static_cast<int>(lengths_.size()); }
  /// Bytes of all of it, padding included.
  std::size_t bytes() const { return memory_.size(); }
  /// Positions that sequence s holds.
  int length(int s) const { return lengths_[checked_sequence(s)]; }

  /// Whether cutting sequence s back to `length` positions leaves all that later rows can see. A ring has lost what
  /// lies more than its size behind the furthest position written.
  /// Recurrent values cannot be cut back at all.
  bool can_truncate(int s, int length) const;
  /// Forgets positions [length, ...) of sequence s. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Makes the first `length` positions of `to` equal to those of `from`; can_truncate(from, length) must hold.
  /// @throws Error{out_of_range}.
  void copy(int from, int to, int length);
  /// A forward pass is about to change sequence s. Recurrent values are zeroed before the first position. Until
  /// `extend` is called they may be half changed.
  void begin(int s);
  /// Positions up to `length` of sequence s have been stored by a forward pass.
  void extend(int s, int length) {
    const std::size_t own = checked_sequence(s);
    lengths_[own] = std::max(lengths_[own], length);
    furthest_[own] = std::max(furthest_[own], length);
    changing_[own] = 0;
  }
  /// Whether a sequence can go on from its end: not after a pass that began and never ended.
  bool complete(int s) const { return changing_[checked_sequence(s)] == 0; }
  /// Whether some layer has recurrent values.
  bool recurrent() const { return recurrent_; }

  /// Where the keys and values of one layer lie.
  ops::KvLayer kv(int layer) const;
  /// Where the keys of its indexer lie.
  ops::KvLayer index_keys(int layer) const;
  /// Where the recurrent values of a layer lie, from value `first` on.
  RecurrentLayer recurrent(int layer, std::int64_t first = 0) const {
    const Slabs& slabs = layers_[static_cast<std::size_t>(layer)];
    std::byte* const base = const_cast<std::byte*>(memory_.data()) + slabs.recurrent_offset;
    return {reinterpret_cast<float*>(base) + first, sequence_bytes_ / std::int64_t{sizeof(float)}};
  }

 private:
  /// Where what one layer remembers lies inside a sequence's memory.
  struct Slabs {
    KvState shape;
    std::int64_t positions = 0;     // kept
    std::int64_t offset = 0;        // of the first slab
    std::int64_t value_offset = 0;  // bytes of one head's keys
    std::int64_t bytes = 0;         // keys and values of one head
    bool ring = false;
    bool latent = false;
    int index_dim = 0;              // of an indexer's keys
    std::int64_t index_offset = 0;  // from the first slab to these
    std::int64_t recurrent_offset = 0, recurrent_bytes = 0;
  };

  std::size_t checked_sequence(int s) const {
    if (s < 0 || s >= sequences())
      throw Error(ErrorCode::out_of_range,
                  "sequence " + std::to_string(s) + " of a session with " + std::to_string(sequences()));
    return static_cast<std::size_t>(s);
  }
  Slabs place(const LayerState& layer, std::int64_t offset) const;
  Slabs place(const KvState& shape, std::int64_t offset) const;
  Slabs place(const LatentState& shape, std::int64_t offset) const;
  std::byte* sequence_memory(std::size_t s) { return memory_.data() + static_cast<std::int64_t>(s) * sequence_bytes_; }
  void copy_positions(const Slabs& slabs, std::size_t from, std::size_t to, int length);

  StateOptions options_;
  std::vector<Slabs> layers_;  // without heads for layers that remember nothing
  std::int64_t sequence_bytes_ = 0;
  std::vector<int> lengths_;    // [sequences]
  std::vector<int> furthest_;   // [sequences], positions written since the sequence was last empty
  std::vector<char> changing_;  // [sequences], a pass has begun and not ended: recurrent values may be half changed
  bool recurrent_ = false;
  AlignedBuffer memory_;  // [sequences, sequence_bytes_]
};

inline SessionState::Slabs SessionState::place(const KvState& shape, std::int64_t offset) const {
  constexpr std::int64_t kLine = kAlignment;
  Slabs slabs;
  slabs.shape = shape;
  slabs.offset = offset;
  slabs.positions = kept_positions(shape.window, options_.context, options_.batch);
  slabs.ring = slabs.positions < options_.context;
  const std::int64_t tiles = ceil_div<std::int64_t>(slabs.positions, kKeyTile);
  slabs.value_offset = round_up(checked_mul(tiles, kv_tile_bytes(options_.kv, shape.k_dim), "KV cache"), kLine);
  const std::int64_t values = checked_mul(tiles, kv_tile_bytes(options_.kv, padded_value_dim(shape.v_dim)), "KV cache");
  slabs.bytes = checked_add(slabs.value_offset, round_up(values, kLine), "KV cache");
  if (slabs.bytes / kLine % 2 == 0) slabs.bytes += kLine;
  return slabs;
}

inline SessionState::Slabs SessionState::place(const LatentState& shape, std::int64_t offset) const {
  Slabs slabs = place(KvState{1, padded_value_dim(shape.rest_dim), shape.value_dim, 0}, offset);
  slabs.latent = true;
  slabs.index_dim = shape.index_dim;
  if (shape.index_dim == 0) return slabs;
  slabs.index_offset = slabs.bytes;
  const std::int64_t tiles = ceil_div<std::int64_t>(slabs.positions, kKeyTile);
  const std::int64_t keys = checked_mul(tiles, kv_tile_bytes(options_.kv, shape.index_dim), "KV cache");
  slabs.bytes = checked_add(slabs.bytes, round_up<std::int64_t>(keys, kAlignment), "KV cache");
  return slabs;
}

inline SessionState::Slabs SessionState::place(const LayerState& layer, std::int64_t offset) const {
  Slabs slabs;
  if (const auto* const kv = std::get_if<KvState>(&layer.positions)) slabs = place(*kv, offset);
  if (const auto* const latent = std::get_if<LatentState>(&layer.positions)) slabs = place(*latent, offset);
  const std::int64_t positions = checked_mul<std::int64_t>(slabs.bytes, slabs.shape.kv_heads, "KV cache");
  slabs.recurrent_offset = checked_add(offset, positions, "state");
  const std::int64_t values = checked_mul<std::int64_t>(layer.recurrent, sizeof(float), "state");
  slabs.recurrent_bytes = round_up<std::int64_t>(values, kAlignment);
  return slabs;
}

inline SessionState::SessionState(std::span<const LayerState> layers, const StateOptions& options) : options_(options) {
  check_kv_type(options.kv);
  if (options.context < 1)
    throw Error(ErrorCode::invalid_argument, "context " + std::to_string(options.context) + ": at least 1");
  if (options.sequences < 1)
    throw Error(ErrorCode::invalid_argument, "sequences " + std::to_string(options.sequences) + ": at least 1");
  for (const LayerState& layer : layers) {
    layers_.push_back(place(layer, sequence_bytes_));
    const Slabs& slabs = layers_.back();
    sequence_bytes_ = checked_add(slabs.recurrent_offset, slabs.recurrent_bytes, "state");
    recurrent_ |= slabs.recurrent_bytes > 0;
  }
  const std::int64_t bytes = checked_mul<std::int64_t>(sequence_bytes_, options.sequences, "state");
  try {
    memory_ = AlignedBuffer(static_cast<std::size_t>(bytes));
  } catch (const Error&) {
    throw Error(ErrorCode::out_of_memory,
                "no memory for what the model remembers of " + std::to_string(options.context) + " positions of " +
                    std::to_string(options.sequences) + (options.sequences == 1 ? " sequence: " : " sequences: ") +
                    std::to_string(bytes) + " bytes; a smaller context needs fewer");
  }
  lengths_.assign(static_cast<std::size_t>(options.sequences), 0);
  furthest_ = lengths_;
  changing_.assign(lengths_.size(), 0);
}

inline void SessionState::begin(int s) {
  const std::size_t own = checked_sequence(s);
  if (!recurrent_) return;
  changing_[own] = 1;
  if (lengths_[own] > 0) return;
  for (const Slabs& slabs : layers_)
    if (slabs.recurrent_bytes > 0)
      std::memset(sequence_memory(own) + slabs.recurrent_offset, 0, static_cast<std::size_t>(slabs.recurrent_bytes));
}

inline ops::KvLayer SessionState::kv(int layer) const {
  const Slabs& slabs = layers_[static_cast<std::size_t>(layer)];
  ops::KvLayer view;
  view.base = const_cast<std::byte*>(memory_.data()) + slabs.offset;
  view.sequence_stride = sequence_bytes_;
  view.head_stride = slabs.bytes;
  view.value_offset = slabs.value_offset;
  view.ring_tiles = slabs.ring ? static_cast<std::int32_t>(slabs.positions / kKeyTile) : 0;
  view.k_dim = slabs.shape.k_dim;
  view.v_dim = slabs.shape.v_dim;
  view.type = options_.kv;
  view.latent = slabs.latent;
  if (slabs.latent) view.head_stride = 0;  // all heads read the same
  return view;
}

inline ops::KvLayer SessionState::index_keys(int layer) const {
  const Slabs& slabs = layers_[static_cast<std::size_t>(layer)];
  ops::KvLayer view;
  view.base = const_cast<std::byte*>(memory_.data()) + slabs.offset + slabs.index_offset;
  view.sequence_stride = sequence_bytes_;
  view.k_dim = slabs.index_dim;
  view.type = options_.kv;
  return view;
}

inline bool SessionState::can_truncate(int s, int length) const {
  if (length <= 0) return true;
  const std::size_t own = checked_sequence(s);
  if (recurrent_ && (changing_[own] != 0 || length != lengths_[own])) return false;
  const std::int64_t furthest = furthest_[own];
  for (const Slabs& slabs : layers_)
    if (slabs.ring && std::max<std::int64_t>(0, length - slabs.shape.window + 1) < furthest - slabs.positions)
      return false;
  return true;
}

inline void SessionState::truncate(int s, int length) {
  int& own = lengths_[checked_sequence(s)];
  if (length < 0 || length > own)
    throw Error(ErrorCode::out_of_range, "cannot cut sequence " + std::to_string(s) + " of " + std::to_string(own) +
                                             " positions to " + std::to_string(length));
  own = length;
  if (length > 0) return;
  furthest_[static_cast<std::size_t>(s)] = 0;
  changing_[static_cast<std::size_t>(s)] = 0;
}

inline void SessionState::copy(int from, int to, int length) {
  const std::size_t source = checked_sequence(from), target = checked_sequence(to);
  if (length < 0 || length > lengths_[source])
    throw Error(ErrorCode::out_of_range, "cannot copy " + std::to_string(length) + " positions of sequence " +
                                             std::to_string(from) + ", which holds " +
                                             std::to_string(lengths_[source]));
  lengths_[target] = length;
  if (source == target) return;
  furthest_[target] = furthest_[source];
  changing_[target] = length > 0 ? changing_[source] : 0;
  for (const Slabs& slabs : layers_) {
    copy_positions(slabs, source, target, length);
    if (length > 0 && slabs.recurrent_bytes > 0)
      std::memcpy(sequence_memory(target) + slabs.recurrent_offset, sequence_memory(source) + slabs.recurrent_offset,
                  static_cast<std::size_t>(slabs.recurrent_bytes));
  }
}

inline void SessionState::copy_positions(const Slabs& slabs, std::size_t from, std::size_t to, int length) {
  // Whole tiles, what is beyond is not read; a ring is copied as a whole.
  const std::int64_t tiles = ceil_div<std::int64_t>(slabs.ring ? slabs.positions : length, kKeyTile);
  const std::byte* const source = sequence_memory(from) + slabs.offset;
  std::byte* const target = sequence_memory(to) + slabs.offset;
  for (int g = 0; g < slabs.shape.kv_heads; ++g) {
    const auto copy = [&](std::int64_t at, std::int64_t bytes) {
      std::memcpy(target + g * slabs.bytes + at, source + g * slabs.bytes + at, static_cast<std::size_t>(bytes));
    };
    copy(0, tiles * kv_tile_bytes(options_.kv, slabs.shape.k_dim));
    copy(slabs.value_offset, tiles * kv_tile_bytes(options_.kv, padded_value_dim(slabs.shape.v_dim)));
    if (slabs.index_dim > 0) copy(slabs.index_offset, tiles * kv_tile_bytes(options_.kv, slabs.index_dim));
  }
}

}  // namespace plumb
