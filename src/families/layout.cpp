#include "layout.hpp"

#include <array>
#include <cmath>

namespace plumb::inline PLUMB_ABI::family {
namespace {

using enum TensorRole;

constexpr Place kUsual[] = {
    {token_embedding, "embed_tokens"},
    {output_norm, "norm"},
    {head, "lm_head"},
    {attn_norm, "input_layernorm"},
    {attn_q, "self_attn.q_proj"},
    {attn_q, "self_attn.qkv_proj", take_qkv},
    {attn_k, "self_attn.k_proj"},
    {attn_k, "self_attn.qkv_proj", take_qkv},
    {attn_v, "self_attn.v_proj"},
    {attn_v, "self_attn.qkv_proj", take_qkv},
    {attn_q_norm, "self_attn.q_norm"},
    {attn_k_norm, "self_attn.k_norm"},
    {attn_post_norm, "post_attention_layernorm"},
    {attn_sinks, "self_attn.sinks", nullptr, Suffix::none},
    {attn_out, "self_attn.o_proj"},
    {ffn_norm, "post_attention_layernorm"},
    {ffn_gate, "mlp.gate_proj"},
    {ffn_gate, "mlp.gate_up_proj", take_gate_up},
    {ffn_up, "mlp.up_proj"},
    {ffn_up, "mlp.gate_up_proj", take_gate_up},
    {ffn_down, "mlp.down_proj"},
    {ffn_post_norm, "post_feedforward_layernorm"},
    {router, "mlp.gate"},
    {router_choice_bias, "mlp.gate.e_score_correction_bias", nullptr, Suffix::none},
    {expert_gate, "mlp.experts.{}.gate_proj"},
    {expert_gate, "mlp.experts.gate_up_proj", take_gate_up, Suffix::underscore},
    {expert_up, "mlp.experts.{}.up_proj"},
    {expert_up, "mlp.experts.gate_up_proj", take_gate_up, Suffix::underscore},
    {expert_down, "mlp.experts.{}.down_proj"},
    {expert_down, "mlp.experts.down_proj", nullptr, Suffix::underscore},
    {shared_router, "mlp.shared_expert_gate"},
    {shared_gate, "mlp.shared_experts.gate_proj"},
    {shared_gate, "mlp.shared_expert.gate_proj"},
    {shared_up, "mlp.shared_experts.up_proj"},
    {shared_up, "mlp.shared_expert.up_proj"},
    {shared_down, "mlp.shared_experts.down_proj"},
    {shared_down, "mlp.shared_expert.down_proj"},
    {mla_q_down, "self_attn.q_a_proj"},
    {mla_q_norm, "self_attn.q_a_layernorm"},
    {mla_q_up, "self_attn.q_b_proj"},
    {mla_kv_down, "self_attn.kv_a_proj_with_mqa"},
    {mla_kv_norm, "self_attn.kv_a_layernorm"},
    {mla_k_up, "self_attn.kv_b_proj", take_latent_keys},
    {mla_v_up, "self_attn.kv_b_proj", take_latent_values},
};

}  // namespace

std::span<const Place> usual_places() { return kUsual; }

bool is_norm(TensorRole role) {
  switch (role) {
    case attn_norm:
    case attn_q_norm:
    case attn_k_norm:
    case attn_post_norm:
    case ffn_norm:
    case ffn_post_norm:
    case output_norm: return true;
    default: return false;
  }
}

RowShape row_shape(const TensorSpec& tensor) {
  const Shape& shape = tensor.shape;
  if (tensor.id.bias && shape.rank() == 2) return {shape[0], shape[1], 1};
  if (shape.rank() < 2) return {1, shape.elements(), 1};
  const std::int64_t matrices = shape.rank() > 2 ? shape[0] : 1;
  return {matrices, shape.rows() / matrices, shape.cols()};
}

Gather rows_from(std::int64_t first, std::int64_t all) {
  return {.rows = all, .row = [first](std::int64_t r) { return first + r; }};
}

Gather take_qkv(const Asked& asked) {
  const AttentionSpec& attention = asked.attention();
  const std::int64_t q = attention.q_matrix_rows(), k = attention.k_rows(), v = attention.v_rows();
  const TensorRole role = asked.tensor.id.role;
  return rows_from(role == attn_q ? 0 : role == attn_k ? q : q + k, q + k + v);
}

Gather take_turned_qkv(const Asked& asked) {
  Gather gather = take_qkv(asked);
  gather.turned = !asked.tensor.id.bias;
  return gather;
}

Gather take_grouped_qkv(const Asked& asked) {
  const AttentionSpec& attention = asked.attention();
  const std::int64_t each = attention.n_heads / attention.n_kv_heads, dim = attention.head_dim,
                     group = (each + 2) * dim;
  const TensorRole role = asked.tensor.id.role;
  const std::int64_t mine = role == attn_q ? each * dim : dim;
  const std::int64_t first = role == attn_q ? 0 : role == attn_k ? each * dim : (each + 1) * dim;
  return {.rows = attention.n_kv_heads * group,
          .row = [=](std::int64_t r) { return r / mine * group + first + r % mine; }};
}

Gather take_gate_up(const Asked& asked) {
  const std::int64_t inner = asked.shape().rows;
  const TensorRole role = asked.tensor.id.role;
  const std::int64_t first = role == ffn_up || role == expert_up || role == shared_up ? inner : 0;
  return {.rows = 2 * inner, .row = [=](std::int64_t r) { return r / inner * 2 * inner + first + r % inner; }};
}

Gather take_turned_gate_up(const Asked& asked) {
  Gather gather = take_gate_up(asked);
  gather.turned = true;
  return gather;
}

Gather take_turned(const Asked& asked) { return {.turned = !asked.tensor.id.bias}; }

Gather take_minus_exp(const Asked&) {
  return {.change = [](std::int64_t, float number) { return -std::exp(number); }};
}

Gather take_latent_keys(const Asked& asked) {
  const auto& latent = std::get<LatentAttentionSpec>(asked.layer().mixer);
  // Seen as [heads, nope + v_dims, kv_rank], of which each head's first rows are the columns of ours.
  return {.cols = std::int64_t{latent.nope_dims} + latent.v_dims, .turned = true, .flat = true};
}

Gather take_latent_values(const Asked& asked) {
  const auto& latent = std::get<LatentAttentionSpec>(asked.layer().mixer);
  const std::int64_t nope = latent.nope_dims, v = latent.v_dims;
  return {.rows = nope + v, .row = [=](std::int64_t r) { return r / v * (nope + v) + nope + r % v; }, .flat = true};
}

}  // namespace plumb::family
