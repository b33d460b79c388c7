// Gemma 1 to 3: a tanh-GELU gate, embeddings times sqrt(D); from Gemma 2 on norms before and after each part, and
// windows in most layers. Norm weights stand in GGUF files as they are multiplied with.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// GGUF has no key for what config.json calls query_pre_attn_scalar. It is the length of a head, but for the largest
/// model of each generation, which is known by its number of layers: there it is width / heads.
float scale_of(const Keys& keys, const ModelSpec& spec, const AttentionSpec& attention, int layers_of_largest) {
  if (attention.scale > 0) return attention.scale;
  const Field field{"", "query_pre_attn_scalar"};
  float scalar = static_cast<float>(attention.head_dim);
  if (!keys.is_gguf()) {
    scalar = keys.real_or(field, scalar);
    if (scalar <= 0) keys.fail(ErrorCode::bad_value, field, "is not above zero");
  } else if (spec.n_layers() == layers_of_largest) {
    scalar = static_cast<float>(spec.width / attention.n_heads);
  }
  return scalar == static_cast<float>(attention.head_dim) ? 0.0f : 1.0f / std::sqrt(scalar);
}

ModelSpec read_gemma(const Keys& keys, int layers_of_largest) {
  Style style;
  style.pairs = RopePairs::halves;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.scaled_embedding = true;
  ModelSpec spec = read_decoder(keys, style);
  for_each_attention(
      spec, [&](AttentionSpec& attention) { attention.scale = scale_of(keys, spec, attention, layers_of_largest); });
  for (LayerSpec& layer : spec.layers) {
    layer.mixer_branch.post_norm = layer.mixer_branch.norm;
    layer.ffn_branch.post_norm = layer.ffn_branch.norm;
  }
  return spec;
}

/// Gemma 1 norms what a part reads alone, and its scores are scaled by the length of a head.
ModelSpec read_gemma1(const Keys& keys) {
  ModelSpec spec = read_gemma(keys, 0);
  for (LayerSpec& layer : spec.layers) {
    layer.mixer_branch.post_norm.reset();
    layer.ffn_branch.post_norm.reset();
  }
  return spec;
}

ModelSpec read_gemma2(const Keys& keys) {
  ModelSpec spec = read_gemma(keys, 46);
  WindowStyle style;
  style.period = 2;
  style.absent = 4096;
  read_windows(keys, spec, style);
  if (!keys.is_gguf()) return spec;
  if (!keys.has({"attn_logit_softcapping", ""}))
    for_each_attention(spec, [](AttentionSpec& attention) { attention.softcap = 50.0f; });
  if (!keys.has({"final_logit_softcapping", ""})) spec.output.softcap = 30.0f;
  return spec;
}

ModelSpec read_gemma3(const Keys& keys) {
  const Field bidirectional{"", "use_bidirectional_attention"};
  if (keys.flag_or(bidirectional, false))
    keys.fail(ErrorCode::unsupported_architecture, bidirectional, "is true, expected attention to earlier positions");
  ModelSpec spec = read_gemma(keys, 62);
  WindowStyle style;
  style.period = 6;
  read_windows(keys, spec, style);
  // Layers with a window turn by a base of their own, which no scaling stretches.
  RopeSpec local;
  local.pairs = RopePairs::halves;
  local.dims = spec.ropes[0].dims;
  local.base = keys.real_or({"rope.freq_base_swa", "rope_local_base_freq"}, 10000.0f);
  if (keys.has_object("rope_parameters") && keys.within("rope_parameters").has_object("sliding_attention"))
    local = read_rope(keys, RopePairs::halves, local.dims, spec.context, "sliding_attention");
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qk_norm_over = QkNormOver::head;
    attention.qk_norm = *spec.output.norm;
    if (attention.window == 0) return;
    attention.rope = 1;
    if (spec.ropes.size() == 1) spec.ropes.push_back(local);
  });
  return spec;
}

/// Where files without a key mean something else than none, a spec that has none says so.
void write_gemma(GgufWriter& writer, const ModelSpec& spec) {
  writer.set(spec.family + ".embedding_scale", spec.embedding.scale);
  if (spec.family != "gemma2") return;
  const AttentionSpec* attention = first_attention(spec);
  writer.set("gemma2.attn_logit_softcapping", attention ? attention->softcap : 0.0f);
  writer.set("gemma2.final_logit_softcapping", spec.output.softcap);
  bool windows = false;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* own = std::get_if<AttentionSpec>(&layer.mixer)) windows |= own->window > 0;
  if (!windows) writer.set("gemma2.attention.sliding_window", std::uint32_t{0});
}

constexpr Alias kNames[] = {{"hidden_act", "hidden_activation"}};

constexpr ModelType kGemma1[] = {
    {"gemma",
     R"({"max_position_embeddings":8192,"rms_norm_eps":1e-6,"num_key_value_heads":16,"head_dim":256,
         "tie_word_embeddings":true})",
     kNames}};
constexpr ModelType kGemma2[] = {
    {"gemma2",
     R"({"max_position_embeddings":8192,"rms_norm_eps":1e-6,"num_key_value_heads":4,"head_dim":256,
         "query_pre_attn_scalar":256,"sliding_window":4096,"attn_logit_softcapping":50.0,
         "final_logit_softcapping":30.0,"tie_word_embeddings":true})",
     kNames}};
/// The text part of a file for pictures and text leaves out what equals these.
constexpr ModelType kGemma3[] = {
    {"gemma3_text",
     R"({"vocab_size":262208,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":26,
         "num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"max_position_embeddings":131072,
         "rms_norm_eps":1e-6,"query_pre_attn_scalar":256,"sliding_window":4096,"rope_theta":1e6,
         "rope_local_base_freq":10000.0,"tie_word_embeddings":true})",
     kNames},
    {"gemma3", "{}", {}, "gemma3_text"}};

constexpr Family kFamilies[] = {
    {"gemma", "Gemma 1, CodeGemma", read_gemma1, kGemma1, write_gemma},
    {"gemma2", "Gemma 2", read_gemma2, kGemma2, write_gemma},
    {"gemma3", "Gemma 3, text", read_gemma3, kGemma3, write_gemma},
};

}  // namespace

std::span<const Family> gemma_families() { return kFamilies; }

}  // namespace plumb::family
