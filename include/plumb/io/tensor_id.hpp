#pragma once
/// @file
/// What a weight tensor is for, and the names that GGUF files give to it. Inside plumb a tensor is named by role and
/// layer; the names of files are looked up here (GGUF specification, "Standardized tensor names") and, where a family
/// has names of its own, in its file under src/families.

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a weight tensor is for. The shapes stand with the blocks that own the tensors (plumb/blocks).
enum class TensorRole {
  token_embedding,      ///< rows of the vocabulary; also the head when tied
  position_embedding,   ///< rows of the positions (gpt2)
  token_types,          ///< rows of the kinds of text, of which the first is added to every token (bert)
  embedding_norm,       ///< after the embedding (bloom)
  per_layer_table,      ///< rows of the vocabulary, a part for each layer (gemma3n)
  per_layer_inputs,     ///< projection of the embedding, a part for each layer
  per_layer_norm,       ///< norm of its parts
  altup_spread,         ///< the other streams from the first (gemma3n)
  rope_factors,         ///< divide the rotation's frequencies (llama 3.1)
  rope_factors_long,    ///< the same for contexts beyond the original one (phi3)
  rope_factors_short,   ///< and for those within it
  attn_norm,            ///< before the mixer
  attn_q,               ///< queries
  attn_k,               ///< keys
  attn_v,               ///< values
  attn_q_norm,          ///< norm of the query heads
  attn_k_norm,          ///< norm of the key heads
  attn_sinks,           ///< a logit per head that takes part in the softmax and has no value (gpt-oss)
  attn_gate,            ///< gates on the heads' weighted values
  attn_out_norm,        ///< norm of these before the output projection (bitnet)
  attn_out,             ///< output projection
  laurel_down,          ///< the low-rank branch beside the mixer (gemma3n)
  laurel_up,            ///< back to the width of the stream
  laurel_norm,          ///< its norm
  attn_post_norm,       ///< after the mixer
  attn_stream_norm,     ///< of the stream with the mixer's output (bert)
  mla_q_down,           ///< compression of the queries
  mla_q_norm,           ///< its norm
  mla_q_up,             ///< queries from the compressed ones, or straight from the stream
  mla_kv_down,          ///< compression of keys and values
  mla_kv_norm,          ///< its norm
  mla_k_up,             ///< of each head: what queries of keys are against the compressed vector
  mla_v_up,             ///< of each head: values from the compressed vector
  indexer_q,            ///< queries of an indexer, from the compressed ones
  indexer_k,            ///< its key
  indexer_k_norm,       ///< its norm
  indexer_weights,      ///< weights of its heads
  attn_qkv,             ///< queries, keys and values of a delta net in one matrix
  ssm_conv,             ///< taps of a convolution over the last positions
  ssm_conv_q,           ///< the same of queries alone
  ssm_conv_k,           ///< of keys
  ssm_conv_v,           ///< of values
  ssm_a,                ///< rates of decay, below zero
  ssm_d,                ///< how much of its input a state space passes on
  ssm_in,               ///< input projection of a state space
  ssm_x,                ///< Mamba 1: steps of a low rank, and what is written and read
  ssm_dt_norm,          ///< norm of these steps
  ssm_b_norm,           ///< of what is written
  ssm_c_norm,           ///< of what is read
  ssm_dt,               ///< steps of time; the bias alone in delta nets
  ssm_alpha,            ///< what decays depend on, a number a head
  ssm_beta,             ///< how much of a value is written, a number a head
  ssm_beta_alpha,       ///< both, by groups of heads with one key (qwen3next)
  ssm_decay_down,       ///< low-rank decays of every channel (kimi)
  ssm_decay_up,         ///< back to all channels
  ssm_gate_down,        ///< low-rank gates of the output
  ssm_gate_up,          ///< back to all channels
  ssm_norm,             ///< norm of the output before its projection
  ssm_out,              ///< output projection
  shortconv_in,         ///< both gates and the values of a short convolution
  shortconv_conv,       ///< its taps
  shortconv_out,        ///< its output projection
  mix_lerp,             ///< how much of the position before each input of RWKV's time mixing takes
  mix_receptance,       ///< what the state is asked by
  mix_key,              ///< keys
  mix_value,            ///< values
  mix_decay,            ///< decays of every channel: what is added
  mix_decay_down,       ///< low-rank decays
  mix_decay_up,         ///< back to all channels
  mix_rate,             ///< rates at which keys replace: what is added
  mix_rate_down,        ///< low-rank rates
  mix_rate_up,          ///< back to all channels
  mix_first,            ///< how much of the first layer's values is taken: what is added
  mix_first_down,       ///< the same of a low rank
  mix_first_up,         ///< back to all channels
  mix_gate_down,        ///< low-rank gates of the output
  mix_gate_up,          ///< back to all channels
  mix_key_scale,        ///< multiplies keys that are recalled
  mix_key_rate,         ///< how much of the rates goes into keys
  mix_bonus,            ///< what a position sees of itself
  mix_norm,             ///< norm of every head's output
  mix_out,              ///< output projection
  ffn_norm,             ///< before the feed-forward block
  ffn_shift,            ///< how much of the position before the feed-forward block takes (RWKV)
  ffn_gate,             ///< gate projection of a dense block
  ffn_up,               ///< up projection
  ffn_down_norm,        ///< norm of the input of the down projection (bitnet)
  ffn_down,             ///< down projection
  experts_norm,         ///< before the experts, where the shared one has a norm of its own (gemma4)
  shared_post_norm,     ///< after the shared expert
  experts_post_norm,    ///< after the sum of the others
  router_norm,          ///< before their scores
  router,               ///< scores of the experts
  router_choice_bias,   ///< added to the scores for the choice of experts alone
  expert_gate,          ///< gate projections of all experts
  expert_up,            ///< up projections
  expert_down,          ///< down projections
  expert_scale,         ///< a number for each expert that multiplies its output
  shared_router,        ///< gate of the shared expert
  shared_gate,          ///< gate projection of the shared expert
  shared_up,            ///< up projection
  shared_down,          ///< down projection
  ffn_post_norm,        ///< after the feed-forward block
  ffn_stream_norm,      ///< of the stream with the block's output (bert)
  per_layer_gate,       ///< gate of the layer's part of the per-layer embedding
  per_layer_out,        ///< its way back to the stream
  per_layer_post_norm,  ///< norm of what comes back
  layer_scale,          ///< a number that multiplies the stream after the layer (gemma4)
  altup_router_norm,    ///< norm of what the coefficients of the streams are computed from
  altup_router,         ///< one score per stream
  altup_predict,        ///< coefficients of the prediction from the scores
  altup_correct,        ///< coefficients of the correction from the scores
  altup_scale,          ///< multiplies the stream that the per-layer embedding's gate reads
  altup_merge,          ///< the other streams on their way to the head
  output_norm,          ///< before the head
  dense_2,              ///< of the pooled stream (gemma-embedding)
  dense_3,              ///< of what comes out of that
  head,                 ///< logits from the stream; absent when tied
};

/// What is known of a role: its name in tables, its usual name in GGUF files, its kind.
struct RoleNames {
  TensorRole role;
  std::string_view name;  ///< "attn_q"
  std::string_view gguf;  ///< the part of a tensor's name that tells the role
  /// Tensors of the role are matrices that a forward pass multiplies with or looks rows up in. Norms, routers, sinks,
  /// scales, convolutions, rates, rope factors and tables of positions are not, whatever their shape: they stay f32.
  bool matrix;
};

/// All roles, in the order of the enumeration.
inline constexpr std::array kRoleNames{
    RoleNames{TensorRole::token_embedding, "token_embedding", "token_embd", true},
    RoleNames{TensorRole::position_embedding, "position_embedding", "position_embd", false},
    RoleNames{TensorRole::token_types, "token_types", "token_types", false},
    RoleNames{TensorRole::embedding_norm, "embedding_norm", "token_embd_norm", false},
    RoleNames{TensorRole::per_layer_table, "per_layer_table", "per_layer_token_embd", true},
    RoleNames{TensorRole::per_layer_inputs, "per_layer_inputs", "per_layer_model_proj", true},
    RoleNames{TensorRole::per_layer_norm, "per_layer_norm", "per_layer_proj_norm", false},
    RoleNames{TensorRole::altup_spread, "altup_spread", "altup_proj", true},
    RoleNames{TensorRole::rope_factors, "rope_factors", "rope_freqs", false},
    RoleNames{TensorRole::rope_factors_long, "rope_factors_long", "rope_factors_long", false},
    RoleNames{TensorRole::rope_factors_short, "rope_factors_short", "rope_factors_short", false},
    RoleNames{TensorRole::attn_norm, "attn_norm", "attn_norm", false},
    RoleNames{TensorRole::attn_q, "attn_q", "attn_q", true},
    RoleNames{TensorRole::attn_k, "attn_k", "attn_k", true},
    RoleNames{TensorRole::attn_v, "attn_v", "attn_v", true},
    RoleNames{TensorRole::attn_q_norm, "attn_q_norm", "attn_q_norm", false},
    RoleNames{TensorRole::attn_k_norm, "attn_k_norm", "attn_k_norm", false},
    RoleNames{TensorRole::attn_sinks, "attn_sinks", "attn_sinks", false},
    RoleNames{TensorRole::attn_gate, "attn_gate", "attn_gate", true},
    RoleNames{TensorRole::attn_out_norm, "attn_out_norm", "attn_sub_norm", false},
    RoleNames{TensorRole::attn_out, "attn_out", "attn_output", true},
    RoleNames{TensorRole::laurel_down, "laurel_down", "laurel_l", true},
    RoleNames{TensorRole::laurel_up, "laurel_up", "laurel_r", true},
    RoleNames{TensorRole::laurel_norm, "laurel_norm", "laurel_post_norm", false},
    RoleNames{TensorRole::attn_post_norm, "attn_post_norm", "post_attention_norm", false},
    RoleNames{TensorRole::attn_stream_norm, "attn_stream_norm", "attn_output_norm", false},
    RoleNames{TensorRole::mla_q_down, "mla_q_down", "attn_q_a", true},
    RoleNames{TensorRole::mla_q_norm, "mla_q_norm", "attn_q_a_norm", false},
    RoleNames{TensorRole::mla_q_up, "mla_q_up", "attn_q_b", true},
    RoleNames{TensorRole::mla_kv_down, "mla_kv_down", "attn_kv_a_mqa", true},
    RoleNames{TensorRole::mla_kv_norm, "mla_kv_norm", "attn_kv_a_norm", false},
    RoleNames{TensorRole::mla_k_up, "mla_k_up", "attn_k_b", true},
    RoleNames{TensorRole::mla_v_up, "mla_v_up", "attn_v_b", true},
    RoleNames{TensorRole::indexer_q, "indexer_q", "indexer.attn_q_b", true},
    RoleNames{TensorRole::indexer_k, "indexer_k", "indexer.attn_k", true},
    RoleNames{TensorRole::indexer_k_norm, "indexer_k_norm", "indexer.k_norm", false},
    RoleNames{TensorRole::indexer_weights, "indexer_weights", "indexer.proj", false},
    RoleNames{TensorRole::attn_qkv, "attn_qkv", "attn_qkv", true},
    RoleNames{TensorRole::ssm_conv, "ssm_conv", "ssm_conv1d", false},
    RoleNames{TensorRole::ssm_conv_q, "ssm_conv_q", "ssm_conv1d_q", false},
    RoleNames{TensorRole::ssm_conv_k, "ssm_conv_k", "ssm_conv1d_k", false},
    RoleNames{TensorRole::ssm_conv_v, "ssm_conv_v", "ssm_conv1d_v", false},
    RoleNames{TensorRole::ssm_a, "ssm_a", "ssm_a", false},
    RoleNames{TensorRole::ssm_d, "ssm_d", "ssm_d", false},
    RoleNames{TensorRole::ssm_in, "ssm_in", "ssm_in", true},
    RoleNames{TensorRole::ssm_x, "ssm_x", "ssm_x", true},
    RoleNames{TensorRole::ssm_dt_norm, "ssm_dt_norm", "ssm_dt_norm", false},
    RoleNames{TensorRole::ssm_b_norm, "ssm_b_norm", "ssm_b_norm", false},
    RoleNames{TensorRole::ssm_c_norm, "ssm_c_norm", "ssm_c_norm", false},
    RoleNames{TensorRole::ssm_dt, "ssm_dt", "ssm_dt", true},
    RoleNames{TensorRole::ssm_alpha, "ssm_alpha", "ssm_alpha", true},
    RoleNames{TensorRole::ssm_beta, "ssm_beta", "ssm_beta", true},
    RoleNames{TensorRole::ssm_beta_alpha, "ssm_beta_alpha", "ssm_ba", true},
    RoleNames{TensorRole::ssm_decay_down, "ssm_decay_down", "ssm_f_a", true},
    RoleNames{TensorRole::ssm_decay_up, "ssm_decay_up", "ssm_f_b", true},
    RoleNames{TensorRole::ssm_gate_down, "ssm_gate_down", "ssm_g_a", true},
    RoleNames{TensorRole::ssm_gate_up, "ssm_gate_up", "ssm_g_b", true},
    RoleNames{TensorRole::ssm_norm, "ssm_norm", "ssm_norm", false},
    RoleNames{TensorRole::ssm_out, "ssm_out", "ssm_out", true},
    RoleNames{TensorRole::shortconv_in, "shortconv_in", "shortconv.in_proj", true},
    RoleNames{TensorRole::shortconv_conv, "shortconv_conv", "shortconv.conv", false},
    RoleNames{TensorRole::shortconv_out, "shortconv_out", "shortconv.out_proj", true},
    RoleNames{TensorRole::mix_lerp, "mix_lerp", "time_mix_lerp_fused", false},
    RoleNames{TensorRole::mix_receptance, "mix_receptance", "time_mix_receptance", true},
    RoleNames{TensorRole::mix_key, "mix_key", "time_mix_key", true},
    RoleNames{TensorRole::mix_value, "mix_value", "time_mix_value", true},
    RoleNames{TensorRole::mix_decay, "mix_decay", "time_mix_w0", false},
    RoleNames{TensorRole::mix_decay_down, "mix_decay_down", "time_mix_w1", true},
    RoleNames{TensorRole::mix_decay_up, "mix_decay_up", "time_mix_w2", true},
    RoleNames{TensorRole::mix_rate, "mix_rate", "time_mix_a0", false},
    RoleNames{TensorRole::mix_rate_down, "mix_rate_down", "time_mix_a1", true},
    RoleNames{TensorRole::mix_rate_up, "mix_rate_up", "time_mix_a2", true},
    RoleNames{TensorRole::mix_first, "mix_first", "time_mix_v0", false},
    RoleNames{TensorRole::mix_first_down, "mix_first_down", "time_mix_v1", true},
    RoleNames{TensorRole::mix_first_up, "mix_first_up", "time_mix_v2", true},
    RoleNames{TensorRole::mix_gate_down, "mix_gate_down", "time_mix_g1", true},
    RoleNames{TensorRole::mix_gate_up, "mix_gate_up", "time_mix_g2", true},
    RoleNames{TensorRole::mix_key_scale, "mix_key_scale", "time_mix_k_k", false},
    RoleNames{TensorRole::mix_key_rate, "mix_key_rate", "time_mix_k_a", false},
    RoleNames{TensorRole::mix_bonus, "mix_bonus", "time_mix_r_k", false},
    RoleNames{TensorRole::mix_norm, "mix_norm", "time_mix_ln", false},
    RoleNames{TensorRole::mix_out, "mix_out", "time_mix_output", true},
    RoleNames{TensorRole::ffn_norm, "ffn_norm", "ffn_norm", false},
    RoleNames{TensorRole::ffn_shift, "ffn_shift", "channel_mix_lerp_k", false},
    RoleNames{TensorRole::ffn_gate, "ffn_gate", "ffn_gate", true},
    RoleNames{TensorRole::ffn_up, "ffn_up", "ffn_up", true},
    RoleNames{TensorRole::ffn_down_norm, "ffn_down_norm", "ffn_sub_norm", false},
    RoleNames{TensorRole::ffn_down, "ffn_down", "ffn_down", true},
    RoleNames{TensorRole::experts_norm, "experts_norm", "pre_ffw_norm_2", false},
    RoleNames{TensorRole::shared_post_norm, "shared_post_norm", "post_ffw_norm_1", false},
    RoleNames{TensorRole::experts_post_norm, "experts_post_norm", "post_ffw_norm_2", false},
    RoleNames{TensorRole::router_norm, "router_norm", "ffn_gate_inp", false},
    RoleNames{TensorRole::router, "router", "ffn_gate_inp", false},
    RoleNames{TensorRole::router_choice_bias, "router_choice_bias", "exp_probs_b", false},
    RoleNames{TensorRole::expert_gate, "expert_gate", "ffn_gate_exps", true},
    RoleNames{TensorRole::expert_up, "expert_up", "ffn_up_exps", true},
    RoleNames{TensorRole::expert_down, "expert_down", "ffn_down_exps", true},
    RoleNames{TensorRole::expert_scale, "expert_scale", "ffn_down_exps", false},
    RoleNames{TensorRole::shared_router, "shared_router", "ffn_gate_inp_shexp", false},
    RoleNames{TensorRole::shared_gate, "shared_gate", "ffn_gate_shexp", true},
    RoleNames{TensorRole::shared_up, "shared_up", "ffn_up_shexp", true},
    RoleNames{TensorRole::shared_down, "shared_down", "ffn_down_shexp", true},
    RoleNames{TensorRole::ffn_post_norm, "ffn_post_norm", "post_ffw_norm", false},
    RoleNames{TensorRole::ffn_stream_norm, "ffn_stream_norm", "layer_output_norm", false},
    RoleNames{TensorRole::per_layer_gate, "per_layer_gate", "inp_gate", true},
    RoleNames{TensorRole::per_layer_out, "per_layer_out", "proj", true},
    RoleNames{TensorRole::per_layer_post_norm, "per_layer_post_norm", "post_norm", false},
    RoleNames{TensorRole::layer_scale, "layer_scale", "layer_output_scale", false},
    RoleNames{TensorRole::altup_router_norm, "altup_router_norm", "altup_router_norm", false},
    RoleNames{TensorRole::altup_router, "altup_router", "altup_router", false},
    RoleNames{TensorRole::altup_predict, "altup_predict", "altup_predict_coef", false},
    RoleNames{TensorRole::altup_correct, "altup_correct", "altup_correct_coef", false},
    RoleNames{TensorRole::altup_scale, "altup_scale", "altup_correct_scale", false},
    RoleNames{TensorRole::altup_merge, "altup_merge", "altup_unembd_proj", true},
    RoleNames{TensorRole::output_norm, "output_norm", "output_norm", false},
    RoleNames{TensorRole::dense_2, "dense_2", "dense_2", true},
    RoleNames{TensorRole::dense_3, "dense_3", "dense_3", true},
    RoleNames{TensorRole::head, "head", "output", true},
};
static_assert(kRoleNames.size() == static_cast<std::size_t>(TensorRole::head) + 1);
static_assert([] {
  for (std::size_t i = 0; i < kRoleNames.size(); ++i)
    if (kRoleNames[i].role != static_cast<TensorRole>(i)) return false;
  return true;
}());

/// Short lower-case name of a role for tables: "attn_q".
constexpr std::string_view role_name(TensorRole role) { return kRoleNames[static_cast<std::size_t>(role)].name; }

/// Whether tensors of a role are matrices (RoleNames::matrix).
constexpr bool is_matrix_role(TensorRole role) { return kRoleNames[static_cast<std::size_t>(role)].matrix; }

/// One weight tensor of a model by what it is for.
struct TensorId {
  TensorRole role = TensorRole::token_embedding;
  int layer = -1;     ///< -1 outside the layers
  bool bias = false;  ///< the bias that belongs to the tensor of this role

  bool operator==(const TensorId&) const = default;
};

/// Whether a tensor scales what another of its name makes: GGUF files tell the two by ".scale".
constexpr bool is_scale_role(TensorRole role) {
  return role == TensorRole::router_norm || role == TensorRole::expert_scale;
}

/// What follows the role in a tensor's name: ".weight", ".scale" or ".bias", which the steering bias of a router is
/// too; nothing for rates of decay and for what a state space passes on.
constexpr std::string_view gguf_suffix(const TensorId& id) {
  if (id.role == TensorRole::ssm_a || id.role == TensorRole::ssm_d) return {};
  if (id.bias || id.role == TensorRole::router_choice_bias) return ".bias";
  return is_scale_role(id.role) ? ".scale" : ".weight";
}

/// The usual name in GGUF files: "blk.3.attn_q.weight", "output.bias". `base` replaces the name of the role.
inline std::string gguf_tensor_name(const TensorId& id, std::string_view base = {}) {
  std::string name = id.layer >= 0 ? "blk." + std::to_string(id.layer) + "." : "";
  if (base.empty()) base = kRoleNames[static_cast<std::size_t>(id.role)].gguf;
  return name.append(base).append(gguf_suffix(id));
}

/// A tensor's name taken apart: "blk.7.ffn_down.weight" is "ffn_down" of layer 7, "output.bias" the bias of "output".
struct GgufName {
  std::string_view base;    ///< between layer and suffix
  std::string_view suffix;  ///< ".weight", ".bias", ".scale" or nothing
  int layer = -1;
};
constexpr GgufName split_gguf_name(std::string_view name) {
  GgufName parts;
  if (name.starts_with("blk.")) {
    const std::string_view rest = name.substr(4);
    int layer = 0;
    std::size_t digits = 0;
    while (digits < rest.size() && digits < 9 && rest[digits] >= '0' && rest[digits] <= '9')
      layer = layer * 10 + (rest[digits++] - '0');
    if (digits > 0 && digits < rest.size() && rest[digits] == '.') {
      parts.layer = layer;
      name = rest.substr(digits + 1);
    }
  }
  for (const std::string_view suffix :
       {std::string_view(".weight"), std::string_view(".bias"), std::string_view(".scale")})
    if (name.ends_with(suffix)) {
      parts.suffix = suffix;
      name.remove_suffix(suffix.size());
    }
  parts.base = name;
  return parts;
}

/// What the usual name stands for; nothing for names that are not in the table.
constexpr std::optional<TensorId> tensor_id_of_gguf_name(std::string_view name) {
  const GgufName parts = split_gguf_name(name);
  for (const RoleNames& known : kRoleNames)
    if (known.gguf == parts.base && is_scale_role(known.role) == (parts.suffix == ".scale"))
      return TensorId{known.role, parts.layer, parts.suffix == ".bias" && known.role != TensorRole::router_choice_bias};
  return std::nullopt;
}

}  // namespace plumb
