// Command R and R+ (Cohere) and Command R7B and A (Cohere 2): both parts of a layer read one norm, which has weights
// alone; the logits are multiplied. In Cohere 2 most layers have a window, and the others no rotation.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace cohere {
namespace {

ModelSpec read_cohere(const Keys& keys) {
  Style style;
  style.norm = NormKind::layer;
  style.norm_bias = false;
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers) {
    layer.parallel = layer.shared_norm = true;
    layer.ffn_branch.norm.reset();
  }
  spec.output.scale = keys.real_or({"logit_scale", "logit_scale"}, 1.0f);
  return spec;
}

/// Command R+ norms the heads of q and k, each with weights of its own.
ModelSpec read_command_r(const Keys& keys) {
  ModelSpec spec = read_cohere(keys);
  const bool json = keys.flag_or({"", "use_qk_norm"}, false);
  for (int l = 0; l < spec.n_layers(); ++l) {
    if (keys.is_gguf() ? !keys.tensor_exists({TensorRole::attn_q_norm, l, false}) : !json) continue;
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    attention.qk_norm_over = QkNormOver::each_head;
    attention.qk_norm = *spec.output.norm;
  }
  return spec;
}

const Field kWindow{"attention.sliding_window", "sliding_window"};

ModelSpec read_cohere2(const Keys& keys) {
  ModelSpec spec = read_cohere(keys);
  if (keys.is_gguf() && !keys.has(kWindow)) keys.fail(ErrorCode::missing_key, kWindow, "is missing");
  WindowStyle style;
  style.period = 4;
  style.flags = false;
  read_windows(keys, spec, style);
  for_each_attention(spec, [](AttentionSpec& attention) {
    if (attention.window == 0) attention.rope = -1;
  });
  read_base_of_windows(keys, spec);
  return spec;
}

void write_cohere2(GgufWriter& writer, const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer))
      if (attention->window > 0) return;
  writer.set("cohere2.attention.sliding_window", std::uint32_t{0});
}

/// The context that a model was trained for stands in one or the other field, and in both where one is wrong.
constexpr Alias kCohereNames[] = {{"max_position_embeddings", "model_max_length"}};
constexpr Alias kCohere2Names[] = {{"partial_rotary_factor", "rotary_pct"}};

constexpr ModelType kCohere[] = {
    {"cohere",
     R"({"max_position_embeddings":8192,"layer_norm_eps":1e-5,"logit_scale":0.0625,"tie_word_embeddings":true})",
     kCohereNames}};
constexpr ModelType kCohere2[] = {
    {"cohere2",
     R"({"max_position_embeddings":8192,"layer_norm_eps":1e-5,"logit_scale":0.0625,"sliding_window":4096,
         "tie_word_embeddings":true})",
     kCohere2Names}};

constexpr Family kFamilies[] = {
    {"command-r", "Command R and R+, Aya 23 and Expanse", read_command_r, kCohere},
    {"cohere2", "Command R7B and Command A", read_cohere2, kCohere2, write_cohere2},
};

}  // namespace
}  // namespace cohere

std::span<const Family> cohere_families() { return cohere::kFamilies; }

}  // namespace plumb::family
