// The table of known models and the family that is measured when no model is at hand.

#include "plumb/model/presets.hpp"

#include <string>

#include "plumb/core/error.hpp"
#include "presets_shape.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Totals are what the named publisher states: the parameter count that Hugging Face shows from the safetensors header,
// or the paper's or repository's table.
constexpr std::string_view kMeta = "huggingface.co/meta-llama: config.json, safetensors total";
constexpr std::string_view kMistral = "huggingface.co/mistralai: config.json, safetensors total";
constexpr std::string_view kQwen = "huggingface.co/Qwen: config.json, safetensors total";
constexpr std::string_view kQwenTied =
    "huggingface.co/Qwen: config.json, safetensors total less the stored copy of the tied head";
constexpr std::string_view kGemma = "huggingface.co/google: config.json, safetensors total";
constexpr std::string_view kGemmaText = "huggingface.co/google: text_config, total less the vision tower and projector";
constexpr std::string_view kSmol = "huggingface.co/HuggingFaceTB: config.json, safetensors total";
constexpr std::string_view kStories = "huggingface.co/karpathy/tinyllamas: checkpoint header, checkpoint size";
constexpr std::string_view kGpt2 =
    "huggingface.co/openai-community: config.json, safetensors total without attention masks";
constexpr std::string_view kPythia = "github.com/EleutherAI/pythia: table of models";
constexpr std::string_view kDeepseek = "huggingface.co/deepseek-ai: config.json, weight index";

constexpr Preset kPresets[] = {
    {"llama-2-7b", presets::llama_2_7b, 6'738'415'616, kMeta},
    {"llama-2-13b", presets::llama_2_13b, 13'015'864'320, kMeta},
    {"llama-2-70b", presets::llama_2_70b, 68'976'648'192, kMeta},
    {"llama-3-8b", presets::llama_3_8b, 8'030'261'248, kMeta},
    {"llama-3-70b", presets::llama_3_70b, 70'553'706'496, kMeta},
    {"llama-3.1-8b", presets::llama_3_1_8b, 8'030'261'248, kMeta},
    {"llama-3.1-70b", presets::llama_3_1_70b, 70'553'706'496, kMeta},
    {"llama-3.1-405b", presets::llama_3_1_405b, 405'853'388'800, kMeta},
    {"llama-3.2-1b", presets::llama_3_2_1b, 1'235'814'400, kMeta},
    {"llama-3.2-3b", presets::llama_3_2_3b, 3'212'749'824, kMeta},
    {"mistral-7b", presets::mistral_7b, 7'241'732'096, kMistral},
    {"mixtral-8x7b", presets::mixtral_8x7b, 46'702'792'704, kMistral},
    {"mixtral-8x22b", presets::mixtral_8x22b, 140'620'634'112, kMistral},
    {"tinyllama-1.1b", presets::tinyllama_1_1b, 1'100'048'384,
     "huggingface.co/TinyLlama: config.json, safetensors total"},
    {"bench-1.1b", presets::bench_1_1b, 1'100'048'384, "the shape of tinyllama-1.1b"},
    {"stories-260k", presets::stories_260k, 260'032, kStories},
    {"stories-15m", presets::stories_15m, 15'191'712, kStories},
    {"stories-42m", presets::stories_42m, 41'689'600, kStories},
    {"stories-110m", presets::stories_110m, 109'529'856, kStories},
    {"smollm-135m", presets::smollm_135m, 134'515'008, kSmol},
    {"smollm-360m", presets::smollm_360m, 361'821'120, kSmol},
    {"smollm-1.7b", presets::smollm_1_7b, 1'711'376'384, kSmol},
    {"smollm2-135m", presets::smollm2_135m, 134'515'008, kSmol},
    {"smollm2-360m", presets::smollm2_360m, 361'821'120, kSmol},
    {"smollm2-1.7b", presets::smollm2_1_7b, 1'711'376'384, kSmol},
    {"phi-3-mini", presets::phi_3_mini, 3'821'079'552, "huggingface.co/microsoft: config.json, safetensors total"},
    {"qwen1.5-moe-a2.7b", presets::qwen1_5_moe_a2_7b, 14'315'784'192, kQwen},
    {"qwen2-0.5b", presets::qwen2_0_5b, 494'032'768, kQwen},
    {"qwen2-1.5b", presets::qwen2_1_5b, 1'543'714'304, kQwen},
    {"qwen2-7b", presets::qwen2_7b, 7'615'616'512, kQwen},
    {"qwen2-72b", presets::qwen2_72b, 72'706'203'648, kQwen},
    {"qwen2.5-0.5b", presets::qwen2_5_0_5b, 494'032'768, kQwen},
    {"qwen2.5-1.5b", presets::qwen2_5_1_5b, 1'543'714'304, kQwen},
    {"qwen2.5-3b", presets::qwen2_5_3b, 3'085'938'688, kQwen},
    {"qwen2.5-7b", presets::qwen2_5_7b, 7'615'616'512, kQwen},
    {"qwen2.5-14b", presets::qwen2_5_14b, 14'770'033'664, kQwen},
    {"qwen2.5-32b", presets::qwen2_5_32b, 32'763'876'352, kQwen},
    {"qwen2.5-72b", presets::qwen2_5_72b, 72'706'203'648, kQwen},
    {"qwen3-0.6b", presets::qwen3_0_6b, 596'049'920, kQwenTied},
    {"qwen3-1.7b", presets::qwen3_1_7b, 1'720'574'976, kQwenTied},
    {"qwen3-4b", presets::qwen3_4b, 4'022'468'096, kQwen},
    {"qwen3-8b", presets::qwen3_8b, 8'190'735'360, kQwen},
    {"qwen3-14b", presets::qwen3_14b, 14'768'307'200, kQwen},
    {"qwen3-32b", presets::qwen3_32b, 32'762'123'264, kQwen},
    {"qwen3-30b-a3b", presets::qwen3_30b_a3b, 30'532'122'624, kQwen},
    {"qwen3-235b-a22b", presets::qwen3_235b_a22b, 235'093'634'560, kQwen},
    {"gemma-2-2b", presets::gemma_2_2b, 2'614'341'888, kGemma},
    {"gemma-2-9b", presets::gemma_2_9b, 9'241'705'984, kGemma},
    {"gemma-2-27b", presets::gemma_2_27b, 27'227'128'320, kGemma},
    {"gemma-3-1b", presets::gemma_3_1b, 999'885'952, kGemma},
    {"gemma-3-4b", presets::gemma_3_4b, 3'880'263'168, kGemmaText},
    {"gemma-3-12b", presets::gemma_3_12b, 11'766'034'176, kGemmaText},
    {"gemma-3-27b", presets::gemma_3_27b, 27'009'346'304, kGemmaText},
    {"gpt2", presets::gpt2, 124'439'808, kGpt2},
    {"gpt2-medium", presets::gpt2_medium, 354'823'168, kGpt2},
    {"gpt2-large", presets::gpt2_large, 774'030'080, kGpt2},
    {"gpt2-xl", presets::gpt2_xl, 1'557'611'200, kGpt2},
    {"pythia-70m", presets::pythia_70m, 70'426'624, kPythia},
    {"pythia-160m", presets::pythia_160m, 162'322'944, kPythia},
    {"pythia-410m", presets::pythia_410m, 405'334'016, kPythia},
    {"pythia-1b", presets::pythia_1b, 1'011'781'632, kPythia},
    {"pythia-1.4b", presets::pythia_1_4b, 1'414'647'808, kPythia},
    {"pythia-2.8b", presets::pythia_2_8b, 2'775'208'960, kPythia},
    {"pythia-6.9b", presets::pythia_6_9b, 6'857'302'016, kPythia},
    {"pythia-12b", presets::pythia_12b, 11'846'072'320, kPythia},
    {"deepseek-v2-lite", presets::deepseek_v2_lite, 15'706'484'224, kDeepseek},
    {"deepseek-v2", presets::deepseek_v2, 235'741'434'880, kDeepseek},
    {"deepseek-v3", presets::deepseek_v3, 671'026'419'200, kDeepseek},
};

/// Lower case, without the separators that people type differently.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '-' && c != '_' && c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return plain;
}

}  // namespace

std::span<const Preset> all_presets() { return kPresets; }

const Preset* find_preset(std::string_view name) {
  const std::string wanted = plain_name(name);
  for (const Preset& preset : kPresets)
    if (plain_name(preset.name) == wanted) return &preset;
  return nullptr;
}

ModelConfig preset_config(std::string_view name) {
  if (const Preset* preset = find_preset(name)) return preset->config();
  std::string known;
  for (const Preset& preset : kPresets) known += (known.empty() ? "" : ", ") + std::string(preset.name);
  throw Error(ErrorCode::invalid_argument, "no preset named '" + std::string(name) + "'; known: " + known);
}

std::vector<ModelConfig> measurement_family() {
  using presets::LlamaShape;
  constexpr LlamaShape kFamily[] = {
      {"plumb-1m", 2048, 128, 4, 4, 2, 32, 384, 4096, 1e4f, true},
      {"plumb-3m", 4096, 192, 6, 6, 2, 32, 512, 4096, 1e4f, true},
      {"plumb-10m", 8192, 256, 10, 4, 2, 64, 768, 4096, 1e4f, true},
      {"plumb-30m", 16384, 512, 7, 8, 4, 64, 1536, 4096, 1e4f, true},
      {"plumb-100m", 32000, 768, 12, 12, 4, 64, 2048, 4096, 1e4f, true},
      {"plumb-300m", 32000, 1024, 22, 16, 4, 64, 3072, 4096, 1e4f, true},
      {"plumb-1b", 32000, 2048, 21, 32, 8, 64, 5632, 4096, 1e4f, true},
  };
  std::vector<ModelConfig> family;
  for (const LlamaShape& shape : kFamily) family.push_back(presets::llama_shaped(shape));
  return family;
}

}  // namespace plumb
