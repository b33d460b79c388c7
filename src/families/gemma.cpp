// Gemma 1 to 3: a tanh-GELU gate, embeddings times sqrt(D); from Gemma 2 on norms before and after each part, and
// windows in most layers. Norm weights stand in GGUF files as they are multiplied with.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace gemma {
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

ModelSpec read_gemma(const Keys& keys, int layers_of_largest, Style style = {}) {
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
  read_base_of_windows(keys, spec);
  if (!keys.is_gguf()) return spec;
  if (!keys.has({"attn_logit_softcapping", ""}))
    for_each_attention(spec, [](AttentionSpec& attention) { attention.softcap = 50.0f; });
  if (!keys.has({"final_logit_softcapping", ""})) spec.output.softcap = 30.0f;
  return spec;
}

/// What Gemma 3 adds to `spec`.
ModelSpec as_gemma3(const Keys& keys, ModelSpec spec) {
  WindowStyle style;
  style.period = 6;
  read_windows(keys, spec, style);
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qk_norm_over = QkNormOver::head;
    attention.qk_norm = *spec.output.norm;
  });
  rotate_windows_by(spec, read_local_rope(keys, spec.ropes[0], spec.context, "rope_local_base_freq"));
  return spec;
}

ModelSpec read_gemma3(const Keys& keys) { return as_gemma3(keys, read_gemma(keys, 62)); }

/// Gemma 3 whose rows see the whole text; dense modules may follow the pooling.
ModelSpec read_gemma_embedding(const Keys& keys) {
  Style style;
  style.encoder = true;
  ModelSpec spec = as_gemma3(keys, read_gemma(keys, 0, style));
  for_each_attention(spec, [](AttentionSpec& attention) { attention.causal = false; });
  const auto rows = [&](TensorRole role) {
    return static_cast<int>(
        std::min<std::int64_t>(keys.rows_of({role, -1, false}).value_or(0), std::numeric_limits<int>::max()));
  };
  spec.output.dense_2 = rows(TensorRole::dense_2);
  spec.output.dense_3 = rows(TensorRole::dense_3);
  return spec;
}

/// The widths of what follows the pooling, which other readers ask for.
void write_gemma_embedding(GgufWriter& writer, const ModelSpec& spec) {
  writer.set("gemma-embedding.embedding_scale", spec.embedding.scale);
  int width = spec.width;
  const auto dense = [&](const char* name, int out) {
    if (out == 0) return;
    const std::string key = std::string("gemma-embedding.") + name;
    writer.set(key + "_feat_in", static_cast<std::uint32_t>(width));
    writer.set(key + "_feat_out", static_cast<std::uint32_t>(out));
    width = out;
  };
  dense("dense_2", spec.output.dense_2);
  dense("dense_3", spec.output.dense_3);
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
constexpr const char* kGemma3Defaults =
    R"({"vocab_size":262208,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":26,
         "num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"max_position_embeddings":131072,
         "rms_norm_eps":1e-6,"query_pre_attn_scalar":256,"sliding_window":4096,"rope_theta":1e6,
         "rope_local_base_freq":10000.0,"tie_word_embeddings":true})";
constexpr ModelType kGemma3[] = {{"gemma3_text", kGemma3Defaults, kNames}, {"gemma3", "{}", {}, "gemma3_text"}};
constexpr ModelType kGemmaEmbedding[] = {{"gemma3_text", kGemma3Defaults, kNames, {}, "use_bidirectional_attention"}};

constexpr Place kPlaces[] = {
    {TensorRole::ffn_norm, "pre_feedforward_layernorm"},
    {TensorRole::dense_2, "dense_2.linear"},
    {TensorRole::dense_3, "dense_3.linear"},
};
constexpr Module kModules[] = {{"2_Dense", "dense_2."}, {"3_Dense", "dense_3."}};

/// The widths of what follows the pooling.
void find_dense(ModelSpec& spec, const FolderTensors& tensors) {
  const auto rows = [&](const char* name) {
    return static_cast<int>(std::min<std::int64_t>(tensors.rows(name).value_or(0), std::numeric_limits<int>::max()));
  };
  spec.output.dense_2 = rows("dense_2.linear.weight");
  spec.output.dense_3 = rows("dense_3.linear.weight");
}

constexpr Family kFamilies[] = {
    {.architecture = "gemma",
     .models = "Gemma 1, CodeGemma",
     .read = read_gemma1,
     .types = kGemma1,
     .write = write_gemma,
     .folder = {.norms_less_one = true}},
    {.architecture = "gemma2",
     .models = "Gemma 2",
     .read = read_gemma2,
     .types = kGemma2,
     .write = write_gemma,
     .folder = {.places = kPlaces, .norms_less_one = true}},
    {.architecture = "gemma3",
     .models = "Gemma 3, text",
     .read = read_gemma3,
     .types = kGemma3,
     .write = write_gemma,
     .folder = {.places = kPlaces, .norms_less_one = true}},
    {.architecture = "gemma-embedding",
     .models = "EmbeddingGemma",
     .read = read_gemma_embedding,
     .types = kGemmaEmbedding,
     .write = write_gemma_embedding,
     .folder = {.places = kPlaces, .norms_less_one = true, .complete = find_dense, .modules = kModules}},
};

}  // namespace
}  // namespace gemma

std::span<const Family> gemma_families() { return gemma::kFamilies; }

}  // namespace plumb::family
