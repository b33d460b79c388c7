// StableLM: layer norms and a SiLU gate, a part of each head is rotated. The 12B kind norms each head of q and k with
// weights of its own, and both parts of its layers read one norm.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace stablelm {
namespace {

const Field kParallel{"", "use_parallel_residual"};

ModelSpec read_stablelm(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.norm = NormKind::layer;
  ModelSpec spec = read_decoder(keys, style);
  const bool parallel = keys.flag_or(kParallel, false), normed = keys.flag_or({"", "qk_layernorm"}, false);
  const bool bias = keys.flag_or({"", "use_qkv_bias"}, false);
  for (int l = 0; l < spec.n_layers(); ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    if (!keys.is_gguf()) {
      attention.qkv_bias = bias;
      attention.out_bias = false;
    }
    if (keys.is_gguf() ? keys.tensor_exists({TensorRole::attn_q_norm, l, false}) : normed) {
      attention.qk_norm_over = QkNormOver::each_head;
      attention.qk_norm = *spec.output.norm;
      attention.qk_norm.bias = false;
    }
    // In GGUF files the key says less than the tensors: a layer with one norm is parallel.
    if (keys.is_gguf() ? keys.tensor_exists({TensorRole::ffn_norm, l, false}) : !parallel) continue;
    layer.parallel = layer.shared_norm = true;
    layer.ffn_branch.norm.reset();
  }
  return spec;
}

void write_stablelm(GgufWriter& writer, const ModelSpec& spec) {
  writer.set("stablelm.use_parallel_residual", spec.layers.front().parallel);
}

/// The files of before the architecture was part of transformers.
constexpr Alias kOldNames[] = {{"partial_rotary_factor", "rope_pct"}, {"layer_norm_eps", "norm_eps"}};

constexpr ModelType kTypes[] = {
    {"stablelm",
     R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"num_key_value_heads":32,"partial_rotary_factor":0.25})"},
    {"stablelm_epoch",
     R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"num_key_value_heads":32,"partial_rotary_factor":0.25})",
     kOldNames},
};

constexpr Place kPlaces[] = {
    {TensorRole::attn_q_norm, "self_attn.q_layernorm.norms.{}"},
    {TensorRole::attn_k_norm, "self_attn.k_layernorm.norms.{}"},
};

constexpr Family kFamilies[] = {{.architecture = "stablelm",
                                 .models = "StableLM 3B, 2 1.6B and 2 12B",
                                 .read = read_stablelm,
                                 .types = kTypes,
                                 .write = write_stablelm,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace stablelm

std::span<const Family> stablelm_families() { return stablelm::kFamilies; }

}  // namespace plumb::family
