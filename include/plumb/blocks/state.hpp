#pragma once
/// @file
/// What the sequences of a session remember: for every layer what its block asks for (layer_state.hpp). Where that
/// lies: state_slabs.hpp.

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "plumb/blocks/checkpoints.hpp"
#include "plumb/blocks/state_blocks.hpp"
#include "plumb/blocks/state_slabs.hpp"
#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI {

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
  /// Bytes of all of it, padding and checkpoints included; what sequences share counts once.
  std::size_t bytes() const { return memory_.size() + checkpoint_bytes(); }
  /// Bytes of what holds something now: what sequences share counts once.
  std::size_t held_bytes() const;
  std::span<std::byte> memory() { return {memory_.data(), memory_.size()}; }  ///< without checkpoints
  /// Positions that sequence s holds.
  int length(int s) const { return lengths_[checked_sequence(s)]; }

  /// Whether cutting sequence s back to `length` positions leaves all that later rows can see. A ring has lost what
  /// lies more than its size behind the furthest position written; recurrent values cannot be cut back at all.
  bool can_truncate(int s, int length) const;
  /// The most positions, `length` at most, that sequence s can be cut back to: all of these, those of a checkpoint, or
  /// none. What lies between must be read again.
  int restorable(int s, int length) const;
  /// Cuts sequence s back to `length` positions, a number that restorable() gave, or that leaves all later rows see.
  void rewind(int s, int length);
  /// Forgets positions [length, ...) of sequence s. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Makes the first `length` positions of `to`, a number that restorable() gave, equal to those of `from`: whole
  /// blocks are shared, the last one, rings and recurrent values are copied. @throws Error{out_of_range}.
  void copy(int from, int to, int length);
  /// Positions [first, end) of sequence s are about to be written: blocks of theirs that are shared are copied first,
  /// with all that s holds there.
  void prepare(int s, int first, int end);
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
  /// A pass that was to store positions up to `end` of sequence s was broken off: nothing of it counts, but rings have
  /// lost what it overwrote.
  void abandon(int s, int end) { furthest_[checked_sequence(s)] = std::max(furthest_[checked_sequence(s)], end); }
  /// Memory for the recurrent values of sequence s as they are now, if a checkpoint is due; else nullptr, also where
  /// there is no memory for it.
  std::byte* begin_checkpoint(int s) noexcept;
  /// Keeps this worker's share of the values there.
  void write_checkpoint(int s, std::byte* place, const Worker& worker);
  const Checkpoints& checkpoints(int s) const { return checkpoints_[checked_sequence(s)]; }
  /// What sequence s holds in a layer, if it is so long.
  StateLayer layer(int s, int layer, int length);
  /// Sequence s holds `length` positions now, put there by way of layer(), in layers with windows those from `held` on.
  void put(int s, int length, int held);
  /// Whether a sequence can go on from its end: not after a pass that began and never ended.
  bool complete(int s) const { return changing_[checked_sequence(s)] == 0; }
  /// Whether some layer has recurrent values.
  bool recurrent() const { return recurrent_; }
  /// Or a ring in place of every position.
  bool has_rings() const {
    return std::any_of(layers_.begin(), layers_.end(), [](const StateSlabs& slabs) { return slabs.ring; });
  }

  /// Where the keys and values of one layer lie.
  ops::KvLayer kv(int layer) const;
  /// Where the keys of its indexer lie.
  ops::KvLayer index_keys(int layer) const;
  /// Where the recurrent values of a layer lie, from value `first` on.
  RecurrentLayer recurrent(int layer, std::int64_t first = 0) const {
    const StateSlabs& slabs = layers_[static_cast<std::size_t>(layer)];
    std::byte* const base =
        const_cast<std::byte*>(memory_.data()) + block_bytes_ * blocks_of_all_ + slabs.recurrent_offset;
    return {reinterpret_cast<float*>(base) + first, sequence_bytes_ / std::int64_t{sizeof(float)}};
  }

 private:
  std::size_t checked_sequence(int s) const {
    if (s < 0 || s >= sequences())
      throw Error(ErrorCode::out_of_range,
                  "sequence " + std::to_string(s) + " of a session with " + std::to_string(sequences()));
    return static_cast<std::size_t>(s);
  }
  /// What belongs to one sequence alone.
  std::byte* sequence_memory(std::size_t s) {
    return memory_.data() + block_bytes_ * blocks_of_all_ + static_cast<std::int64_t>(s) * sequence_bytes_;
  }
  /// Blocks that `length` positions take.
  int blocks_of(int length) const { return static_cast<int>(ceil_div(std::int64_t{length}, block_positions_)); }
  void copy_block(const std::byte* from, std::byte* to, int positions) const;
  void copy_slabs(const StateSlabs& slabs, const std::byte* from, std::byte* to, std::int64_t tiles) const;
  int first_held(const StateSlabs& slabs, std::size_t s) const;
  static int first_seen(const StateSlabs& slabs, int length);
  bool windows_reach(std::size_t s, int length) const;
  std::size_t checkpoint_bytes() const;
  /// visit(values of a layer in memory, values before them in a checkpoint, bytes) for the recurrent values of `s`.
  template <class Visit>
  void for_each_recurrent(std::size_t s, const Visit& visit) {
    std::size_t before = 0;
    for (const StateSlabs& slabs : layers_) {
      if (slabs.recurrent_bytes == 0) continue;
      const auto bytes = static_cast<std::size_t>(slabs.recurrent_bytes);
      visit(sequence_memory(s) + slabs.recurrent_offset, before, bytes);
      before += bytes;
    }
  }

  StateOptions options_;
  std::vector<StateSlabs> layers_;  // without heads for layers that remember nothing
  std::int64_t block_positions_ = 1, block_bytes_ = 0, blocks_of_all_ = 0, sequence_bytes_ = 0;
  std::vector<int> lengths_;    // [sequences]
  std::vector<int> furthest_;   // [sequences], positions written since the sequence was last empty
  std::vector<int> put_from_;   // [sequences], the first position that a sequence which was put there has in windows
  std::vector<char> changing_;  // [sequences], a pass has begun and not ended: recurrent values may be half changed
  std::vector<Checkpoints> checkpoints_;  // [sequences]
  std::size_t recurrent_bytes_ = 0;       // of one sequence
  bool recurrent_ = false;
  AlignedBuffer memory_;  // [blocks_of_all_, block_bytes_], then [sequences, sequence_bytes_]
  StateBlocks blocks_;
};

inline SessionState::SessionState(std::span<const LayerState> layers, const StateOptions& options) : options_(options) {
  check_kv_type(options.kv);
  if (options.context < 1)
    throw Error(ErrorCode::invalid_argument, "context " + std::to_string(options.context) + ": at least 1");
  if (options.sequences < 1)
    throw Error(ErrorCode::invalid_argument, "sequences " + std::to_string(options.sequences) + ": at least 1");
  StateSpace space;
  for (const LayerState& layer : layers) {
    layers_.push_back(StateSlabs::of(layer, space, options));
    const StateSlabs& slabs = layers_.back();
    recurrent_ |= slabs.recurrent_bytes > 0;
    recurrent_bytes_ += static_cast<std::size_t>(slabs.recurrent_bytes);
  }
  block_positions_ = block_positions(options.context);
  block_bytes_ = space.block;
  sequence_bytes_ = space.sequence;
  const int of_sequence = block_bytes_ > 0 ? blocks_of(options.context) : 0;
  blocks_of_all_ = std::int64_t{options.sequences} * of_sequence;
  const std::int64_t bytes =
      checked_add(checked_mul<std::int64_t>(block_bytes_, blocks_of_all_, "KV cache"),
                  checked_mul<std::int64_t>(sequence_bytes_, options.sequences, "state"), "state");
  try {
    memory_ = AlignedBuffer(static_cast<std::size_t>(bytes));
  } catch (const Error&) {
    throw Error(ErrorCode::out_of_memory,
                "no memory for what the model remembers of " + std::to_string(options.context) + " positions of " +
                    std::to_string(options.sequences) + (options.sequences == 1 ? " sequence: " : " sequences: ") +
                    std::to_string(bytes) + " bytes; a smaller context needs fewer");
  }
  blocks_ = StateBlocks(options.sequences, of_sequence, block_bytes_, memory_.data());
  lengths_.assign(static_cast<std::size_t>(options.sequences), 0);
  furthest_ = put_from_ = lengths_;
  changing_.assign(lengths_.size(), 0);
  checkpoints_.resize(lengths_.size());
  if (recurrent_)
    for (Checkpoints& own : checkpoints_) own = Checkpoints(options.checkpoints, options.checkpoint_every);
}

inline void SessionState::begin(int s) {
  const std::size_t own = checked_sequence(s);
  if (!recurrent_) return;
  changing_[own] = 1;
  if (lengths_[own] > 0) return;
  for (const StateSlabs& slabs : layers_)
    if (slabs.recurrent_bytes > 0)
      std::memset(sequence_memory(own) + slabs.recurrent_offset, 0, static_cast<std::size_t>(slabs.recurrent_bytes));
}

inline ops::KvLayer SessionState::kv(int layer) const {
  const StateSlabs& slabs = layers_[static_cast<std::size_t>(layer)];
  ops::KvLayer view;
  view.base = const_cast<std::byte*>(memory_.data()) + slabs.offset;
  if (slabs.in_blocks()) {
    view.blocks = blocks_.offsets();
    view.blocks_of_sequence = blocks_.of_sequence();
  } else {
    view.base += block_bytes_ * blocks_of_all_;
    view.sequence_stride = sequence_bytes_;
    view.ring_tiles = slabs.ring ? slabs.tiles : 0;
  }
  view.head_stride = slabs.bytes;
  view.value_offset = slabs.value_offset;
  view.k_dim = slabs.shape.k_dim;
  view.v_dim = slabs.shape.v_dim;
  view.type = options_.kv;
  view.latent = slabs.latent;
  if (slabs.latent) view.head_stride = 0;  // all heads read the same
  return view;
}

inline ops::KvLayer SessionState::index_keys(int layer) const {
  const StateSlabs& slabs = layers_[static_cast<std::size_t>(layer)];
  ops::KvLayer view = kv(layer);
  view.base += slabs.index_offset;
  view.k_dim = slabs.index_dim;
  view.v_dim = 0;
  view.latent = false;
  return view;
}

inline bool SessionState::can_truncate(int s, int length) const {
  if (length <= 0) return true;
  const std::size_t own = checked_sequence(s);
  if (recurrent_ && (changing_[own] != 0 || length != lengths_[own])) return false;
  return windows_reach(own, length);
}

/// The first position that a layer holds of sequence s.
inline int SessionState::first_held(const StateSlabs& slabs, std::size_t s) const {
  const std::int64_t overwritten = slabs.ring ? furthest_[s] - slabs.positions : 0;
  return static_cast<int>(std::max<std::int64_t>(overwritten, slabs.shape.window > 0 ? put_from_[s] : 0));
}
/// The first that a row at `length` sees there.
inline int SessionState::first_seen(const StateSlabs& slabs, int length) {
  return slabs.shape.window > 0 ? std::max(0, length - slabs.shape.window + 1) : 0;
}
/// Whether the layers hold all that a row at `length` sees.
inline bool SessionState::windows_reach(std::size_t s, int length) const {
  return std::all_of(layers_.begin(), layers_.end(), [&](const StateSlabs& slabs) {
    return slabs.shape.window == 0 || first_seen(slabs, length) >= first_held(slabs, s);
  });
}

inline int SessionState::restorable(int s, int length) const {
  const std::size_t own = checked_sequence(s);
  if (length > lengths_[own]) length = lengths_[own];
  if (can_truncate(s, length)) return length;
  if (!recurrent_) return 0;
  const StateCheckpoint* const kept = checkpoints_[own].before(length);
  return kept && windows_reach(own, kept->position) ? kept->position : 0;
}

inline void SessionState::rewind(int s, int length) {
  const std::size_t own = checked_sequence(s);
  const bool as_it_is = length == lengths_[own] && changing_[own] == 0;
  checkpoints_[own].cut(length);
  lengths_[own] = length;
  if (length == 0) furthest_[own] = put_from_[own] = 0;
  changing_[own] = 0;
  if (blocks_.any_shared())
    for (int b = blocks_of(length); b < blocks_.of_sequence(); ++b) blocks_.own(s, b);
  if (as_it_is || length == 0 || !recurrent_) return;
  const StateCheckpoint* const kept = checkpoints_[own].before(length);
  assert(kept && kept->position == length);
  for_each_recurrent(own, [&](std::byte* values, std::size_t before, std::size_t bytes) {
    std::memcpy(values, kept->values->data() + before, bytes);
  });
}

inline void SessionState::truncate(int s, int length) {
  const int own = lengths_[checked_sequence(s)];
  if (length < 0 || length > own)
    throw Error(ErrorCode::out_of_range, "cannot cut sequence " + std::to_string(s) + " of " + std::to_string(own) +
                                             " positions to " + std::to_string(length));
  rewind(s, length);
}

inline std::byte* SessionState::begin_checkpoint(int s) noexcept try {
  const auto own = static_cast<std::size_t>(s);
  if (!recurrent_ || changing_[own] != 0 || !checkpoints_[own].due(lengths_[own])) return nullptr;
  return checkpoints_[own].add(lengths_[own], recurrent_bytes_);
} catch (const std::exception&) {
  return nullptr;  // without memory a cut reads more again
}

inline void SessionState::write_checkpoint(int s, std::byte* place, const Worker& worker) {
  for_each_recurrent(static_cast<std::size_t>(s), [&](const std::byte* values, std::size_t before, std::size_t bytes) {
    const Range mine = worker.share(static_cast<std::int64_t>(bytes), kAlignment);
    std::memcpy(place + before + mine.begin, values + mine.begin, static_cast<std::size_t>(mine.size()));
  });
}

inline std::size_t SessionState::checkpoint_bytes() const {
  std::vector<const AlignedBuffer*> all;
  for (const Checkpoints& own : checkpoints_)
    for (const StateCheckpoint& kept : own.all()) all.push_back(kept.values.get());
  std::sort(all.begin(), all.end());
  return static_cast<std::size_t>(std::unique(all.begin(), all.end()) - all.begin()) * recurrent_bytes_;
}

inline void SessionState::copy(int from, int to, int length) {
  const std::size_t source = checked_sequence(from), target = checked_sequence(to);
  if (length < 0 || length > lengths_[source])
    throw Error(ErrorCode::out_of_range, "cannot copy " + std::to_string(length) + " positions of sequence " +
                                             std::to_string(from) + ", which holds " +
                                             std::to_string(lengths_[source]));
  if (source == target) return rewind(from, length);
  checkpoints_[target] = checkpoints_[source];
  checkpoints_[target].cut(length);
  lengths_[target] = length;
  furthest_[target] = length > 0 ? furthest_[source] : 0;
  put_from_[target] = length > 0 ? put_from_[source] : 0;
  changing_[target] = length > 0 ? changing_[source] : 0;
  if (block_bytes_ > 0) {
    const int whole = static_cast<int>(length / block_positions_), used = blocks_of(length);
    for (int b = 0; b < whole; ++b) blocks_.share(from, to, b);
    for (int b = whole; b < blocks_.of_sequence(); ++b) blocks_.own(to, b);
    if (used > whole)
      copy_block(blocks_.block(from, whole), blocks_.block(to, whole),
                 static_cast<int>(length - whole * block_positions_));
  }
  if (length == 0) return;
  for (const StateSlabs& slabs : layers_)
    if (slabs.ring) copy_slabs(slabs, sequence_memory(source), sequence_memory(target), slabs.tiles);
  if (!recurrent_) return;
  const StateCheckpoint* const kept = length == lengths_[source] ? nullptr : checkpoints_[source].before(length);
  for_each_recurrent(target, [&](std::byte* values, std::size_t before, std::size_t bytes) {
    const std::byte* const as_now = values - sequence_memory(target) + sequence_memory(source);
    std::memcpy(values, kept ? kept->values->data() + before : as_now, bytes);
  });
}

inline StateLayer SessionState::layer(int s, int layer, int length) {
  const std::size_t own = checked_sequence(s);
  const StateSlabs& slabs = layers_[static_cast<std::size_t>(layer)];
  StateLayer all;
  all.first_seen = first_seen(slabs, length);
  all.first_held = first_held(slabs, own);
  all.recurrent_bytes = static_cast<std::size_t>(slabs.recurrent_values) * sizeof(float);
  all.recurrent = sequence_memory(own) + slabs.recurrent_offset;
  const ops::KvLayer view = kv(layer);
  for (int head = 0; head < slabs.shape.kv_heads; ++head) {
    if (view.k_dim > 0) all.tiles.push_back({view, head, true, !slabs.latent, view.k_dim});
    all.tiles.push_back({view, head, false, false, padded_value_dim(view.v_dim)});
  }
  if (slabs.index_dim > 0) all.tiles.push_back({index_keys(layer), 0, true, true, slabs.index_dim});
  return all;
}

inline void SessionState::put(int s, int length, int held) {
  rewind(s, 0);
  extend(s, length);
  put_from_[static_cast<std::size_t>(s)] = held;
}

inline void SessionState::prepare(int s, int first, int end) {
  if (!blocks_.any_shared()) return;
  const std::int64_t held = lengths_[checked_sequence(s)];
  for (auto b = static_cast<int>(first / block_positions_); b < blocks_of(end); ++b) {
    const std::byte* const before = blocks_.own(s, b);
    const std::int64_t kept = std::min<std::int64_t>(held - b * block_positions_, block_positions_);
    if (before && kept > 0) copy_block(before, blocks_.block(s, b), static_cast<int>(kept));
  }
}

/// The first positions of a block.
inline void SessionState::copy_block(const std::byte* from, std::byte* to, int positions) const {
  for (const StateSlabs& slabs : layers_)
    if (slabs.in_blocks()) copy_slabs(slabs, from, to, ceil_div<std::int64_t>(positions, kKeyTile));
}

/// The first tiles of a layer's slabs; what is beyond is not read.
inline void SessionState::copy_slabs(const StateSlabs& slabs, const std::byte* from, std::byte* to,
                                     std::int64_t tiles) const {
  for (int g = 0; g < slabs.shape.kv_heads; ++g) {
    const std::int64_t slab = slabs.offset + g * slabs.bytes;
    const auto copy = [&](std::int64_t at, int dim) {
      std::memcpy(to + slab + at, from + slab + at, static_cast<std::size_t>(tiles * kv_tile_bytes(options_.kv, dim)));
    };
    copy(0, slabs.shape.k_dim);
    copy(slabs.value_offset, padded_value_dim(slabs.shape.v_dim));
    if (slabs.index_dim > 0) copy(slabs.index_offset, slabs.index_dim);
  }
}

inline std::size_t SessionState::held_bytes() const {
  std::vector<int> blocks;
  std::int64_t alone = 0;
  for (const int length : lengths_) {
    blocks.push_back(block_bytes_ > 0 ? blocks_of(length) : 0);
    if (length > 0) alone += sequence_bytes_;
  }
  return static_cast<std::size_t>(blocks_.used(blocks) * block_bytes_ + alone) + checkpoint_bytes();
}

}  // namespace plumb
