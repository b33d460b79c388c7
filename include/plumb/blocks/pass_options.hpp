#pragma once
/// @file
/// One forward pass as the ledger sees it, and what it meets: positions in the cache, experts.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/core/error.hpp"
#include "plumb/cpu/kv_type.hpp"

namespace plumb::inline PLUMB_ABI {

/// One forward pass: `tokens` new tokens of each of `sequences` sequences that already hold `position` tokens each.
/// One token of one sequence is decoding; many tokens of one sequence are a prefill; one token of many sequences is
/// batched decoding.
struct PassOptions {
  WeightTypes weights = DType::f16;
  DType kv = DType::f32;
  std::int64_t position = 0;   ///< tokens in the cache before the pass, per sequence
  std::int64_t tokens = 1;     ///< new tokens per sequence
  std::int64_t sequences = 1;  ///< sequences in the batch
  std::int64_t logits = -1;    ///< rows that ask for logits; -1: the last of each sequence
  bool exact = false;          ///< activations stay f32 in products with quantized weights
  /// The tier has bf16 dots: bf16 weights meet bf16 activations (not in the head), and attention over a cache that is
  /// not f32 uses them where its projections round their activations anyway. Not when exact.
  bool bf16_dot = false;

  double rows() const { return static_cast<double>(tokens) * static_cast<double>(sequences); }
};

/// Longest context that any description may name.
inline constexpr std::int64_t kMaxContext = std::int64_t{1} << 30;

/// Refuses a pass that no session could run. @throws Error{invalid_argument} naming the option.
inline void check_pass(const PassOptions& pass) {
  const auto check = [](std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + std::to_string(value) + ", expected " +
                                                   std::to_string(low) + " to " + std::to_string(high));
  };
  check("position", pass.position, 0, kMaxContext);
  check("tokens", pass.tokens, 1, kMaxContext);
  check("sequences", pass.sequences, 1, 1 << 20);
  check("logits", pass.logits, -1, pass.tokens * pass.sequences);
  check_kv_type(pass.kv);
}

/// Distinct positions whose keys and values a pass reads in a layer with this window (0: all), per sequence. A pass of
/// layers that are not causal is a whole text.
inline double positions_read(int window, const PassOptions& pass, bool causal = true) {
  if (!causal) return static_cast<double>(pass.tokens);
  const double end = static_cast<double>(pass.position) + static_cast<double>(pass.tokens);
  return window > 0 ? std::min(end, static_cast<double>(pass.tokens) + window - 1.0) : end;
}

/// The same for positions in chunks of so many, where rows see their own chunk.
inline double chunk_positions_read(int chunk, const PassOptions& pass) {
  return static_cast<double>(pass.position % chunk + pass.tokens);
}
inline double chunk_positions_scored(int chunk, const PassOptions& pass) {
  const auto until = [chunk](std::int64_t position) {  // pairs of all rows before it
    const auto full = static_cast<double>(position / chunk), rest = static_cast<double>(position % chunk);
    return (full * chunk * (static_cast<double>(chunk) + 1) + rest * (rest + 1)) / 2;
  };
  return until(pass.position + pass.tokens) - until(pass.position);
}

/// (row, position) pairs that attention scores in such a layer, per sequence: the causal triangle, or all pairs, cut by
/// the window.
inline double positions_scored(int window, const PassOptions& pass, bool causal = true) {
  const double first = static_cast<double>(pass.position) + 1, n = static_cast<double>(pass.tokens);
  if (!causal) {
    if (window <= 0) return n * n;
    const double reach = std::min(static_cast<double>(window / 2), n - 1);
    return n + reach * (2 * n - reach - 1);  // its own, and those at a distance of 1 to reach, either way
  }
  const double all = n * first + n * (n - 1) / 2;  // row i sees first + i positions
  if (window <= 0) return all;
  const double growing = std::clamp(window - first + 1, 0.0, n);  // rows whose window is not full or just so
  return growing * first + growing * (growing - 1) / 2 + (n - growing) * window;
}

}  // namespace plumb
