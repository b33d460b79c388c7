// Looking up known models, and the family that is measured when no model is at hand.

#include "presets/tables.hpp"

#include <string>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/llama_spec.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Lower case, without the separators that people type differently.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '-' && c != '_' && c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return plain;
}

}  // namespace

ModelSpec Preset::spec() const {
  ModelSpec spec = spec_from_json(config, name);
  spec.name = display_name;
  return spec;
}

std::span<const Preset> all_presets() {
  static const std::vector<Preset> all = [] {
    std::vector<Preset> presets;
    for (const auto part :
         {presets::llama(), presets::mistral(), presets::qwen(), presets::qwen_hybrid(), presets::gemma(),
          presets::gpt(), presets::deepseek(), presets::glm(), presets::east(), presets::phi(), presets::command(),
          presets::granite(), presets::nemotron(), presets::recurrent(), presets::open_models(), presets::encoders()})
      presets.insert(presets.end(), part.begin(), part.end());
    return presets;
  }();
  return all;
}

const Preset* find_preset(std::string_view name) {
  const std::string wanted = plain_name(name);
  for (const Preset& preset : all_presets())
    if (plain_name(preset.name) == wanted) return &preset;
  return nullptr;
}

ModelSpec preset_spec(std::string_view name) {
  if (const Preset* preset = find_preset(name)) return preset->spec();
  std::string known;
  for (const Preset& preset : all_presets()) known.append(known.empty() ? "" : ", ").append(preset.name);
  throw Error(ErrorCode::invalid_argument, "no preset named " + quote(name, 60) + "; known: " + known);
}

std::vector<ModelSpec> measurement_family() {
  const LlamaShape shapes[] = {
      {"plumb-1m", 2048, 128, 4, 4, 2, 32, 384, 4096, 1e4f, true},
      {"plumb-3m", 4096, 192, 6, 6, 2, 32, 512, 4096, 1e4f, true},
      {"plumb-10m", 8192, 256, 10, 4, 2, 64, 768, 4096, 1e4f, true},
      {"plumb-30m", 16384, 512, 7, 8, 4, 64, 1536, 4096, 1e4f, true},
      {"plumb-100m", 32000, 768, 12, 12, 4, 64, 2048, 4096, 1e4f, true},
      {"plumb-300m", 32000, 1024, 22, 16, 4, 64, 3072, 4096, 1e4f, true},
      {"plumb-1b", 32000, 2048, 21, 32, 8, 64, 5632, 4096, 1e4f, true},
  };
  std::vector<ModelSpec> family;
  for (const LlamaShape& shape : shapes) family.push_back(llama_spec(shape));
  return family;
}

}  // namespace plumb
