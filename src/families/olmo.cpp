// OLMo 1 to 3 and OLMoE. OLMo 1 has norms without weights and bounds q, k and v; OLMo 2 and 3 norm what a part adds,
// not what it reads, and all heads of q and k together, as OLMoE does. OLMo 3 files are of the architecture of OLMo 2:
// most layers have a window, and only the others stretch their rotation.

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace olmo {
namespace {

const Field kClip{"attention.clamp_kqv", "clip_qkv"};

void clip(const Keys& keys, ModelSpec& spec) {
  const float bound = keys.real_or(kClip, 0.0f);
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.clip = bound; });
}

void norm_all_heads(ModelSpec& spec) {
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qk_norm_over = QkNormOver::all_heads;
    attention.qk_norm = *spec.output.norm;
  });
}

ModelSpec read_olmo(const Keys& keys) {
  Style style;
  style.norm = NormKind::layer;
  style.norm_weight = style.norm_bias = false;
  ModelSpec spec = read_decoder(keys, style);
  clip(keys, spec);
  return spec;
}

ModelSpec read_olmo2(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_all_heads(spec);
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch}) std::swap(branch->norm, branch->post_norm);
  WindowStyle windows;
  windows.period = 4;
  windows.flags = false;
  read_windows(keys, spec, windows);
  usual_yarn_borders(spec);
  if (!keys.is_gguf()) spec.ropes[0].attn_factor = 1.0f;  // of YaRN: no key that is read can say another
  const float base = spec.ropes[0].base;
  const RopeSpec local = plain_rope(spec.ropes[0], keys.real_or({"rope.freq_base_swa", ""}, base));
  if (local != spec.ropes[0]) rotate_windows_by(spec, local);
  return spec;
}

ModelSpec read_olmoe(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_all_heads(spec);
  clip(keys, spec);
  ExpertStyle experts;  // the usual key of a width is that of an expert
  experts.fallback_inner = std::get<DenseSpec>(spec.layers.front().ffn).inner;
  experts.renormalise = false;
  read_experts(keys, spec, experts);
  return spec;
}

constexpr Alias kMoeNames[] = {{"moe_intermediate_size", "intermediate_size"}};

constexpr ModelType kOlmo[] = {{"olmo", R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5})"}};
constexpr ModelType kOlmo2[] = {
    {"olmo2", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5})"},
    {"olmo3", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5,"sliding_window":4096})"},
};
constexpr ModelType kOlmoe[] = {
    {"olmoe", R"({"max_position_embeddings":4096,"rms_norm_eps":1e-5,"num_experts":64,"num_experts_per_tok":8})",
     kMoeNames}};

constexpr Family kFamilies[] = {
    {.architecture = "olmo", .models = "OLMo", .read = read_olmo, .types = kOlmo, .folder = {.halves = true}},
    {"olmo2", "OLMo 2 and 3", read_olmo2, kOlmo2},
    {"olmoe", "OLMoE", read_olmoe, kOlmoe},
};

}  // namespace
}  // namespace olmo

std::span<const Family> olmo_families() { return olmo::kFamilies; }

}  // namespace plumb::family
