#pragma once
/// @file
/// What a sequence must remember in one layer: what blocks ask for.

#include <algorithm>
#include <cstdint>
#include <variant>

#include "plumb/cpu/attention_kernels.hpp"
#include "plumb/ops/kv.hpp"

namespace plumb::inline PLUMB_ABI {

/// Nothing: the layer sees the batch alone.
struct NoState {
  bool operator==(const NoState&) const = default;
};

/// Keys and values of every position, or of the last `window` positions.
struct KvState {
  int kv_heads = 0;
  int k_dim = 0, v_dim = 0;
  int window = 0;  ///< positions that a row sees, its own included; 0 = all

  bool operator==(const KvState&) const = default;
};

/// One compressed vector per position, shared by all heads (latent attention): a key, whose first elements are a value.
struct LatentState {
  int value_dim = 0;  ///< elements that are value and key
  int rest_dim = 0;   ///< further elements of the key
  int index_dim = 0;  ///< of the key by which an indexer chooses positions; 0: none

  bool operator==(const LatentState&) const = default;
};

/// Copies of a sequence's recurrent values (checkpoints.hpp) at most, and tokens from one to the next at least, unless
/// a session says otherwise.
inline constexpr int kCheckpoints = 4, kCheckpointEvery = 256;

/// What a layer remembers of a sequence: something of every position, and numbers that each position changes. These
/// cannot be cut back, and windows only a little: what is lost is read again from the tokens that the session keeps
/// (Session::truncate).
struct LayerState {
  std::variant<NoState, KvState, LatentState> positions = {};
  /// f32 values of fixed size, zero before the first position: those of the mixer, of the one beside it, of the
  /// feed-forward block, one after another.
  std::int64_t recurrent = 0;

  LayerState() = default;
  LayerState(const KvState& kv) : positions(kv) {}
  LayerState(const LatentState& latent) : positions(latent) {}
  /// No positions, so many f32 values.
  static LayerState recurrence(std::int64_t values) {
    LayerState state;
    state.recurrent = values;
    return state;
  }

  /// Adds what another part of the layer remembers; only one of them may keep positions.
  LayerState& operator+=(const LayerState& other) {
    if (!std::holds_alternative<NoState>(other.positions)) positions = other.positions;
    recurrent += other.recurrent;
    return *this;
  }
  bool keeps_positions() const { return !std::holds_alternative<NoState>(positions); }
  bool operator==(const LayerState&) const = default;
};

/// Bytes of one position of keys and values in one layer.
inline double bytes_per_position(const KvState& state, DType kv) {
  const double bytes = dtype_info(kv).bits_per_weight() / 8;
  const double scales = kv == DType::i8 ? 2 * 4 : 0;  // f32, of each key and each value
  return state.kv_heads * ((static_cast<double>(state.k_dim) + state.v_dim) * bytes + scales);
}
inline double bytes_per_position(const LatentState& state, DType kv) {
  double bytes = 0;
  for (const int dim : {state.value_dim, state.rest_dim, state.index_dim})
    if (dim > 0) bytes += dim * dtype_info(kv).bits_per_weight() / 8 + (kv == DType::i8 ? 4 : 0);
  return bytes;
}
inline double bytes_per_position(const LayerState& state, DType kv) {
  if (const auto* own = std::get_if<KvState>(&state.positions)) return bytes_per_position(*own, kv);
  if (const auto* own = std::get_if<LatentState>(&state.positions)) return bytes_per_position(*own, kv);
  return 0;
}

/// Positions that a session of `context` positions and batches of `batch` rows keeps for a layer with this window: a
/// ring (ops/kv.hpp), or all.
inline std::int64_t kept_positions(int window, std::int64_t context, std::int64_t batch) {
  return std::min(context, kKeyTile * ops::kv_ring_tiles(context, window, batch));
}

/// Bytes that a layer must keep for one sequence of `context` positions: what later positions see of it.
inline double seen_bytes(const LayerState& state, DType kv, std::int64_t context) {
  const auto* kept = std::get_if<KvState>(&state.positions);
  const std::int64_t positions = kept && kept->window > 0 ? std::min<std::int64_t>(kept->window, context) : context;
  return bytes_per_position(state, kv) * static_cast<double>(positions) + 4.0 * static_cast<double>(state.recurrent);
}

/// Bytes that a layer keeps for one sequence, padding aside: a ring has room for the rows of one batch beside the
/// positions that are seen.
inline double state_bytes(const LayerState& state, DType kv, std::int64_t context, std::int64_t batch) {
  const auto* kept = std::get_if<KvState>(&state.positions);
  const std::int64_t positions = kept ? kept_positions(kept->window, context, batch) : context;
  return bytes_per_position(state, kv) * static_cast<double>(positions) + 4.0 * static_cast<double>(state.recurrent);
}

}  // namespace plumb
