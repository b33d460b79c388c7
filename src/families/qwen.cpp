// Qwen 1.5 to 3, dense and with experts: rotation of halves. Qwen 2 has biases on q, k and v, Qwen 3 norms of the heads
// of q and k.

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace qwen {
namespace {

/// config.json: windows only where they are switched on, and then in the layers from `max_window_layers` on.
void read_qwen_windows(const Keys& keys, ModelSpec& spec) {
  if (!keys.is_gguf() && !keys.flag_or({"", "use_sliding_window"}, false)) return;
  read_windows(keys, spec);
  if (keys.is_gguf() || keys.has({"", "layer_types"})) return;
  const int first = keys.natural_or({"", "max_window_layers"}, 28, SpecLimits::kLayers);
  for (int l = 0; l < std::min(first, spec.n_layers()); ++l)
    std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer).window = 0;
}

ModelSpec read_qwen2(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  if (!keys.is_gguf()) {
    const bool bias = keys.flag_or({"", "qkv_bias"}, true);
    for_each_attention(spec, [&](AttentionSpec& attention) {
      attention.qkv_bias = bias;
      attention.out_bias = false;
    });
  }
  read_qwen_windows(keys, spec);
  return spec;
}

ModelSpec read_qwen3(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qk_norm_over = QkNormOver::head;
    attention.qk_norm = *spec.output.norm;
  });
  read_qwen_windows(keys, spec);
  return spec;
}

/// Experts in place of the dense blocks. config.json may keep some of those.
void read_qwen_experts(const Keys& keys, ModelSpec& spec, ExpertStyle style) {
  if (keys.is_gguf()) {
    const int visited = keys.count({"expert_used_count", ""}, SpecLimits::kExperts);
    style.fallback_inner = std::max(1, std::get<DenseSpec>(spec.layers.front().ffn).inner / visited);
  }
  const int step = keys.count_or({"", "decoder_sparse_step"}, 1, SpecLimits::kLayers);
  const std::vector<int> dense = keys.numbers({"", "mlp_only_layers"});
  style.sparse = [&](int layer) {
    return (layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
  };
  read_experts(keys, spec, style);
}

ModelSpec read_qwen2_moe(const Keys& keys) {
  ModelSpec spec = read_qwen2(keys);
  ExpertStyle style;
  style.renormalise = false;
  style.shared_gate = true;
  if (keys.is_gguf()) style.shared_inner = std::get<DenseSpec>(spec.layers.front().ffn).inner;
  read_qwen_experts(keys, spec, style);
  return spec;
}

ModelSpec read_qwen3_moe(const Keys& keys) {
  ModelSpec spec = read_qwen3(keys);
  read_qwen_experts(keys, spec, {});
  return spec;
}

/// Files without a key mean a shared expert.
void write_qwen2_moe(GgufWriter& writer, const ModelSpec& spec) {
  const ExpertsSpec* experts = first_experts(spec);
  if (experts && !experts->has_shared()) writer.set("qwen2moe.expert_shared_feed_forward_length", std::uint32_t{0});
}

constexpr ModelType kQwen2[] = {
    {"qwen2",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":32,"sliding_window":4096})"}};
constexpr const char* kQwen2VlDefaults =
    R"({"max_position_embeddings":32768,"rms_norm_eps":1e-5,"num_key_value_heads":8,"sliding_window":4096,
        "rope_theta":1000000.0})";
constexpr ModelType kQwen2Vl[] = {{"qwen2_vl_text", kQwen2VlDefaults},
                                  {"qwen2_vl", "{}", {}, "qwen2_vl_text"},
                                  {"qwen2_5_vl_text", kQwen2VlDefaults},
                                  {"qwen2_5_vl", "{}", {}, "qwen2_5_vl_text"}};
constexpr ModelType kQwen2Moe[] = {
    {"qwen2_moe",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":16,"sliding_window":4096,
         "shared_expert_intermediate_size":5632})"}};
constexpr ModelType kQwen3[] = {
    {"qwen3",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":32,"sliding_window":4096,
         "head_dim":128})"}};
constexpr ModelType kQwen3Moe[] = {
    {"qwen3_moe",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":4,"sliding_window":4096})"}};
constexpr ModelType kQwen3Vl[] = {
    {"qwen3_vl_text",
     R"({"max_position_embeddings":128000,"rms_norm_eps":1e-6,"num_key_value_heads":32,"head_dim":128,
         "rope_theta":5000000.0})"},
    {"qwen3_vl", "{}", {}, "qwen3_vl_text"}};
constexpr ModelType kQwen3VlMoe[] = {
    {"qwen3_vl_moe_text",
     R"({"max_position_embeddings":128000,"rms_norm_eps":1e-6,"num_key_value_heads":16,"head_dim":128,
         "rope_theta":5000000.0,"norm_topk_prob":true})"},
    {"qwen3_vl_moe", "{}", {}, "qwen3_vl_moe_text"}};

constexpr Place kVlMoePlaces[] = {
    {TensorRole::expert_gate, "mlp.experts.gate_up_proj", take_turned_gate_up, Suffix::underscore},
    {TensorRole::expert_up, "mlp.experts.gate_up_proj", take_turned_gate_up, Suffix::underscore},
    {TensorRole::expert_down, "mlp.experts.down_proj", take_turned, Suffix::underscore},
};

constexpr Family kFamilies[] = {
    {"qwen2", "Qwen 1.5, 2 and 2.5", read_qwen2, kQwen2},
    {"qwen2vl", "Qwen 2 VL and 2.5 VL, text", read_qwen2, kQwen2Vl, write_rope_sections},
    {"qwen2moe", "Qwen 1.5 and 2 with experts", read_qwen2_moe, kQwen2Moe, write_qwen2_moe},
    {"qwen3", "Qwen 3", read_qwen3, kQwen3},
    {"qwen3moe", "Qwen 3 with experts", read_qwen3_moe, kQwen3Moe},
    {"qwen3vl", "Qwen 3 VL, text", read_qwen3, kQwen3Vl, write_rope_sections},
    {.architecture = "qwen3vlmoe",
     .models = "Qwen 3 VL with experts, text",
     .read = read_qwen3_moe,
     .types = kQwen3VlMoe,
     .write = write_rope_sections,
     .folder = {.places = kVlMoePlaces}},
};

}  // namespace
}  // namespace qwen

std::span<const Family> qwen_families() { return qwen::kFamilies; }

}  // namespace plumb::family
