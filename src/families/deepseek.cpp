// DeepSeek-V2 and V3: latent attention, experts in all but the first layers. Described and counted; the block of latent
// attention says that it does not run yet.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// Magnitude that YaRN's authors give to a stretch, for a multiplier of their formula (Peng et al. 2023).
float yarn_magnitude(float multiplier, float factor) {
  return factor > 1.0f ? 1.0f + 0.1f * multiplier * std::log(factor) : 1.0f;
}

/// YaRN with two multipliers: one for the rotated vectors, which cancels as a rule, one for the scores.
void read_yarn_multipliers(const Keys& keys, RopeSpec& rope, LatentAttentionSpec& latent) {
  if (rope.scaling != RopeScaling::yarn) return;
  const Keys own = keys.has_object("rope_parameters") ? keys.within("rope_parameters") : keys.within("rope_scaling");
  float of_scores = 0, magnitude = 1;
  if (keys.is_gguf()) {
    of_scores = 10 * own.real_or({"rope.scaling.yarn_log_multiplier", ""}, 0.0f);
    magnitude = rope.attn_factor;
  } else {
    of_scores = own.real_or({"", "mscale_all_dim"}, 0.0f);
    magnitude = yarn_magnitude(own.real_or({"", "mscale"}, 1.0f), rope.factor) / yarn_magnitude(of_scores, rope.factor);
  }
  rope.attn_factor = magnitude / yarn_magnitude(1.0f, rope.factor);
  const float m = yarn_magnitude(of_scores, rope.factor);
  if (m != 1.0f) latent.scale = m * m / std::sqrt(static_cast<float>(latent.nope_dims + latent.rope_dims));
}

LatentAttentionSpec read_latent(const Keys& keys, const NormSpec& norm) {
  using Limits = SpecLimits;
  LatentAttentionSpec latent;
  latent.n_heads = keys.count({"attention.head_count", "num_attention_heads"}, Limits::kHeads);
  latent.q_rank = keys.natural_or({"attention.q_lora_rank", "q_lora_rank"}, 0, Limits::kWidth);
  latent.kv_rank = keys.count({"attention.kv_lora_rank", "kv_lora_rank"}, Limits::kWidth);
  latent.rope_dims = keys.natural_or({"rope.dimension_count", "qk_rope_head_dim"}, 0, Limits::kHeadDim);
  latent.norm = norm;
  if (!keys.is_gguf()) {
    latent.nope_dims = keys.count({"", "qk_nope_head_dim"}, Limits::kHeadDim);
    latent.v_dims = keys.count({"", "v_head_dim"}, Limits::kHeadDim);
    return latent;
  }
  // Older files, whose attention is not in the absorbed form, have these lengths under the usual keys.
  const bool absorbed = keys.has({"attention.key_length_mla", ""});
  const Field key{absorbed ? "attention.key_length_mla" : "attention.key_length", ""};
  const int key_dims = keys.count(key, Limits::kHeadDim);
  if (key_dims <= latent.rope_dims)
    keys.fail(ErrorCode::bad_value, key,
              std::to_string(key_dims) + ", expected more than the " + std::to_string(latent.rope_dims) +
                  " rotated dimensions");
  latent.nope_dims = key_dims - latent.rope_dims;
  latent.v_dims =
      keys.count({absorbed ? "attention.value_length_mla" : "attention.value_length", ""}, Limits::kHeadDim);
  return latent;
}

void read_deepseek_experts(const Keys& keys, ModelSpec& spec) {
  const bool noaux = keys.text_or({"", "topk_method"}, "") == "noaux_tc";
  const int first = keys.natural_or({"", "first_k_dense_replace"}, 0, SpecLimits::kLayers);
  const int step = keys.count_or({"", "moe_layer_freq"}, 1, SpecLimits::kLayers);
  ExpertStyle style;
  style.renormalise = false;
  style.sparse = [=](int layer) { return layer >= first && layer % step == 0; };
  read_experts(keys, spec, style);
  for (LayerSpec& layer : spec.layers) {
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (!experts) continue;
    experts->choice_bias |= noaux;
    ops::RoutingRule& rule = experts->routing;
    if (keys.text_or({"", "topk_method"}, "") == "greedy") rule.groups = rule.groups_used = 0;
    // V2 judges a group by its best expert, V3, which chooses by sigmoids, by its best two.
    if (rule.groups > 0) rule.best_two = rule.sigmoid || experts->choice_bias;
  }
}

ModelSpec read_deepseek(const Keys& keys) {
  Style style;
  style.attention = false;
  ModelSpec spec = read_decoder(keys, style);
  LatentAttentionSpec latent = read_latent(keys, *spec.output.norm);
  latent.rope = -1;
  if (latent.rope_dims > 0) {
    RopeSpec rope = read_rope(keys, RopePairs::interleaved, latent.rope_dims, spec.context);
    rope.dims = latent.rope_dims;
    read_yarn_multipliers(keys, rope, latent);
    spec.ropes.push_back(rope);
    latent.rope = 0;
  }
  latent.scale = keys.real_or({"attention.scale", ""}, latent.scale);
  for (LayerSpec& layer : spec.layers) {
    latent.out_bias = std::get<AttentionSpec>(layer.mixer).out_bias;
    layer.mixer = latent;
  }
  if (keys.natural_or({"expert_count", "num_experts"}, 0, SpecLimits::kExperts) > 0) read_deepseek_experts(keys, spec);
  drop_guessing_layers(keys, spec);
  return spec;
}

/// The same keys, back.
void write_deepseek(GgufWriter& writer, const ModelSpec& spec) {
  const auto* latent = std::get_if<LatentAttentionSpec>(&spec.layers.front().mixer);
  if (!latent || spec.ropes.empty() || spec.ropes[0].scaling != RopeScaling::yarn) return;
  const RopeSpec& rope = spec.ropes[0];
  const float own = yarn_magnitude(1.0f, rope.factor);
  // The value that reads back as the same float.
  for (const float value : {1.0f, rope.attn_factor * own, std::nextafter(rope.attn_factor * own, 0.0f),
                            std::nextafter(rope.attn_factor * own, INFINITY)})
    if (value / own == rope.attn_factor) {
      writer.set("deepseek2.rope.scaling.attn_factor", value);
      break;
    }
  if (latent->scale <= 0 || rope.factor <= 1.0f) return;
  const float m = std::sqrt(latent->scale * std::sqrt(static_cast<float>(latent->nope_dims + latent->rope_dims)));
  writer.set("deepseek2.rope.scaling.yarn_log_multiplier", (m - 1.0f) / std::log(rope.factor));
}

constexpr Alias kNames[] = {{"num_experts", "n_routed_experts"}};

constexpr ModelType kTypes[] = {
    {"deepseek_v2",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"topk_method":"greedy","scoring_func":"softmax"})", kNames},
    {"deepseek_v3",
     R"({"max_position_embeddings":4096,"rms_norm_eps":1e-6,"topk_method":"noaux_tc","scoring_func":"sigmoid",
         "norm_topk_prob":true,"routed_scaling_factor":2.5})",
     kNames},
};

constexpr Family kFamilies[] = {
    {"deepseek2", "DeepSeek-V2, V3 and R1", read_deepseek, kTypes, write_deepseek},
};

}  // namespace

std::span<const Family> deepseek_families() { return kFamilies; }

}  // namespace plumb::family
