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
std::span<const Preset> encoders();

}  // namespace plumb::presets
