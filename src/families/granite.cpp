// Granite 3, dense and with experts, Granite 4, whose layers are Mamba 2 or attention, and MiniCPM: the Llama shape
// with multipliers of embeddings, scores, branches and logits. Logits are divided by theirs.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"
#include "state_space.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace granite {
namespace {

const Field kFinetuned{"rope.scaling.finetuned", ""};

ModelSpec read_granite_of(const Keys& keys, const Style& style, bool rotates) {
  ModelSpec spec = read_decoder(keys, style);
  spec.embedding.scale = keys.real_or({"embedding_scale", "embedding_multiplier"}, 1.0f);
  spec.output.scale = 1.0f / keys.real_or({"logit_scale", "logits_scaling"}, 1.0f);
  const float branch = keys.real_or({"residual_scale", "residual_multiplier"}, 1.0f);
  for (LayerSpec& layer : spec.layers) layer.residual_scale = branch;
  const float scale = keys.real_or({"attention.scale", "attention_multiplier"}, 0.0f);
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.scale = scale;
    if (!rotates) attention.rope = -1;
  });
  if (!rotates) spec.ropes.clear();
  return spec;
}

ModelSpec read_granite(const Keys& keys) { return read_granite_of(keys, {}, keys.flag_or(kFinetuned, true)); }

/// The usual key of a width is that of an expert.
void add_experts(const Keys& keys, ModelSpec& spec) {
  ExpertStyle style;
  style.fallback_inner = dense_inner(spec);
  read_experts(keys, spec, style);
}

ModelSpec read_granite_moe(const Keys& keys) {
  ModelSpec spec = read_granite(keys);
  add_experts(keys, spec);
  return spec;
}

/// config.json: layers that are no attention, and what is rotated; without experts all rows visit what would be the
/// shared one.
ModelSpec read_granite_hybrid(const Keys& keys) {
  Style style;
  style.other_mixers = true;
  const bool rotates =
      keys.is_gguf() ? keys.flag_or(kFinetuned, true) : keys.text_or({"", "position_embedding_type"}, "") == "rope";
  ModelSpec spec = read_granite_of(keys, style, rotates);
  if (!keys.is_gguf()) {
    const Field types{"", "layer_types"};
    std::vector<std::string> kinds = keys.texts(types);
    if (kinds.empty()) kinds.assign(spec.layers.size(), "mamba");
    if (kinds.size() != spec.layers.size())
      keys.fail(ErrorCode::bad_value, types,
                "has " + std::to_string(kinds.size()) + " entries, expected one for each of the " +
                    std::to_string(spec.n_layers()) + " layers");
    for (std::size_t l = 0; l < kinds.size(); ++l) {
      if (kinds[l] != "mamba" && kinds[l] != "attention")
        keys.fail(ErrorCode::bad_value, types, "holds neither mamba nor attention");
      if (kinds[l] == "mamba") spec.layers[l].mixer = Nothing{};
    }
  }
  fill_with_mamba2(keys, spec);
  if (!first_attention(spec)) spec.ropes.clear();
  const Field experts{"expert_count", "num_local_experts"};
  if (keys.natural_or(experts, 0, SpecLimits::kExperts) > 0) {
    add_experts(keys, spec);
  } else if (!keys.is_gguf()) {
    const int inner = keys.count({"", "shared_intermediate_size"}, SpecLimits::kFfn);
    for (LayerSpec& layer : spec.layers) std::get<DenseSpec>(layer.ffn).inner = inner;
  }
  return spec;
}

void write_granite(GgufWriter& writer, const ModelSpec& spec) {
  writer.set(spec.family + ".logit_scale", 1.0f / spec.output.scale);
  if (spec.ropes.empty()) writer.set(spec.family + ".rope.scaling.finetuned", false);
}

void write_granite_hybrid(GgufWriter& writer, const ModelSpec& spec) {
  write_granite(writer, spec);
  write_kv_heads(writer, spec);
  write_state_space(writer, spec);
}

/// Absent keys have other meanings than none. That of the logits is the engine's own: files from before there was a key
/// for it get 256 / D there, and divide by it too.
ModelSpec read_minicpm(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  const double width = spec.width, root = std::sqrt(static_cast<double>(spec.n_layers()));
  const bool gguf = keys.is_gguf();
  spec.embedding.scale = keys.real_or({"embedding_scale", "scale_emb"}, 12.0f);
  const float depth = keys.real_or({"", "scale_depth"}, 1.4f);
  const float branch = gguf ? keys.real_or({"residual_scale", ""}, 1.4f / static_cast<float>(root))
                            : static_cast<float>(static_cast<double>(depth) / root);
  const int base = keys.count_or({"", "dim_model_base"}, 256, SpecLimits::kWidth);
  const float divisor =
      gguf ? keys.real_or({"logit_scale", ""}, static_cast<float>(256.0 / width)) : static_cast<float>(width / base);
  spec.output.scale = 1.0f / divisor;
  for (LayerSpec& layer : spec.layers) layer.residual_scale = branch;
  if (keys.natural_or({"expert_count", "num_experts"}, 0, SpecLimits::kExperts) > 0) add_experts(keys, spec);
  return spec;
}

void write_minicpm(GgufWriter& writer, const ModelSpec& spec) {
  writer.set("minicpm.embedding_scale", spec.embedding.scale);
  writer.set("minicpm.residual_scale", spec.layers.front().residual_scale);
  writer.set("minicpm.logit_scale", 1.0f / spec.output.scale);
}

constexpr Alias kMoeNames[] = {{"num_experts", "num_local_experts"},
                               {"moe_intermediate_size", "intermediate_size"},
                               {"shared_expert_intermediate_size", "shared_intermediate_size"}};

constexpr ModelType kGranite[] = {
    {"granite", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"attention_multiplier":1.0})"}};
constexpr ModelType kGraniteMoe[] = {
    {"granitemoe",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"attention_multiplier":1.0,"num_local_experts":8,
         "num_experts_per_tok":2,"norm_topk_prob":true})",
     kMoeNames},
    {"granitemoeshared",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"attention_multiplier":1.0,"num_local_experts":8,
         "num_experts_per_tok":2,"norm_topk_prob":true,"shared_intermediate_size":1024})",
     kMoeNames},
};
constexpr Alias kHybridNames[] = {{"num_experts", "num_local_experts"},
                                  {"moe_intermediate_size", "intermediate_size"},
                                  {"shared_expert_intermediate_size", "shared_intermediate_size"},
                                  {"conv_kernel", "mamba_d_conv"},
                                  {"state_size", "mamba_d_state"},
                                  {"num_heads", "mamba_n_heads"},
                                  {"mamba_head_dim", "mamba_d_head"},
                                  {"n_groups", "mamba_n_groups"},
                                  {"expand", "mamba_expand"},
                                  {"use_conv_bias", "mamba_conv_bias"},
                                  {"use_bias", "mamba_proj_bias"}};
constexpr ModelType kGraniteHybrid[] = {
    {"granitemoehybrid",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"attention_multiplier":1.0,"num_local_experts":8,
         "num_experts_per_tok":2,"norm_topk_prob":true,"shared_intermediate_size":1024,"mamba_n_heads":128,
         "mamba_n_groups":1,"mamba_d_state":256,"mamba_d_head":"auto","mamba_d_conv":4,"mamba_expand":2})",
     kHybridNames}};
constexpr ModelType kMiniCpm[] = {
    {"minicpm",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"scale_emb":1,"scale_depth":1,"dim_model_base":1,
         "norm_topk_prob":true,"tie_word_embeddings":true})"}};

constexpr Place kMoePlaces[] = {
    {TensorRole::router, "block_sparse_moe.router.layer"},
    {TensorRole::expert_gate, "block_sparse_moe.input_linear", take_gate_up},
    {TensorRole::expert_up, "block_sparse_moe.input_linear", take_gate_up},
    {TensorRole::expert_down, "block_sparse_moe.output_linear"},
    {TensorRole::shared_gate, "shared_mlp.input_linear", take_gate_up},
    {TensorRole::shared_up, "shared_mlp.input_linear", take_gate_up},
    {TensorRole::shared_down, "shared_mlp.output_linear"},
};
constexpr Place kOwnHybridPlaces[] = {
    {TensorRole::ffn_gate, "shared_mlp.input_linear", take_gate_up},
    {TensorRole::ffn_up, "shared_mlp.input_linear", take_gate_up},
    {TensorRole::ffn_down, "shared_mlp.output_linear"},
    {TensorRole::ssm_dt, "mamba.dt", nullptr, Suffix::underscore},
};
constexpr auto kHybridPlaces = joined(kMoePlaces, kOwnHybridPlaces, kMambaPlaces);
constexpr Place kMiniCpmPlaces[] = {
    {TensorRole::expert_gate, "mlp.experts.{}.w1"},
    {TensorRole::expert_up, "mlp.experts.{}.w3"},
    {TensorRole::expert_down, "mlp.experts.{}.w2"},
};

constexpr Family kFamilies[] = {
    {.architecture = "granite",
     .models = "Granite 3, dense",
     .read = read_granite,
     .types = kGranite,
     .write = write_granite,
     .folder = {.halves = true}},
    {.architecture = "granitemoe",
     .models = "Granite 3 with experts, also with a shared one",
     .read = read_granite_moe,
     .types = kGraniteMoe,
     .write = write_granite,
     .folder = {.places = kMoePlaces, .halves = true}},
    {.architecture = "granitehybrid",
     .models = "Granite 4",
     .read = read_granite_hybrid,
     .types = kGraniteHybrid,
     .write = write_granite_hybrid,
     .folder = {.places = kHybridPlaces, .halves = true}},
    {.architecture = "minicpm",
     .models = "MiniCPM 1 and 4",
     .read = read_minicpm,
     .types = kMiniCpm,
     .write = write_minicpm,
     .folder = {.places = kMiniCpmPlaces, .halves = true}},
};

}  // namespace
}  // namespace granite

std::span<const Family> granite_families() { return granite::kFamilies; }

}  // namespace plumb::family
