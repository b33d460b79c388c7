#pragma once
/// @file
/// Which weight tensors a configuration has, in the order a forward pass meets them. One list serves whoever needs to
/// know: parameter counts, memory, bytes per token, random models. Tensors are logical: q, k and v are three even where
/// a file stores them as one matrix.

#include <cstdint>
#include <string_view>

#include "plumb/core/tensor.hpp"
#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a weight tensor is for.
enum class TensorRole {
  token_embedding,     ///< [V, D], one row read per token; also the head when tied
  position_embedding,  ///< [context, D], one row read per token (gpt2)
  attn_norm,           ///< [D]
  attn_q,              ///< [H * d, D]
  attn_k,              ///< [G * d, D]
  attn_v,              ///< [G * d, D]
  attn_q_norm,         ///< [d], applied to every query head
  attn_k_norm,         ///< [d], applied to every key head
  mla_q_down,          ///< [q_rank, D]
  mla_q_norm,          ///< [q_rank]
  mla_q_up,            ///< [H * (nope + rope), q_rank], or straight from D when there is no query compression
  mla_kv_down,         ///< [kv_rank + rope, D]
  mla_kv_norm,         ///< [kv_rank]
  mla_k_up,            ///< [H * nope, kv_rank]
  mla_v_up,            ///< [H * v, kv_rank]
  attn_out,            ///< [D, H * d]
  attn_post_norm,      ///< [D], after attention (gemma2, gemma3)
  ffn_norm,            ///< [D]
  ffn_gate,            ///< [F, D], gated feed-forward only
  ffn_up,              ///< [F, D]
  ffn_down,            ///< [D, F]
  router,              ///< [E, D], scores of the experts
  router_bias,         ///< [E]
  expert_gate,         ///< [E, F', D]
  expert_up,           ///< [E, F', D]
  expert_down,         ///< [E, D, F']
  shared_router,       ///< [1, D], gate of the shared expert (qwen2moe)
  shared_gate,         ///< [S, D]
  shared_up,           ///< [S, D]
  shared_down,         ///< [D, S]
  ffn_post_norm,       ///< [D], after the feed-forward block (gemma2, gemma3)
  output_norm,         ///< [D]
  head,                ///< [V, D], absent when tied
};

/// One weight tensor of a configuration.
struct TensorSpec {
  TensorRole role;
  int layer = -1;     ///< -1 outside the layers
  bool bias = false;  ///< the bias that belongs to the tensor of this role: [rows]
  Shape shape;        ///< outermost first

  /// A matrix (or stack of matrices) that a forward pass multiplies with or looks rows up in; these take the weight
  /// type, everything else stays f32.
  bool is_matrix() const {
    return shape.rank() >= 2 && role != TensorRole::router && role != TensorRole::shared_router &&
           role != TensorRole::position_embedding;
  }
};

/// Short lower-case name of a role for tables: "attn_q".
constexpr std::string_view role_name(TensorRole role) {
  switch (role) {
    case TensorRole::token_embedding: return "token_embedding";
    case TensorRole::position_embedding: return "position_embedding";
    case TensorRole::attn_norm: return "attn_norm";
    case TensorRole::attn_q: return "attn_q";
    case TensorRole::attn_k: return "attn_k";
    case TensorRole::attn_v: return "attn_v";
    case TensorRole::attn_q_norm: return "attn_q_norm";
    case TensorRole::attn_k_norm: return "attn_k_norm";
    case TensorRole::mla_q_down: return "mla_q_down";
    case TensorRole::mla_q_norm: return "mla_q_norm";
    case TensorRole::mla_q_up: return "mla_q_up";
    case TensorRole::mla_kv_down: return "mla_kv_down";
    case TensorRole::mla_kv_norm: return "mla_kv_norm";
    case TensorRole::mla_k_up: return "mla_k_up";
    case TensorRole::mla_v_up: return "mla_v_up";
    case TensorRole::attn_out: return "attn_out";
    case TensorRole::attn_post_norm: return "attn_post_norm";
    case TensorRole::ffn_norm: return "ffn_norm";
    case TensorRole::ffn_gate: return "ffn_gate";
    case TensorRole::ffn_up: return "ffn_up";
    case TensorRole::ffn_down: return "ffn_down";
    case TensorRole::router: return "router";
    case TensorRole::router_bias: return "router_bias";
    case TensorRole::expert_gate: return "expert_gate";
    case TensorRole::expert_up: return "expert_up";
    case TensorRole::expert_down: return "expert_down";
    case TensorRole::shared_router: return "shared_router";
    case TensorRole::shared_gate: return "shared_gate";
    case TensorRole::shared_up: return "shared_up";
    case TensorRole::shared_down: return "shared_down";
    case TensorRole::ffn_post_norm: return "ffn_post_norm";
    case TensorRole::output_norm: return "output_norm";
    case TensorRole::head: return "head";
  }
  return "unknown";
}

namespace detail {

/// Emits tensors of one layer (or of none) with the optional bias beside each.
template <class Visit>
struct TensorEmitter {
  const ModelConfig& config;
  const Visit& visit;
  int layer;

  void matrix(TensorRole role, std::int64_t rows, std::int64_t cols, bool bias = false) const {
    visit(TensorSpec{role, layer, false, Shape{rows, cols}});
    if (bias) visit(TensorSpec{role, layer, true, Shape{rows}});
  }
  void stack(TensorRole role, std::int64_t rows, std::int64_t cols) const {
    visit(TensorSpec{role, layer, false, Shape{config.moe.count, rows, cols}});
  }
  void vector(TensorRole role, std::int64_t n) const { visit(TensorSpec{role, layer, false, Shape{n}}); }
  void norm(TensorRole role) const {
    if (!config.norm_weight) return;
    vector(role, config.width);
    if (config.norm_bias) visit(TensorSpec{role, layer, true, Shape{config.width}});
  }
};

template <class Visit>
void attention_tensors(const ModelConfig& c, const TensorEmitter<Visit>& emit) {
  emit.norm(TensorRole::attn_norm);
  if (c.is_mla()) {
    const std::int64_t q_rows = std::int64_t{c.n_heads} * (c.mla.nope_dims + c.mla.rope_dims);
    if (c.mla.q_rank > 0) {
      emit.matrix(TensorRole::mla_q_down, c.mla.q_rank, c.width);
      emit.vector(TensorRole::mla_q_norm, c.mla.q_rank);
    }
    emit.matrix(TensorRole::mla_q_up, q_rows, c.mla.q_rank > 0 ? c.mla.q_rank : c.width);
    emit.matrix(TensorRole::mla_kv_down, c.mla.kv_rank + c.mla.rope_dims, c.width);
    emit.vector(TensorRole::mla_kv_norm, c.mla.kv_rank);
    emit.matrix(TensorRole::mla_k_up, std::int64_t{c.n_heads} * c.mla.nope_dims, c.mla.kv_rank);
    emit.matrix(TensorRole::mla_v_up, std::int64_t{c.n_heads} * c.mla.v_dims, c.mla.kv_rank);
    emit.matrix(TensorRole::attn_out, c.width, std::int64_t{c.n_heads} * c.mla.v_dims, c.attn_out_bias);
  } else {
    emit.matrix(TensorRole::attn_q, c.q_dim(), c.width, c.qkv_bias);
    emit.matrix(TensorRole::attn_k, c.kv_dim(), c.width, c.qkv_bias);
    emit.matrix(TensorRole::attn_v, c.kv_dim(), c.width, c.qkv_bias);
    if (c.qk_norm) {
      emit.vector(TensorRole::attn_q_norm, c.head_dim);
      emit.vector(TensorRole::attn_k_norm, c.head_dim);
    }
    emit.matrix(TensorRole::attn_out, c.width, c.q_dim(), c.attn_out_bias);
  }
  if (c.post_norms) emit.norm(TensorRole::attn_post_norm);
}

template <class Visit>
void expert_tensors(const ModelConfig& c, const TensorEmitter<Visit>& emit) {
  emit.matrix(TensorRole::router, c.moe.count, c.width);
  if (c.moe.router_bias) emit.vector(TensorRole::router_bias, c.moe.count);
  if (c.gated_ffn) emit.stack(TensorRole::expert_gate, c.moe.ffn_dim, c.width);
  emit.stack(TensorRole::expert_up, c.moe.ffn_dim, c.width);
  emit.stack(TensorRole::expert_down, c.width, c.moe.ffn_dim);
  if (c.moe.shared_ffn_dim > 0) {
    if (c.moe.shared_gate) emit.matrix(TensorRole::shared_router, 1, c.width);
    if (c.gated_ffn) emit.matrix(TensorRole::shared_gate, c.moe.shared_ffn_dim, c.width);
    emit.matrix(TensorRole::shared_up, c.moe.shared_ffn_dim, c.width);
    emit.matrix(TensorRole::shared_down, c.width, c.moe.shared_ffn_dim);
  }
}

}  // namespace detail

/// Calls visit(TensorSpec) for every tensor of `layer`, in the order a forward pass meets them.
template <class Visit>
void for_each_layer_tensor(const ModelConfig& config, int layer, const Visit& visit) {
  const detail::TensorEmitter<Visit> emit{config, visit, layer};
  detail::attention_tensors(config, emit);
  emit.norm(TensorRole::ffn_norm);
  if (config.is_moe_layer(layer)) {
    detail::expert_tensors(config, emit);
  } else {
    if (config.gated_ffn) emit.matrix(TensorRole::ffn_gate, config.ffn_dim, config.width, config.ffn_bias);
    emit.matrix(TensorRole::ffn_up, config.ffn_dim, config.width, config.ffn_bias);
    emit.matrix(TensorRole::ffn_down, config.width, config.ffn_dim, config.ffn_bias);
  }
  if (config.post_norms) emit.norm(TensorRole::ffn_post_norm);
}

/// Calls visit(TensorSpec) for every tensor of the configuration. Rope factor tables are not weights and not listed.
/// The configuration must have passed check_config.
template <class Visit>
void for_each_tensor(const ModelConfig& config, const Visit& visit) {
  const detail::TensorEmitter<Visit> emit{config, visit, -1};
  emit.matrix(TensorRole::token_embedding, config.vocab_size, config.width);
  if (config.learned_positions) emit.matrix(TensorRole::position_embedding, config.context, config.width);
  for (int layer = 0; layer < config.n_layers; ++layer) for_each_layer_tensor(config, layer, visit);
  emit.norm(TensorRole::output_norm);
  if (!config.tied_head) emit.matrix(TensorRole::head, config.vocab_size, config.width);
  if (config.head_bias) visit(TensorSpec{TensorRole::head, -1, true, Shape{config.vocab_size}});
}

}  // namespace plumb
