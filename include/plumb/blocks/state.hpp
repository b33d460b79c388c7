#pragma once
/// @file
/// What the sequences of a session remember: for every layer what its block asks for (layer_state.hpp).
///
/// Layout of keys and values, one place for all: [sequence][layer][KV head] { key tiles, value tiles }, tiles of 16
/// positions as cpu/attention_kernels.hpp draws them. A head's keys are contiguous, so attention streams them; slabs
/// are padded to an odd number of cache lines, since heads at power-of-two distances would fall into the same cache
/// sets. A layer with a window keeps a ring of positions (kept_positions). Memory is touched when positions are stored.
/// Elements are f32, f16, or int8 with one f32 scale per position and head.

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
  bool can_truncate(int s, int length) const;
  /// Forgets positions [length, ...) of sequence s. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Makes the first `length` positions of `to` equal to those of `from`; can_truncate(from, length) must hold.
  /// @throws Error{out_of_range}.
  void copy(int from, int to, int length);
  /// Announces that positions up to `length` of sequence s are being stored by a forward pass.
  void extend(int s, int length) {
    const std::size_t own = checked_sequence(s);
    lengths_[own] = std::max(lengths_[own], length);
    furthest_[own] = std::max(furthest_[own], length);
  }

  /// Where the keys and values of one layer lie.
  ops::KvLayer kv(int layer) const;

 private:
  /// Where one layer's keys and values lie inside a sequence's memory.
  struct Slabs {
    KvState shape;
    std::int64_t positions = 0;     // kept
    std::int64_t offset = 0;        // of the first slab
    std::int64_t value_offset = 0;  // bytes of one head's keys
    std::int64_t bytes = 0;         // keys and values of one head
    bool ring = false;
  };

  std::size_t checked_sequence(int s) const {
    if (s < 0 || s >= sequences())
      throw Error(ErrorCode::out_of_range,
                  "sequence " + std::to_string(s) + " of a session with " + std::to_string(sequences()));
    return static_cast<std::size_t>(s);
  }
  Slabs place(const KvState& shape, std::int64_t offset) const;

  StateOptions options_;
  std::vector<Slabs> layers_;  // without heads for layers that remember nothing
  std::int64_t sequence_bytes_ = 0;
  std::vector<int> lengths_;   // [sequences]
  std::vector<int> furthest_;  // [sequences], positions written since the sequence was last empty
  AlignedBuffer memory_;       // [sequences, sequence_bytes_]
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

inline SessionState::SessionState(std::span<const LayerState> layers, const StateOptions& options) : options_(options) {
  check_kv_type(options.kv);
  if (options.context < 1)
    throw Error(ErrorCode::invalid_argument, "context " + std::to_string(options.context) + ": at least 1");
  if (options.sequences < 1)
    throw Error(ErrorCode::invalid_argument, "sequences " + std::to_string(options.sequences) + ": at least 1");
  for (const LayerState& layer : layers) {
    const KvState* kv = std::get_if<KvState>(&layer);
    layers_.push_back(kv ? place(*kv, sequence_bytes_) : Slabs{});
    const std::int64_t bytes =
        checked_mul<std::int64_t>(layers_.back().bytes, layers_.back().shape.kv_heads, "KV cache");
    sequence_bytes_ = checked_add(sequence_bytes_, bytes, "KV cache");
  }
  const std::int64_t bytes = checked_mul<std::int64_t>(sequence_bytes_, options.sequences, "KV cache");
  try {
    memory_ = AlignedBuffer(static_cast<std::size_t>(bytes));
  } catch (const Error&) {
    throw Error(ErrorCode::out_of_memory, "no memory for keys and values of " + std::to_string(options.context) +
                                              " positions of " + std::to_string(options.sequences) +
                                              (options.sequences == 1 ? " sequence: " : " sequences: ") +
                                              std::to_string(bytes) + " bytes; a smaller context needs fewer");
  }
  lengths_.assign(static_cast<std::size_t>(options.sequences), 0);
  furthest_ = lengths_;
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
  return view;
}

inline bool SessionState::can_truncate(int s, int length) const {
  if (length <= 0) return true;
  const std::int64_t furthest = furthest_[checked_sequence(s)];
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
  if (length == 0) furthest_[static_cast<std::size_t>(s)] = 0;
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
  for (const Slabs& slabs : layers_) {
    // Whole tiles, what is beyond is not read; a ring is copied as a whole.
    const std::int64_t positions = slabs.ring ? slabs.positions : length;
    const std::int64_t tiles = ceil_div<std::int64_t>(positions, kKeyTile);
    const std::byte* const first = memory_.data() + static_cast<std::int64_t>(source) * sequence_bytes_ + slabs.offset;
    std::byte* const to_first = memory_.data() + static_cast<std::int64_t>(target) * sequence_bytes_ + slabs.offset;
    for (int g = 0; g < slabs.shape.kv_heads; ++g) {
      const auto copy = [&](std::int64_t at, std::int64_t bytes) {
        std::memcpy(to_first + g * slabs.bytes + at, first + g * slabs.bytes + at, static_cast<std::size_t>(bytes));
      };
      copy(0, tiles * kv_tile_bytes(options_.kv, slabs.shape.k_dim));
      copy(slabs.value_offset, tiles * kv_tile_bytes(options_.kv, padded_value_dim(slabs.shape.v_dim)));
    }
  }
}

}  // namespace plumb
