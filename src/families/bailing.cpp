// Ling 2 and Ring 2 (BailingMoE 2): q, k and v in one matrix, norms of the heads of q and k, a part of each head
// rotated, leading dense layers, then experts in groups beside one that all rows visit.

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace bailing {
namespace {

/// Version 1 has the same model_type, other norms and other experts.
void refuse_first_version(const Keys& keys) {
  const Field field{"", "architectures"};
  for (const std::string& name : keys.texts(field))
    if (name.find("V2") == std::string::npos)
      keys.fail(ErrorCode::unsupported_architecture, field, "names '" + name + "', expected BailingMoeV2ForCausalLM");
}

/// What the file calls the width of the shared experts is that of each of them.
ModelSpec read_bailing_moe2(const Keys& keys) {
  if (!keys.is_gguf()) refuse_first_version(keys);
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::head);
  if (!keys.is_gguf()) {
    const bool bias = keys.flag_or({"", "use_qkv_bias"}, false);
    for_each_attention(spec, [&](AttentionSpec& attention) { attention.qkv_bias = bias; });
  }
  ExpertStyle experts;
  experts.sigmoid = true;
  experts.choice_bias = keys.flag_or({"", "moe_router_enable_expert_bias"}, true);
  experts.renormalise = false;
  read_experts(keys, spec, experts);
  const int shared = keys.natural_or({"expert_shared_count", "n_shared_experts"}, 0, SpecLimits::kExperts);
  for_each_experts(spec, [&](ExpertsSpec& own) {
    const int each = keys.natural_or({"expert_shared_feed_forward_length", "shared_expert_intermediate_size"}, 0,
                                     SpecLimits::kFfn / std::max(1, shared));
    own.shared.inner = (each > 0 ? each : own.expert.inner) * shared;
  });
  drop_guessing_layers(keys, spec);
  return spec;
}

void write_bailing_moe2(GgufWriter& writer, const ModelSpec& spec) {
  const ExpertsSpec* experts = first_experts(spec);
  if (experts && experts->has_shared()) writer.set("bailingmoe2.expert_shared_count", std::uint32_t{1});
}

constexpr Alias kNames[] = {{"n_shared_experts", "num_shared_experts"},
                            {"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"},
                            {"scoring_func", "score_function"},
                            {"attention_bias", "use_bias"},
                            {"mlp_bias", "use_bias"}};
constexpr ModelType kTypes[] = {
    {"bailing_moe",
     R"({"max_position_embeddings":16384,"rms_norm_eps":1e-6,"partial_rotary_factor":0.5,"norm_topk_prob":true,
         "first_k_dense_replace":0})",
     kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::token_embedding, "word_embeddings"},
    {TensorRole::attn_q_norm, "attention.query_layernorm"},
    {TensorRole::attn_k_norm, "attention.key_layernorm"},
    {TensorRole::router_choice_bias, "mlp.gate.expert_bias", nullptr, Suffix::none},
    {TensorRole::attn_q, "attention.query_key_value", take_qkv},
    {TensorRole::attn_k, "attention.query_key_value", take_qkv},
    {TensorRole::attn_v, "attention.query_key_value", take_qkv},
    {TensorRole::attn_out, "attention.dense"},
};

constexpr Family kFamilies[] = {
    {.architecture = "bailingmoe2",
     .models = "Ling 2 and Ring 2",
     .read = read_bailing_moe2,
     .types = kTypes,
     .write = write_bailing_moe2,
     .fused = {.qkv = true},
     .folder = {.places = kPlaces}},
};

}  // namespace
}  // namespace bailing

std::span<const Family> bailing_families() { return bailing::kFamilies; }

}  // namespace plumb::family
