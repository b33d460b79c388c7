#pragma once
/// @file
/// The names that GGUF files give to weight tensors (GGUF specification, "Standardized tensor names").

#include <string>

#include "plumb/model/tensor_list.hpp"

namespace plumb::inline PLUMB_ABI {

/// The part of the name that tells the role: "attn_q", "token_embd".
constexpr std::string_view gguf_role_name(TensorRole role) {
  switch (role) {
    case TensorRole::token_embedding: return "token_embd";
    case TensorRole::position_embedding: return "position_embd";
    case TensorRole::attn_norm: return "attn_norm";
    case TensorRole::attn_q: return "attn_q";
    case TensorRole::attn_k: return "attn_k";
    case TensorRole::attn_v: return "attn_v";
    case TensorRole::attn_q_norm: return "attn_q_norm";
    case TensorRole::attn_k_norm: return "attn_k_norm";
    case TensorRole::mla_q_down: return "attn_q_a";
    case TensorRole::mla_q_norm: return "attn_q_a_norm";
    case TensorRole::mla_q_up: return "attn_q_b";
    case TensorRole::mla_kv_down: return "attn_kv_a_mqa";
    case TensorRole::mla_kv_norm: return "attn_kv_a_norm";
    case TensorRole::mla_k_up: return "attn_k_b";
    case TensorRole::mla_v_up: return "attn_v_b";
    case TensorRole::attn_out: return "attn_output";
    case TensorRole::attn_post_norm: return "post_attention_norm";
    case TensorRole::ffn_norm: return "ffn_norm";
    case TensorRole::ffn_gate: return "ffn_gate";
    case TensorRole::ffn_up: return "ffn_up";
    case TensorRole::ffn_down: return "ffn_down";
    case TensorRole::router: return "ffn_gate_inp";
    case TensorRole::router_bias: return "exp_probs_b";
    case TensorRole::expert_gate: return "ffn_gate_exps";
    case TensorRole::expert_up: return "ffn_up_exps";
    case TensorRole::expert_down: return "ffn_down_exps";
    case TensorRole::shared_router: return "ffn_gate_inp_shexp";
    case TensorRole::shared_gate: return "ffn_gate_shexp";
    case TensorRole::shared_up: return "ffn_up_shexp";
    case TensorRole::shared_down: return "ffn_down_shexp";
    case TensorRole::ffn_post_norm: return "post_ffw_norm";
    case TensorRole::output_norm: return "output_norm";
    case TensorRole::head: return "output";
  }
  return "unknown";
}

/// The whole name: "blk.3.attn_q.weight", "output.bias".
inline std::string gguf_tensor_name(const TensorSpec& tensor) {
  std::string name = tensor.layer >= 0 ? "blk." + std::to_string(tensor.layer) + "." : "";
  const bool bias = tensor.bias || tensor.role == TensorRole::router_bias;
  return name.append(gguf_role_name(tensor.role)).append(bias ? ".bias" : ".weight");
}

}  // namespace plumb
