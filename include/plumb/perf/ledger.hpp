#pragma once
/// @file
/// The ledger: what a forward pass must do and move, from a configuration alone. It counts what is really touched: one
/// row of the embedding per token, the experts that are visited, the positions inside a window, the head only for rows
/// that ask for logits. The file size is not the bytes per token.

#include <cstdint>

#include "plumb/perf/ledger_writer.hpp"

namespace plumb::inline PLUMB_ABI {

/// Memory that a session holds, in bytes.
struct MemoryUse {
  double weights = 0;
  double kv = 0;           ///< keys and values of the whole context, windowed layers included
  double activations = 0;  ///< scratch of one pass
  double total() const { return weights + kv + activations; }
};

/// The work of one forward pass. The configuration must have passed check_config. @throws Error{invalid_argument}.
inline Ledger pass_work(const ModelConfig& config, const PassOptions& pass) {
  check_pass(pass);
  return detail::LedgerWriter(config, pass).write();
}

/// Memory of a session with room for `context` positions of each of `sequences` sequences.
/// Activations are those of a pass of `batch` rows.
inline MemoryUse memory_use(const ModelConfig& config, const WeightTypes& weights, DType kv, std::int64_t context,
                            std::int64_t sequences = 1, std::int64_t batch = 512) {
  MemoryUse memory;
  for_each_tensor(config, [&](const TensorSpec& tensor) {
    memory.weights += weight_traffic(weights.of(tensor), static_cast<double>(tensor.shape.rows()),
                                     static_cast<double>(tensor.shape.cols()))
                          .weights();
  });
  memory.kv = kv_bytes_per_position(config, kv) * static_cast<double>(context) * static_cast<double>(sequences) *
              config.n_layers;
  const MoeConfig& moe = config.moe;
  const double inner =
      config.is_moe() ? static_cast<double>(moe.used) * moe.ffn_dim + moe.shared_ffn_dim : config.ffn_dim;
  const double outer = 3.0 + 2.0 * moe.used;  // gathered inputs and outputs of the experts
  const double per_row = outer * config.width + 2.0 * config.q_dim() + 2.0 * config.kv_dim() + 2.0 * inner;
  memory.activations = 4 * (per_row * static_cast<double>(batch) +
                            static_cast<double>(config.vocab_size) * static_cast<double>(sequences));
  return memory;
}

}  // namespace plumb
