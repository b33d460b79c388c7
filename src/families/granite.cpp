// Granite 3, dense: the Llama shape with four multipliers. Logits are divided by theirs.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

ModelSpec read_granite(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  spec.embedding.scale = keys.real_or({"embedding_scale", "embedding_multiplier"}, 1.0f);
  spec.output.scale = 1.0f / keys.real_or({"logit_scale", "logits_scaling"}, 1.0f);
  const float branch = keys.real_or({"residual_scale", "residual_multiplier"}, 1.0f);
  for (LayerSpec& layer : spec.layers) layer.residual_scale = branch;
  const float scale = keys.real_or({"attention.scale", "attention_multiplier"}, 0.0f);
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.scale = scale; });
  return spec;
}

void write_granite(GgufWriter& writer, const ModelSpec& spec) {
  writer.set("granite.logit_scale", 1.0f / spec.output.scale);
}

constexpr ModelType kTypes[] = {
    {"granite", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"attention_multiplier":1.0})"}};
constexpr Family kFamilies[] = {{"granite", "Granite 3, dense", read_granite, kTypes, write_granite}};

}  // namespace

std::span<const Family> granite_families() { return kFamilies; }

}  // namespace plumb::family
