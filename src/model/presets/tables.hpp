#pragma once
/// The tables of known models, one a file.

#include <span>

#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI::presets {

std::span<const Preset> llama();
std::span<const Preset> qwen();
std::span<const Preset> gemma();
std::span<const Preset> gpt();
std::span<const Preset> deepseek();
std::span<const Preset> qwen_hybrid();
std::span<const Preset> glm();
std::span<const Preset> mistral();
std::span<const Preset> granite();
std::span<const Preset> nemotron();
std::span<const Preset> recurrent();
std::span<const Preset> open_models();
std::span<const Preset> east();
std::span<const Preset> phi();
std::span<const Preset> command();
std::span<const Preset> encoders();

}  // namespace plumb::presets
