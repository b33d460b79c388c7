// Mistral 3 (Ministral 3, Mistral Large 3's dense kin): the Llama shape, YaRN with a multiplier of its magnitude, and
// queries that grow with the position.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace mistral {
namespace {

/// Magnitude that YaRN's authors give to a stretch, for a multiplier of their formula (Peng et al. 2023).
float yarn_magnitude(float multiplier, float factor) {
  return factor > 1.0f ? 1.0f + 0.1f * multiplier * std::log(factor) : 1.0f;
}

/// The stretch of the file divided by that of all dimensions.
void read_multiplier(const Keys& keys, const Keys& own, RopeSpec& rope) {
  if (rope.scaling != RopeScaling::yarn) return;
  const float all = own.real_or({"rope.scaling.yarn_log_multiplier", "mscale_all_dim"}, 0.0f);
  const float mine = keys.is_gguf() ? 1.0f : own.real_or({"", "mscale"}, 1.0f);
  if (all == 0.0f) return;
  const float magnitude = yarn_magnitude(mine, rope.factor) / yarn_magnitude(all, rope.factor);
  rope.attn_factor *= magnitude / yarn_magnitude(1.0f, rope.factor);
}

ModelSpec read_mistral3(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  const Keys own = keys.has_object("rope_parameters") ? keys.within("rope_parameters") : keys.within("rope_scaling");
  read_multiplier(keys, own, spec.ropes[0]);
  const Field growth{"attention.temperature_scale", "llama_4_scaling_beta"};
  TemperatureSpec temperature;
  temperature.scale = own.real_or(growth, 0.0f);
  const Field trained{"rope.scaling.original_context_length", "original_max_position_embeddings"};
  if (temperature.scale != 0) temperature.floor = own.count_or(trained, spec.context, SpecLimits::kContext);
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.temperature = temperature; });
  if (keys.natural_or({"expert_count", "num_local_experts"}, 0, SpecLimits::kExperts) == 0) return spec;
  const int inner = dense_inner(spec);
  ExpertStyle experts;
  experts.fallback_inner = inner;
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, false);
  for_each_experts(spec, [&](ExpertsSpec& all) { all.expert.inner = inner; });
  return spec;
}

void write_mistral3(GgufWriter& writer, const ModelSpec& spec) {
  const AttentionSpec* attention = first_attention(spec);
  if (attention && attention->temperature.scale != 0) {
    writer.set("mistral3.attention.temperature_scale", attention->temperature.scale);
    writer.set("mistral3.rope.scaling.original_context_length",
               static_cast<std::uint32_t>(attention->temperature.floor));
  }
}

constexpr Alias kNames[] = {{"num_experts", "num_local_experts"}};
constexpr ModelType kTypes[] = {
    {"ministral3", R"({"max_position_embeddings":262144,"rms_norm_eps":1e-5,"num_key_value_heads":8,"head_dim":128})",
     kNames},
    {"mistral3", "{}", {}, "ministral3"}};

constexpr Family kFamilies[] = {{.architecture = "mistral3",
                                 .models = "Ministral 3, text",
                                 .read = read_mistral3,
                                 .types = kTypes,
                                 .write = write_mistral3,
                                 .folder = {.halves = true}}};

}  // namespace
}  // namespace mistral

std::span<const Family> mistral_families() { return mistral::kFamilies; }

}  // namespace plumb::family
