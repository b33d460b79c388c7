#include "latent.hpp"

#include <cmath>

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// Ranks whose matrices tell more than the keys: a file with the queries' matrix alone does not compress them, whatever
/// it says of a rank.
int read_query_rank(const Keys& keys, int layer) {
  const bool whole = keys.tensor_exists({TensorRole::attn_q, layer, false});
  if (whole && !keys.tensor_exists({TensorRole::mla_q_down, layer, false})) return 0;
  return keys.natural_or({"attention.q_lora_rank", "q_lora_rank"}, 0, SpecLimits::kWidth);
}

/// Scores that change with the position are another feature than a scale.
void refuse_temperature(const Keys& keys) {
  const Field temperature{"attention.temperature_scale", ""};
  if (keys.real_or(temperature, 0.0f) != 0.0f)
    keys.fail(ErrorCode::unsupported_type, temperature,
              "is not 0: a temperature that grows with the position is not known in latent attention");
}

float scale_of(const LatentAttentionSpec& latent, float scores) {
  return scores * scores / std::sqrt(static_cast<float>(latent.head_dim()));
}

}  // namespace

LatentAttentionSpec read_latent(const Keys& keys, const NormSpec& norm, int layer) {
  using Limits = SpecLimits;
  LatentAttentionSpec latent;
  latent.n_heads = keys.count({"attention.head_count", "num_attention_heads"}, Limits::kHeads);
  latent.q_rank = read_query_rank(keys, layer);
  latent.kv_rank = keys.count({"attention.kv_lora_rank", "kv_lora_rank"}, Limits::kWidth);
  latent.rope_dims = keys.natural_or({"rope.dimension_count", "qk_rope_head_dim"}, 0, Limits::kHeadDim);
  latent.norm = norm;
  latent.rope = -1;
  if (!keys.is_gguf()) {
    latent.nope_dims = keys.count({"", "qk_nope_head_dim"}, Limits::kHeadDim);
    latent.v_dims = keys.count({"", "v_head_dim"}, Limits::kHeadDim);
    latent.down_bias = latent.out_bias = keys.flag_or({"", "attention_bias"}, false);
    return latent;
  }
  refuse_temperature(keys);
  latent.down_bias = keys.tensor_exists({TensorRole::mla_kv_down, layer, true});
  latent.out_bias = keys.tensor_exists({TensorRole::attn_out, layer, true});
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

float yarn_magnitude(float multiplier, float factor) {
  return factor > 1.0f ? 1.0f + 0.1f * multiplier * std::log(factor) : 1.0f;
}

YarnMagnitudes yarn_magnitudes(float attn_factor, float multiplier, float factor, bool one_multiplier) {
  const float one = yarn_magnitude(1.0f, factor), of_scores = yarn_magnitude(multiplier, factor);
  const float rotated = multiplier == 0.0f ? one : one_multiplier ? 1.0f : one / of_scores;
  return {attn_factor * rotated, attn_factor * rotated * of_scores};
}

void read_yarn_magnitudes(const Keys& keys, bool one_multiplier, RopeSpec& rope, LatentAttentionSpec& latent) {
  if (rope.scaling != RopeScaling::yarn) return;
  YarnMagnitudes read;
  if (keys.is_gguf()) {
    const float multiplier = 10 * keys.real_or({"rope.scaling.yarn_log_multiplier", ""}, 0.0f);
    read = yarn_magnitudes(rope.attn_factor, multiplier, rope.factor, one_multiplier);
  } else {
    const Keys own = keys.has_object("rope_parameters") ? keys.within("rope_parameters") : keys.within("rope_scaling");
    read.scores = yarn_magnitude(own.real_or({"", "mscale_all_dim"}, 0.0f), rope.factor);
    read.rotated = yarn_magnitude(own.real_or({"", "mscale"}, 1.0f), rope.factor) / read.scores;
  }
  rope.attn_factor = read.rotated / yarn_magnitude(1.0f, rope.factor);
  if (read.scores != 1.0f) latent.scale = scale_of(latent, read.scores);
}

void write_yarn_magnitudes(GgufWriter& writer, const ModelSpec& spec, const LatentAttentionSpec& latent,
                           bool one_multiplier) {
  if (latent.rope < 0) return;
  const RopeSpec& rope = spec.ropes[static_cast<std::size_t>(latent.rope)];
  if (rope.scaling != RopeScaling::yarn) return;
  const float one = yarn_magnitude(1.0f, rope.factor), rotated = rope.attn_factor * one;
  const float scores =
      latent.scale > 0 ? std::sqrt(latent.scale * std::sqrt(static_cast<float>(latent.head_dim()))) : 1.0f;
  const float multiplier = rope.factor > 1.0f ? (scores / rotated - 1.0f) / (0.1f * std::log(rope.factor)) : 0.0f;
  const float usual = multiplier == 0.0f ? rotated / one : one_multiplier ? rotated : scores / one;
  // The value that reads back as the same float.
  const std::string prefix = spec.family + ".rope.scaling.";
  for (const float value : {1.0f, usual, std::nextafter(usual, 0.0f), std::nextafter(usual, INFINITY)})
    if (yarn_magnitudes(value, 10 * (multiplier / 10), rope.factor, one_multiplier).rotated / one == rope.attn_factor) {
      writer.set(prefix + "attn_factor", value);
      break;
    }
  if (multiplier != 0.0f) writer.set(prefix + "yarn_log_multiplier", multiplier / 10);
}

}  // namespace plumb::family
