#pragma once
/// @file
/// One forward pass as the ledger sees it, and what it meets: positions in the cache, experts.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/model/check.hpp"
#include "plumb/model/weight_types.hpp"

namespace plumb::inline PLUMB_ABI {

/// One forward pass: `tokens` new tokens of each of `sequences` sequences that already hold `position` tokens each.
/// One token of one sequence is decoding; many tokens of one sequence are a prefill; one token of many sequences is
/// batched decoding.
struct PassOptions {
  WeightTypes weights = DType::f16;
  DType kv = DType::f16;
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

/// Refuses a pass that no session could run. @throws Error{invalid_argument} naming the option.
inline void check_pass(const PassOptions& pass) {
  const auto check = [](std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + std::to_string(value) + ", expected " +
                                                   std::to_string(low) + " to " + std::to_string(high));
  };
  check("position", pass.position, 0, ConfigLimits::kContext);
  check("tokens", pass.tokens, 1, ConfigLimits::kContext);
  check("sequences", pass.sequences, 1, 1 << 20);
  check("logits", pass.logits, -1, pass.tokens * pass.sequences);
}

/// Bytes of one position of keys and values in one layer.
inline double kv_bytes_per_position(const ModelConfig& config, DType kv) {
  const double bytes = dtype_info(kv).bits_per_weight() / 8;
  if (config.is_mla()) return (static_cast<double>(config.mla.kv_rank) + config.mla.rope_dims) * bytes;
  const double scale = kv == DType::i8 ? 4 : 0;  // f32, of each key and each value
  return 2.0 * config.n_kv_heads * (config.head_dim * bytes + scale);
}

/// Distinct positions whose keys and values a pass reads in one layer, per sequence.
inline double positions_read(const ModelConfig& config, int layer, const PassOptions& pass) {
  const double end = static_cast<double>(pass.position) + static_cast<double>(pass.tokens);
  if (!config.is_windowed(layer)) return end;
  return std::min(end, static_cast<double>(pass.tokens) + config.sliding_window - 1.0);
}

/// (row, position) pairs that attention scores in one layer, per sequence: the causal triangle, cut by the window.
inline double positions_scored(const ModelConfig& config, int layer, const PassOptions& pass) {
  const double first = static_cast<double>(pass.position) + 1, n = static_cast<double>(pass.tokens);
  const double all = n * first + n * (n - 1) / 2;  // row i sees first + i positions
  if (!config.is_windowed(layer)) return all;
  const double window = config.sliding_window;
  const double growing = std::clamp(window - first + 1, 0.0, n);  // rows whose window is not full or just so
  return growing * first + growing * (growing - 1) / 2 + (n - growing) * window;
}

/// Experts of a layer that at least one of `rows` rows visits. Exact for one row; for more, the expectation when every
/// choice of experts is equally likely and rows choose independently.
inline double experts_touched(const MoeConfig& moe, double rows) {
  const double miss = 1.0 - static_cast<double>(moe.used) / moe.count;
  return rows <= 1 ? moe.used : moe.count * (1.0 - std::pow(miss, rows));
}

}  // namespace plumb
