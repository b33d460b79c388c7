#pragma once
/// @file
/// Configurations of known models, each with the parameter count its publisher states, and the built-in family that
/// `plumb measure` runs when no model is at hand. Shapes are those of the publishers' config.json files.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI {

/// A known model: its configuration and what its publisher says of its size.
struct Preset {
  std::string_view name;                  ///< as people write it: "llama-3.2-1b"
  ModelConfig (*config)();                ///< the function in plumb::presets
  std::int64_t published_parameters = 0;  ///< total, exact
  std::string_view source;                ///< where shape and total were published
};

/// All known models, smaller ones first within each family.
std::span<const Preset> all_presets();

/// The preset of this name; case, '-' and '_' do not matter ("Llama_3.2_1B"). nullptr when there is none.
const Preset* find_preset(std::string_view name);

/// The configuration of a preset by name. @throws Error{invalid_argument} that lists the known names.
ModelConfig preset_config(std::string_view name);

/// Llama-shaped random-weight configurations from about 1 million to about 1 billion parameters, smallest first, near
/// powers of sqrt(10) apart. Heads are tied, so that bytes per token follow the parameter count.
std::vector<ModelConfig> measurement_family();

namespace presets {

ModelConfig llama_2_7b();
ModelConfig llama_2_13b();
ModelConfig llama_2_70b();
ModelConfig llama_3_8b();
ModelConfig llama_3_70b();
ModelConfig llama_3_1_8b();
ModelConfig llama_3_1_70b();
ModelConfig llama_3_1_405b();
ModelConfig llama_3_2_1b();
ModelConfig llama_3_2_3b();
ModelConfig mistral_7b();
ModelConfig mixtral_8x7b();
ModelConfig mixtral_8x22b();
ModelConfig tinyllama_1_1b();
ModelConfig bench_1_1b();  ///< TinyLlama's shape with a context of 8192: what benchmarks/ compares engines on
ModelConfig stories_260k();
ModelConfig stories_15m();
ModelConfig stories_42m();
ModelConfig stories_110m();
ModelConfig smollm_135m();
ModelConfig smollm_360m();
ModelConfig smollm_1_7b();
ModelConfig smollm2_135m();
ModelConfig smollm2_360m();
ModelConfig smollm2_1_7b();
ModelConfig phi_3_mini();

ModelConfig qwen1_5_moe_a2_7b();
ModelConfig qwen2_0_5b();
ModelConfig qwen2_1_5b();
ModelConfig qwen2_7b();
ModelConfig qwen2_72b();
ModelConfig qwen2_5_0_5b();
ModelConfig qwen2_5_1_5b();
ModelConfig qwen2_5_3b();
ModelConfig qwen2_5_7b();
ModelConfig qwen2_5_14b();
ModelConfig qwen2_5_32b();
ModelConfig qwen2_5_72b();
ModelConfig qwen3_0_6b();
ModelConfig qwen3_1_7b();
ModelConfig qwen3_4b();
ModelConfig qwen3_8b();
ModelConfig qwen3_14b();
ModelConfig qwen3_32b();
ModelConfig qwen3_30b_a3b();
ModelConfig qwen3_235b_a22b();

ModelConfig gemma_2_2b();
ModelConfig gemma_2_9b();
ModelConfig gemma_2_27b();
ModelConfig gemma_3_1b();
ModelConfig gemma_3_4b();   ///< the text model
ModelConfig gemma_3_12b();  ///< the text model
ModelConfig gemma_3_27b();  ///< the text model
ModelConfig gpt2();
ModelConfig gpt2_medium();
ModelConfig gpt2_large();
ModelConfig gpt2_xl();
ModelConfig pythia_70m();
ModelConfig pythia_160m();
ModelConfig pythia_410m();
ModelConfig pythia_1b();
ModelConfig pythia_1_4b();
ModelConfig pythia_2_8b();
ModelConfig pythia_6_9b();
ModelConfig pythia_12b();
ModelConfig deepseek_v2_lite();
ModelConfig deepseek_v2();
ModelConfig deepseek_v3();  ///< without the multi-token prediction module

}  // namespace presets
}  // namespace plumb
