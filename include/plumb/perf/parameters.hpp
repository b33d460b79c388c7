#pragma once
/// @file
/// How many parameters a configuration has, and where they sit.

#include <cstdint>

#include "plumb/core/checked.hpp"
#include "plumb/model/tensor_list.hpp"

namespace plumb::inline PLUMB_ABI {

/// Parameters of a configuration. A tied head counts once, under `embedding`.
struct ParameterCount {
  std::int64_t embedding = 0;  ///< token and position tables
  std::int64_t attention = 0;  ///< projections and their biases
  std::int64_t ffn = 0;        ///< dense feed-forward blocks and shared experts
  std::int64_t experts = 0;    ///< all routed experts
  std::int64_t router = 0;     ///< expert scores
  std::int64_t norms = 0;
  std::int64_t head = 0;            ///< 0 when tied
  std::int64_t experts_active = 0;  ///< the part of `experts` that one token visits

  std::int64_t total() const { return embedding + attention + ffn + experts + router + norms + head; }
  /// Parameters that take part in one token, with the whole embedding counted, as model cards do.
  std::int64_t active() const { return total() - experts + experts_active; }
  std::int64_t non_embedding() const { return total() - embedding - head; }
};

/// Counts parameters. The configuration must have passed check_config. @throws Error{overflow} beyond 2^63.
inline ParameterCount count_parameters(const ModelConfig& config) {
  ParameterCount count;
  const auto add = [](std::int64_t& sum, std::int64_t n) { sum = checked_add(sum, n, "parameters"); };
  std::int64_t total = 0;  // guards the sums that total() makes
  for_each_tensor(config, [&](const TensorSpec& tensor) {
    const std::int64_t n = tensor.shape.elements();
    add(total, n);
    switch (tensor.role) {
      case TensorRole::token_embedding:
      case TensorRole::position_embedding: add(count.embedding, n); break;
      case TensorRole::attn_q:
      case TensorRole::attn_k:
      case TensorRole::attn_v:
      case TensorRole::mla_q_down:
      case TensorRole::mla_q_up:
      case TensorRole::mla_kv_down:
      case TensorRole::mla_k_up:
      case TensorRole::mla_v_up:
      case TensorRole::attn_out: add(count.attention, n); break;
      case TensorRole::ffn_gate:
      case TensorRole::ffn_up:
      case TensorRole::ffn_down:
      case TensorRole::shared_router:
      case TensorRole::shared_gate:
      case TensorRole::shared_up:
      case TensorRole::shared_down: add(count.ffn, n); break;
      case TensorRole::expert_gate:
      case TensorRole::expert_up:
      case TensorRole::expert_down:
        add(count.experts, n);
        add(count.experts_active, n / config.moe.count * config.moe.used);
        break;
      case TensorRole::router:
      case TensorRole::router_bias: add(count.router, n); break;
      case TensorRole::head: add(count.head, n); break;
      case TensorRole::attn_norm:
      case TensorRole::attn_q_norm:
      case TensorRole::attn_k_norm:
      case TensorRole::mla_q_norm:
      case TensorRole::mla_kv_norm:
      case TensorRole::attn_post_norm:
      case TensorRole::ffn_norm:
      case TensorRole::ffn_post_norm:
      case TensorRole::output_norm: add(count.norms, n); break;
    }
  });
  return count;
}

}  // namespace plumb
