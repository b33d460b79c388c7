// Models of the Llama shape. Numbers: the config.json beside each model's weights.

#include "plumb/model/presets.hpp"
#include "presets_shape.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace {

ModelConfig llama_3_1(LlamaShape shape) {
  shape.context = 131072;
  shape.rope_base = 500000.0f;
  ModelConfig config = llama_shaped(shape);
  config.rope_factors = true;
  return config;
}

ModelConfig mixtral(const LlamaShape& shape) {
  ModelConfig config = llama_shaped(shape);
  config.moe.count = 8;
  config.moe.used = 2;
  config.moe.ffn_dim = shape.ffn;
  return config;
}

ModelConfig smollm(const LlamaShape& shape) {
  ModelConfig config = llama_shaped(shape);
  config.tied_head = true;
  return config;
}

ModelConfig smollm2(ModelConfig config, std::string_view name, float rope_base) {
  config.name = name;
  config.context = 8192;
  config.rope.base = rope_base;
  return config;
}

}  // namespace

ModelConfig llama_2_7b() { return llama_shaped({"Llama 2 7B", 32000, 4096, 32, 32, 32, 128, 11008, 4096}); }
ModelConfig llama_2_13b() { return llama_shaped({"Llama 2 13B", 32000, 5120, 40, 40, 40, 128, 13824, 4096}); }
ModelConfig llama_2_70b() { return llama_shaped({"Llama 2 70B", 32000, 8192, 80, 64, 8, 128, 28672, 4096}); }
ModelConfig llama_3_8b() { return llama_shaped({"Llama 3 8B", 128256, 4096, 32, 32, 8, 128, 14336, 8192, 5e5f}); }
ModelConfig llama_3_70b() { return llama_shaped({"Llama 3 70B", 128256, 8192, 80, 64, 8, 128, 28672, 8192, 5e5f}); }
ModelConfig llama_3_1_8b() { return llama_3_1({"Llama 3.1 8B", 128256, 4096, 32, 32, 8, 128, 14336, 0}); }
ModelConfig llama_3_1_70b() { return llama_3_1({"Llama 3.1 70B", 128256, 8192, 80, 64, 8, 128, 28672, 0}); }
ModelConfig llama_3_1_405b() { return llama_3_1({"Llama 3.1 405B", 128256, 16384, 126, 128, 8, 128, 53248, 0}); }
ModelConfig llama_3_2_1b() { return llama_3_1({"Llama 3.2 1B", 128256, 2048, 16, 32, 8, 64, 8192, 0, 0, true}); }
ModelConfig llama_3_2_3b() { return llama_3_1({"Llama 3.2 3B", 128256, 3072, 28, 24, 8, 128, 8192, 0, 0, true}); }

ModelConfig mistral_7b() {
  ModelConfig config = llama_shaped({"Mistral 7B v0.1", 32000, 4096, 32, 32, 8, 128, 14336, 32768});
  config.sliding_window = 4096;
  return config;
}
ModelConfig mixtral_8x7b() { return mixtral({"Mixtral 8x7B", 32000, 4096, 32, 32, 8, 128, 14336, 32768, 1e6f}); }
ModelConfig mixtral_8x22b() { return mixtral({"Mixtral 8x22B", 32000, 6144, 56, 48, 8, 128, 16384, 65536, 1e6f}); }

ModelConfig tinyllama_1_1b() { return llama_shaped({"TinyLlama 1.1B", 32000, 2048, 22, 32, 4, 64, 5632, 2048}); }
ModelConfig bench_1_1b() { return llama_shaped({"bench 1.1B", 32000, 2048, 22, 32, 4, 64, 5632, 8192}); }
ModelConfig stories_260k() { return llama_shaped({"stories260K", 512, 64, 5, 8, 4, 8, 172, 512, 1e4f, true}); }
ModelConfig stories_15m() { return llama_shaped({"stories15M", 32000, 288, 6, 6, 6, 48, 768, 256, 1e4f, true}); }
ModelConfig stories_42m() { return llama_shaped({"stories42M", 32000, 512, 8, 8, 8, 64, 1376, 1024, 1e4f, true}); }
ModelConfig stories_110m() { return llama_shaped({"stories110M", 32000, 768, 12, 12, 12, 64, 2048, 1024, 1e4f, true}); }

ModelConfig smollm_135m() { return smollm({"SmolLM 135M", 49152, 576, 30, 9, 3, 64, 1536, 2048}); }
ModelConfig smollm_360m() { return smollm({"SmolLM 360M", 49152, 960, 32, 15, 5, 64, 2560, 2048}); }
ModelConfig smollm_1_7b() { return smollm({"SmolLM 1.7B", 49152, 2048, 24, 32, 32, 64, 8192, 2048}); }
ModelConfig smollm2_135m() { return smollm2(smollm_135m(), "SmolLM2 135M", 1e5f); }
ModelConfig smollm2_360m() { return smollm2(smollm_360m(), "SmolLM2 360M", 1e5f); }
ModelConfig smollm2_1_7b() { return smollm2(smollm_1_7b(), "SmolLM2 1.7B", 1.3e5f); }

ModelConfig phi_3_mini() {
  ModelConfig config = llama_shaped({"Phi-3 mini 4k", 32064, 3072, 32, 32, 32, 96, 8192, 4096});
  config.architecture = "phi3";
  config.rope.pairs = RopePairs::halves;
  config.sliding_window = 2047;
  return config;
}

}  // namespace plumb::presets
