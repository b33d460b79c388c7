// Gemma, GPT-2, Pythia (GPT-NeoX) and DeepSeek. Numbers: the config.json beside each model's weights.

#include <cmath>

#include "plumb/model/presets.hpp"
#include "presets_shape.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace {

/// What Gemma 2 and 3 share: norms before and after each block, tanh-GELU gating, a scaled and tied embedding.
ModelConfig gemma(const LlamaShape& shape, float query_scalar) {
  ModelConfig config = llama_shaped(shape);
  config.tied_head = true;
  config.rope.pairs = RopePairs::halves;
  config.norm_eps = 1e-6f;
  config.post_norms = true;
  config.activation = Activation::gelu_tanh;
  config.embedding_scale = std::sqrt(static_cast<float>(shape.width));
  config.attn_scale = 1.0f / std::sqrt(query_scalar);
  return config;
}

ModelConfig gemma_2(const LlamaShape& shape, float query_scalar = 256.0f) {
  ModelConfig config = gemma(shape, query_scalar);
  config.architecture = "gemma2";
  config.sliding_window = 4096;
  config.window_pattern = 2;
  config.attn_softcap = 50.0f;
  config.logit_softcap = 30.0f;
  return config;
}

ModelConfig gemma_3(LlamaShape shape, int window, float rope_factor, float query_scalar = 256.0f) {
  shape.rope_base = 1e6f;
  ModelConfig config = gemma(shape, query_scalar);
  config.architecture = "gemma3";
  config.qk_norm = true;
  config.sliding_window = window;
  config.window_pattern = 6;
  config.rope_base_local = 10000.0f;
  if (rope_factor > 1.0f) {
    config.rope.scaling = RopeScaling::linear;
    config.rope.factor = rope_factor;
  }
  return config;
}

/// What GPT-2 and GPT-NeoX share: LayerNorm and every bias, plain feed-forward of four times the width.
ModelConfig gpt(std::string_view name, int vocab, int width, int layers, int heads, int context) {
  ModelConfig config = llama_shaped({name, vocab, width, layers, heads, heads, width / heads, 4 * width, context});
  config.norm = NormKind::layer;
  config.norm_bias = config.qkv_bias = config.attn_out_bias = config.ffn_bias = true;
  config.gated_ffn = false;
  return config;
}

ModelConfig gpt_2(std::string_view name, int width, int layers, int heads) {
  ModelConfig config = gpt(name, 50257, width, layers, heads, 1024);
  config.architecture = "gpt2";
  config.rope.pairs = RopePairs::none;
  config.learned_positions = true;
  config.activation = Activation::gelu_tanh;
  config.tied_head = true;
  return config;
}

ModelConfig pythia(std::string_view name, int vocab, int width, int layers, int heads) {
  ModelConfig config = gpt(name, vocab, width, layers, heads, 2048);
  config.architecture = "gptneox";
  config.rope.pairs = RopePairs::halves;
  config.rope.dims = config.head_dim / 4;
  config.activation = Activation::gelu;
  config.parallel_residual = true;
  return config;
}

struct DeepseekShape {
  int q_rank, experts, used, expert_ffn, shared, leading_dense;
};

ModelConfig deepseek(const LlamaShape& shape, const DeepseekShape& deep) {
  ModelConfig config = llama_shaped(shape);
  config.architecture = "deepseek2";
  config.norm_eps = 1e-6f;
  config.rope.scaling = RopeScaling::yarn;
  config.rope.factor = 40.0f;
  config.rope.original_context = 4096;
  config.mla = {deep.q_rank, 512, 64, 128, 128};
  config.moe.count = deep.experts;
  config.moe.used = deep.used;
  config.moe.ffn_dim = deep.expert_ffn;
  config.moe.shared_ffn_dim = deep.shared * deep.expert_ffn;
  config.moe.leading_dense_layers = deep.leading_dense;
  config.moe.renormalise = false;
  return config;
}

}  // namespace

ModelConfig gemma_2_2b() { return gemma_2({"Gemma 2 2B", 256000, 2304, 26, 8, 4, 256, 9216, 8192}); }
ModelConfig gemma_2_9b() { return gemma_2({"Gemma 2 9B", 256000, 3584, 42, 16, 8, 256, 14336, 8192}); }
ModelConfig gemma_2_27b() { return gemma_2({"Gemma 2 27B", 256000, 4608, 46, 32, 16, 128, 36864, 8192}, 144.0f); }
ModelConfig gemma_3_1b() { return gemma_3({"Gemma 3 1B", 262144, 1152, 26, 4, 1, 256, 6912, 32768}, 512, 1.0f); }
ModelConfig gemma_3_4b() { return gemma_3({"Gemma 3 4B", 262208, 2560, 34, 8, 4, 256, 10240, 131072}, 1024, 8.0f); }
ModelConfig gemma_3_12b() { return gemma_3({"Gemma 3 12B", 262208, 3840, 48, 16, 8, 256, 15360, 131072}, 1024, 8.0f); }
ModelConfig gemma_3_27b() {
  return gemma_3({"Gemma 3 27B", 262208, 5376, 62, 32, 16, 128, 21504, 131072}, 1024, 8.0f, 168.0f);
}

ModelConfig gpt2() { return gpt_2("GPT-2", 768, 12, 12); }
ModelConfig gpt2_medium() { return gpt_2("GPT-2 medium", 1024, 24, 16); }
ModelConfig gpt2_large() { return gpt_2("GPT-2 large", 1280, 36, 20); }
ModelConfig gpt2_xl() { return gpt_2("GPT-2 XL", 1600, 48, 25); }

ModelConfig pythia_70m() { return pythia("Pythia 70M", 50304, 512, 6, 8); }
ModelConfig pythia_160m() { return pythia("Pythia 160M", 50304, 768, 12, 12); }
ModelConfig pythia_410m() { return pythia("Pythia 410M", 50304, 1024, 24, 16); }
ModelConfig pythia_1b() { return pythia("Pythia 1B", 50304, 2048, 16, 8); }
ModelConfig pythia_1_4b() { return pythia("Pythia 1.4B", 50304, 2048, 24, 16); }
ModelConfig pythia_2_8b() { return pythia("Pythia 2.8B", 50304, 2560, 32, 32); }
ModelConfig pythia_6_9b() { return pythia("Pythia 6.9B", 50432, 4096, 32, 32); }
ModelConfig pythia_12b() { return pythia("Pythia 12B", 50688, 5120, 36, 40); }

ModelConfig deepseek_v2_lite() {
  return deepseek({"DeepSeek-V2-Lite", 102400, 2048, 27, 16, 16, 192, 10944, 163840}, {0, 64, 6, 1408, 2, 1});
}
ModelConfig deepseek_v2() {
  ModelConfig config =
      deepseek({"DeepSeek-V2", 102400, 5120, 60, 128, 128, 192, 12288, 163840}, {1536, 160, 6, 1536, 2, 1});
  config.moe.groups = 8;
  config.moe.groups_used = 3;
  config.moe.weight_scale = 16.0f;
  return config;
}
ModelConfig deepseek_v3() {
  ModelConfig config =
      deepseek({"DeepSeek-V3", 129280, 7168, 61, 128, 128, 192, 18432, 163840}, {1536, 256, 8, 2048, 1, 3});
  config.moe.groups = 8;
  config.moe.groups_used = 4;
  config.moe.weight_scale = 2.5f;
  config.moe.renormalise = true;
  config.moe.router_bias = config.moe.sigmoid_scores = true;
  return config;
}

}  // namespace plumb::presets
