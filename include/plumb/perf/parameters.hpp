#pragma once
/// @file
/// How many parameters a model has, and where they sit.

#include <cstdint>

#include "plumb/core/checked.hpp"
#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {

/// Parameters of a model. A tied head counts once, under `embedding`.
struct ParameterCount {
  std::int64_t embedding =
      0;  ///< tables of tokens, positions and kinds of text; the projections that make several streams of one
  std::int64_t attention = 0;  ///< projections of mixers of all kinds, their biases, convolutions and rates
  std::int64_t ffn = 0;        ///< dense feed-forward blocks and shared experts
  std::int64_t experts = 0;    ///< all routed experts
  std::int64_t router = 0;     ///< scores of experts and of streams
  std::int64_t norms = 0;
  std::int64_t head = 0;            ///< 0 when tied; of models that make embeddings, what follows the pooling
  std::int64_t experts_active = 0;  ///< the part of `experts` that one token visits
  std::int64_t per_layer = 0;       ///< the part of `embedding` that is a table of values for every layer

  std::int64_t total() const { return embedding + attention + ffn + experts + router + norms + head; }
  /// Parameters that take part in one token, with the whole embedding counted, but not per-layer tables, as model cards
  /// do.
  std::int64_t active() const { return total() - experts + experts_active - per_layer; }
  std::int64_t non_embedding() const { return total() - embedding - head; }
};

/// What a tensor's parameters are counted under.
enum class ParameterPart { none, embedding, attention, ffn, experts, router, norms, head };

constexpr ParameterPart part_of(TensorRole role) {
  switch (role) {
    case TensorRole::rope_factors:
    case TensorRole::rope_factors_long:
    case TensorRole::rope_factors_short: return ParameterPart::none;  // tables, not weights
    case TensorRole::token_embedding:
    case TensorRole::position_embedding:
    case TensorRole::token_types:
    case TensorRole::per_layer_table:
    case TensorRole::per_layer_inputs:
    case TensorRole::altup_spread:
    case TensorRole::altup_merge: return ParameterPart::embedding;
    case TensorRole::attn_q:
    case TensorRole::attn_k:
    case TensorRole::attn_v:
    case TensorRole::attn_sinks:
    case TensorRole::attn_gate:
    case TensorRole::mla_q_down:
    case TensorRole::mla_q_up:
    case TensorRole::mla_kv_down:
    case TensorRole::mla_k_up:
    case TensorRole::mla_v_up:
    case TensorRole::indexer_q:
    case TensorRole::indexer_k:
    case TensorRole::indexer_weights:
    case TensorRole::attn_qkv:
    case TensorRole::ssm_conv:
    case TensorRole::ssm_conv_q:
    case TensorRole::ssm_conv_k:
    case TensorRole::ssm_conv_v:
    case TensorRole::ssm_a:
    case TensorRole::ssm_d:
    case TensorRole::ssm_in:
    case TensorRole::ssm_x:
    case TensorRole::ssm_dt:
    case TensorRole::ssm_alpha:
    case TensorRole::ssm_beta:
    case TensorRole::ssm_beta_alpha:
    case TensorRole::ssm_decay_down:
    case TensorRole::ssm_decay_up:
    case TensorRole::ssm_gate_down:
    case TensorRole::ssm_gate_up:
    case TensorRole::ssm_out:
    case TensorRole::shortconv_in:
    case TensorRole::shortconv_conv:
    case TensorRole::shortconv_out:
    case TensorRole::mix_lerp:
    case TensorRole::mix_receptance:
    case TensorRole::mix_key:
    case TensorRole::mix_value:
    case TensorRole::mix_decay:
    case TensorRole::mix_decay_down:
    case TensorRole::mix_decay_up:
    case TensorRole::mix_rate:
    case TensorRole::mix_rate_down:
    case TensorRole::mix_rate_up:
    case TensorRole::mix_first:
    case TensorRole::mix_first_down:
    case TensorRole::mix_first_up:
    case TensorRole::mix_gate_down:
    case TensorRole::mix_gate_up:
    case TensorRole::mix_key_scale:
    case TensorRole::mix_key_rate:
    case TensorRole::mix_bonus:
    case TensorRole::mix_out:
    case TensorRole::attn_out:
    case TensorRole::laurel_down:
    case TensorRole::laurel_up: return ParameterPart::attention;
    case TensorRole::ffn_shift:
    case TensorRole::ffn_gate:
    case TensorRole::ffn_up:
    case TensorRole::ffn_down:
    case TensorRole::shared_router:
    case TensorRole::shared_gate:
    case TensorRole::shared_up:
    case TensorRole::shared_down:
    case TensorRole::per_layer_gate:
    case TensorRole::per_layer_out: return ParameterPart::ffn;
    case TensorRole::expert_gate:
    case TensorRole::expert_up:
    case TensorRole::expert_down: return ParameterPart::experts;
    case TensorRole::router:
    case TensorRole::router_choice_bias:
    case TensorRole::expert_scale:
    case TensorRole::altup_router:
    case TensorRole::altup_predict:
    case TensorRole::altup_correct: return ParameterPart::router;
    case TensorRole::dense_2:
    case TensorRole::dense_3:
    case TensorRole::head: return ParameterPart::head;
    case TensorRole::embedding_norm:
    case TensorRole::experts_norm:
    case TensorRole::shared_post_norm:
    case TensorRole::experts_post_norm:
    case TensorRole::router_norm:
    case TensorRole::per_layer_norm:
    case TensorRole::attn_norm:
    case TensorRole::attn_q_norm:
    case TensorRole::attn_k_norm:
    case TensorRole::mla_q_norm:
    case TensorRole::mla_kv_norm:
    case TensorRole::indexer_k_norm:
    case TensorRole::laurel_norm:
    case TensorRole::attn_out_norm:
    case TensorRole::attn_post_norm:
    case TensorRole::ffn_down_norm:
    case TensorRole::ssm_norm:
    case TensorRole::mix_norm:
    case TensorRole::ssm_dt_norm:
    case TensorRole::ssm_b_norm:
    case TensorRole::ssm_c_norm:
    case TensorRole::attn_stream_norm:
    case TensorRole::ffn_norm:
    case TensorRole::ffn_post_norm:
    case TensorRole::ffn_stream_norm:
    case TensorRole::per_layer_post_norm:
    case TensorRole::layer_scale:
    case TensorRole::altup_router_norm:
    case TensorRole::altup_scale:
    case TensorRole::output_norm: return ParameterPart::norms;
  }
  return ParameterPart::none;
}

/// Counts parameters. The spec must have passed check_spec. @throws Error{overflow} beyond 2^63.
inline ParameterCount count_parameters(const ModelSpec& spec) {
  ParameterCount count;
  const auto add = [](std::int64_t& sum, std::int64_t n) { sum = checked_add(sum, n, "parameters"); };
  std::int64_t total = 0;  // guards the sums that total() makes
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    const std::int64_t n = tensor.shape.elements();
    const ParameterPart part = part_of(tensor.id.role);
    if (part == ParameterPart::none) return;
    add(total, n);
    switch (part) {
      case ParameterPart::none: break;
      case ParameterPart::embedding:
        if (tensor.id.role == TensorRole::per_layer_table) add(count.per_layer, n);
        return add(count.embedding, n);
      case ParameterPart::attention: return add(count.attention, n);
      case ParameterPart::ffn: return add(count.ffn, n);
      case ParameterPart::router: return add(count.router, n);
      case ParameterPart::norms: return add(count.norms, n);
      case ParameterPart::head: return add(count.head, n);
      case ParameterPart::experts: {
        const auto& experts = std::get<ExpertsSpec>(spec.layers[static_cast<std::size_t>(tensor.id.layer)].ffn);
        add(count.experts, n);
        return add(count.experts_active, n / experts.count * experts.used);
      }
    }
  });
  return count;
}

}  // namespace plumb
