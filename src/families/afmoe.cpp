// Trinity (AFMoE): norms before and after each part, embeddings times sqrt(D), a gate on every value of the heads'
// sums; three layers of four have a window and rotate, the fourth neither; leading dense layers, then experts that are
// chosen by sigmoids with a bias of the choice.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace afmoe {
namespace {

/// A constant of the engine that GGUF files are made for: every so manieth layer does not rotate.
constexpr int kPeriod = 4;

ModelSpec read_afmoe(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  const bool scaled = keys.is_gguf() || keys.flag_or({"", "mup_enabled"}, false);
  spec.embedding.scale = scaled ? std::sqrt(static_cast<float>(spec.width)) : 1.0f;
  norm_queries_and_keys(spec, QkNormOver::head);
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch}) branch->post_norm = branch->norm;
  for_each_attention(spec, [](AttentionSpec& attention) { attention.output_gate = OutputGate::element; });
  WindowStyle windows;
  windows.period = keys.count_or({"", "global_attn_every_n_layers"}, kPeriod, SpecLimits::kLayers);
  windows.flags = false;
  read_windows(keys, spec, windows);
  for (int l = 0; l < spec.n_layers(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    if (keys.is_gguf() ? (l + 1) % kPeriod == 0 : attention.window == 0) attention.rope = -1;
  }
  read_base_of_windows(keys, spec);
  ExpertStyle experts;
  experts.sigmoid = experts.choice_bias = true;
  experts.renormalise = false;
  read_experts(keys, spec, experts);
  return spec;
}

constexpr Alias kNames[] = {{"n_shared_experts", "num_shared_experts"},
                            {"first_k_dense_replace", "num_dense_layers"},
                            {"norm_topk_prob", "route_norm"},
                            {"routed_scaling_factor", "route_scale"},
                            {"scoring_func", "score_func"}};
constexpr ModelType kTypes[] = {
    {"afmoe",
     R"({"max_position_embeddings":16384,"rms_norm_eps":1e-5,"head_dim":128,"sliding_window":1024,"route_norm":true,
         "num_dense_layers":1,"num_experts":64,"num_experts_per_tok":6,"num_shared_experts":2,
         "moe_intermediate_size":1408})",
     kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::attn_gate, "self_attn.gate_proj"},
    {TensorRole::ffn_norm, "pre_mlp_layernorm"},
    {TensorRole::ffn_post_norm, "post_mlp_layernorm"},
    {TensorRole::router, "mlp.router.gate"},
    {TensorRole::router_choice_bias, "mlp.expert_bias", nullptr, Suffix::none},
};

constexpr Family kFamilies[] = {{.architecture = "afmoe",
                                 .models = "Trinity (AFMoE)",
                                 .read = read_afmoe,
                                 .types = kTypes,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace afmoe

std::span<const Family> afmoe_families() { return afmoe::kFamilies; }

}  // namespace plumb::family
