// GLM 4.5 to 4.7: biases of q, k and v, a part of each head rotated, norms of heads in the larger models, leading dense
// layers, then experts that are chosen by sigmoids with a bias of the choice, beside one that all rows visit.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace glm {
namespace {

ModelSpec read_glm4_moe(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  ExpertStyle experts;
  experts.sigmoid = experts.choice_bias = true;
  experts.renormalise = false;
  read_experts(keys, spec, experts);
  for (int l = 0; l < spec.n_layers(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    if (!keys.is_gguf()) attention.out_bias = false;
    const bool normed = keys.is_gguf() ? keys.tensor_exists({TensorRole::attn_q_norm, l, false})
                                       : keys.flag_or({"", "use_qk_norm"}, false);
    if (!normed) continue;
    attention.qk_norm_over = QkNormOver::head;
    attention.qk_norm = *spec.output.norm;
  }
  drop_guessing_layers(keys, spec);
  return spec;
}

constexpr Alias kNames[] = {{"num_experts", "n_routed_experts"}};
constexpr RoleName kTensors[] = {{TensorRole::ffn_norm, "post_attention_norm"}};
constexpr ModelType kTypes[] = {
    {"glm4_moe",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":8,"partial_rotary_factor":0.5,
         "num_experts_per_tok":8,"n_shared_experts":1,"n_routed_experts":128,"first_k_dense_replace":1,
         "moe_intermediate_size":1408,"norm_topk_prob":true})",
     kNames}};

constexpr Family kFamilies[] = {
    {.architecture = "glm4moe", .models = "GLM 4.5 to 4.7", .read = read_glm4_moe, .types = kTypes, .names = kTensors},
};

}  // namespace
}  // namespace glm

std::span<const Family> glm_families() { return glm::kFamilies; }

}  // namespace plumb::family
