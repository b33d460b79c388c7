// DeepSeek-V2 to V3.2 and what is built like them: latent attention, experts in all but the first layers; from V3.2 on
// an indexer that chooses the positions to attend to.

#include "decoder.hpp"
#include "latent.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace deepseek {
namespace {

/// Files of GLM-4.7-Flash that were made before there was a key for the scores of experts are told by their sizes, as
/// llama.cpp does it (src/models/deepseek2.cpp).
bool is_early_glm(const Keys& keys, const ModelSpec& spec) {
  return keys.is_gguf() && !keys.has({"expert_gating_func", ""}) && spec.vocab_size == 154880 &&
         (spec.n_layers() == 47 || spec.n_layers() == 48);
}

void read_deepseek_experts(const Keys& keys, ModelSpec& spec) {
  const bool noaux = keys.text_or({"", "topk_method"}, "") == "noaux_tc";
  const int first = keys.natural_or({"", "first_k_dense_replace"}, 0, SpecLimits::kLayers);
  const int step = keys.count_or({"", "moe_layer_freq"}, 1, SpecLimits::kLayers);
  ExpertStyle style;
  style.renormalise = false;
  style.sparse = [=](int layer) { return layer >= first && layer % step == 0; };
  read_experts(keys, spec, style);
  const bool early_glm = is_early_glm(keys, spec);
  for (LayerSpec& layer : spec.layers) {
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (!experts) continue;
    experts->choice_bias |= noaux;
    ops::RoutingRule& rule = experts->routing;
    rule.sigmoid |= early_glm;
    if (keys.text_or({"", "topk_method"}, "") == "greedy") rule.groups = rule.groups_used = 0;
    // V2 judges a group by its best expert, V3, which chooses by sigmoids, by its best two.
    if (rule.groups > 0) rule.best_two = rule.sigmoid || experts->choice_bias;
  }
}

/// `one_multiplier`: see yarn_magnitudes.
ModelSpec read_latent_decoder(const Keys& keys, bool one_multiplier) {
  Style style;
  style.attention = false;
  ModelSpec spec = read_decoder(keys, style);
  const NormSpec norm = *spec.output.norm;
  for (int l = 0; l < spec.n_layers(); ++l) {
    LatentAttentionSpec latent = read_latent(keys, norm, l);
    if (latent.rope_dims > 0) {
      RopeSpec rope = read_rope(keys, RopePairs::interleaved, latent.rope_dims, spec.context);
      rope.dims = latent.rope_dims;
      read_yarn_magnitudes(keys, one_multiplier, rope, latent);
      if (spec.ropes.empty()) spec.ropes.push_back(rope);
      latent.rope = 0;
    }
    latent.scale = keys.real_or({"attention.scale", ""}, latent.scale);
    spec.layers[static_cast<std::size_t>(l)].mixer = latent;
  }
  if (keys.natural_or({"expert_count", "num_experts"}, 0, SpecLimits::kExperts) > 0) read_deepseek_experts(keys, spec);
  drop_guessing_layers(keys, spec);
  return spec;
}

ModelSpec read_deepseek2(const Keys& keys) { return read_latent_decoder(keys, true); }

/// The indexer rotates as many dimensions as the attention, but pairs halves.
ModelSpec read_deepseek32(const Keys& keys) {
  ModelSpec spec = read_latent_decoder(keys, false);
  IndexerSpec indexer;
  indexer.heads = keys.count({"attention.indexer.head_count", "index_n_heads"}, SpecLimits::kHeads);
  indexer.dims = keys.count({"attention.indexer.key_length", "index_head_dim"}, SpecLimits::kHeadDim);
  indexer.top = keys.count({"attention.indexer.top_k", "index_topk"}, SpecLimits::kContext);
  if (!spec.ropes.empty()) {
    spec.ropes.push_back(spec.ropes[0]);
    spec.ropes.back().pairs = RopePairs::halves;
    indexer.rope = 1;
  }
  for (LayerSpec& layer : spec.layers) std::get<LatentAttentionSpec>(layer.mixer).indexer = indexer;
  return spec;
}

/// The same keys, back.
void write_deepseek(GgufWriter& writer, const ModelSpec& spec) {
  if (const LatentAttentionSpec* latent = first_latent(spec))
    write_yarn_magnitudes(writer, spec, *latent, spec.family == "deepseek2");
}

constexpr Alias kNames[] = {{"num_experts", "n_routed_experts"}};

constexpr std::string_view kV3 = R"({"max_position_embeddings":4096,"rms_norm_eps":1e-6,"topk_method":"noaux_tc",
    "scoring_func":"sigmoid","norm_topk_prob":true,"routed_scaling_factor":2.5})";

constexpr ModelType kTypes[] = {
    {"deepseek_v2",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"topk_method":"greedy","scoring_func":"softmax"})", kNames},
    {"deepseek_v3", kV3, kNames},
    {"kimi_k2", kV3, kNames},
    {"glm4_moe_lite",
     R"({"max_position_embeddings":202752,"rms_norm_eps":1e-5,"topk_method":"noaux_tc","scoring_func":"sigmoid",
         "norm_topk_prob":true,"routed_scaling_factor":1.8,"n_group":1,"topk_group":1})",
     kNames},
};

constexpr ModelType kSparseTypes[] = {
    {"deepseek_v32",
     R"({"max_position_embeddings":163840,"rms_norm_eps":1e-6,"topk_method":"noaux_tc","scoring_func":"sigmoid",
         "norm_topk_prob":true,"routed_scaling_factor":2.5,"index_n_heads":64,"index_head_dim":128,"index_topk":2048})",
     kNames},
};

constexpr Place kSparsePlaces[] = {
    {TensorRole::indexer_q, "self_attn.indexer.wq_b"},
    {TensorRole::indexer_k, "self_attn.indexer.wk"},
    {TensorRole::indexer_k_norm, "self_attn.indexer.k_norm"},
    {TensorRole::indexer_weights, "self_attn.indexer.weights_proj"},
};

constexpr Family kFamilies[] = {
    {"deepseek2", "DeepSeek-V2, V3 and R1, Kimi-K2, GLM-4.7-Flash", read_deepseek2, kTypes, write_deepseek},
    {.architecture = "deepseek32",
     .models = "DeepSeek-V3.2",
     .read = read_deepseek32,
     .types = kSparseTypes,
     .write = write_deepseek,
     .folder = {.places = kSparsePlaces}},
};

}  // namespace
}  // namespace deepseek

std::span<const Family> deepseek_families() { return deepseek::kFamilies; }

}  // namespace plumb::family
