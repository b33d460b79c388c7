// Llama and what is shaped like it: RMS norms, rotation of interleaved pairs, a SiLU-gated block. config.json files of
// Mistral and Mixtral convert to the same architecture.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace llama {
namespace {

ModelSpec read_llama(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  read_windows(keys, spec);
  if (keys.natural_or({"expert_count", "num_experts"}, 0, SpecLimits::kExperts) > 0) {
    ExpertStyle style;  // one key may stand for the width of dense blocks and of experts
    style.fallback_inner = std::get<DenseSpec>(spec.layers.front().ffn).inner;
    read_experts(keys, spec, style);
  }
  return spec;
}

constexpr Alias kLlamaNames[] = {{"sliding_window", ""}};
constexpr Alias kMixtralNames[] = {{"num_experts", "num_local_experts"}};

constexpr ModelType kTypes[] = {
    {"llama", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6})", kLlamaNames},
    {"mistral", R"({"max_position_embeddings":131072,"rms_norm_eps":1e-6,"num_key_value_heads":8})"},
    {"mixtral",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":8,"rope_theta":1e6,
         "num_local_experts":8,"num_experts_per_tok":2,"norm_topk_prob":true})",
     kMixtralNames},
};

constexpr Family kFamilies[] = {
    {.architecture = "llama",
     .models = "Llama 1 to 3.3, Mistral, Mixtral, TinyLlama, SmolLM and other models of the Llama shape",
     .read = read_llama,
     .types = kTypes,
     .folder = {.places = kMixtralPlaces, .halves = true}},
};

}  // namespace
}  // namespace llama

std::span<const Family> llama_families() { return llama::kFamilies; }

}  // namespace plumb::family
