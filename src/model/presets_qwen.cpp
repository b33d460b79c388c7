// Qwen models. Numbers: the config.json beside each model's weights.

#include "plumb/model/presets.hpp"
#include "presets_shape.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace {

ModelConfig qwen2(const LlamaShape& shape) {
  ModelConfig config = llama_shaped(shape);
  config.architecture = "qwen2";
  config.rope.pairs = RopePairs::halves;
  config.qkv_bias = true;
  config.norm_eps = 1e-6f;
  return config;
}

ModelConfig renamed(ModelConfig config, std::string_view name, int context) {
  config.name = name;
  config.context = context;
  return config;
}

ModelConfig qwen3(const LlamaShape& shape) {
  ModelConfig config = llama_shaped(shape);
  config.architecture = "qwen3";
  config.rope.pairs = RopePairs::halves;
  config.qk_norm = true;
  config.norm_eps = 1e-6f;
  return config;
}

ModelConfig qwen3_moe(const LlamaShape& shape, int expert_ffn) {
  ModelConfig config = qwen3(shape);
  config.architecture = "qwen3moe";
  config.moe.count = 128;
  config.moe.used = 8;
  config.moe.ffn_dim = expert_ffn;
  return config;
}

}  // namespace

ModelConfig qwen1_5_moe_a2_7b() {
  ModelConfig config = qwen2({"Qwen1.5-MoE A2.7B", 151936, 2048, 24, 16, 16, 128, 5632, 8192, 1e6f});
  config.architecture = "qwen2moe";
  config.moe.count = 60;
  config.moe.used = 4;
  config.moe.ffn_dim = 1408;
  config.moe.shared_ffn_dim = 5632;
  config.moe.shared_gate = true;
  config.moe.renormalise = false;
  return config;
}

ModelConfig qwen2_0_5b() { return qwen2({"Qwen2 0.5B", 151936, 896, 24, 14, 2, 64, 4864, 131072, 1e6f, true}); }
ModelConfig qwen2_1_5b() { return qwen2({"Qwen2 1.5B", 151936, 1536, 28, 12, 2, 128, 8960, 131072, 1e6f, true}); }
ModelConfig qwen2_7b() { return qwen2({"Qwen2 7B", 152064, 3584, 28, 28, 4, 128, 18944, 131072, 1e6f}); }
ModelConfig qwen2_72b() { return qwen2({"Qwen2 72B", 152064, 8192, 80, 64, 8, 128, 29568, 131072, 1e6f}); }
ModelConfig qwen2_5_0_5b() { return renamed(qwen2_0_5b(), "Qwen2.5 0.5B", 32768); }
ModelConfig qwen2_5_1_5b() { return renamed(qwen2_1_5b(), "Qwen2.5 1.5B", 131072); }
ModelConfig qwen2_5_3b() { return qwen2({"Qwen2.5 3B", 151936, 2048, 36, 16, 2, 128, 11008, 32768, 1e6f, true}); }
ModelConfig qwen2_5_7b() { return renamed(qwen2_7b(), "Qwen2.5 7B", 131072); }
ModelConfig qwen2_5_14b() { return qwen2({"Qwen2.5 14B", 152064, 5120, 48, 40, 8, 128, 13824, 131072, 1e6f}); }
ModelConfig qwen2_5_32b() { return qwen2({"Qwen2.5 32B", 152064, 5120, 64, 40, 8, 128, 27648, 131072, 1e6f}); }
ModelConfig qwen2_5_72b() { return renamed(qwen2_72b(), "Qwen2.5 72B", 131072); }

ModelConfig qwen3_0_6b() { return qwen3({"Qwen3 0.6B", 151936, 1024, 28, 16, 8, 128, 3072, 40960, 1e6f, true}); }
ModelConfig qwen3_1_7b() { return qwen3({"Qwen3 1.7B", 151936, 2048, 28, 16, 8, 128, 6144, 40960, 1e6f, true}); }
ModelConfig qwen3_4b() { return qwen3({"Qwen3 4B", 151936, 2560, 36, 32, 8, 128, 9728, 40960, 1e6f, true}); }
ModelConfig qwen3_8b() { return qwen3({"Qwen3 8B", 151936, 4096, 36, 32, 8, 128, 12288, 40960, 1e6f}); }
ModelConfig qwen3_14b() { return qwen3({"Qwen3 14B", 151936, 5120, 40, 40, 8, 128, 17408, 40960, 1e6f}); }
ModelConfig qwen3_32b() { return qwen3({"Qwen3 32B", 151936, 5120, 64, 64, 8, 128, 25600, 40960, 1e6f}); }
ModelConfig qwen3_30b_a3b() {
  return qwen3_moe({"Qwen3 30B-A3B", 151936, 2048, 48, 32, 4, 128, 6144, 40960, 1e6f}, 768);
}
ModelConfig qwen3_235b_a22b() {
  return qwen3_moe({"Qwen3 235B-A22B", 151936, 4096, 94, 64, 4, 128, 12288, 40960, 1e6f}, 1536);
}

}  // namespace plumb::presets
