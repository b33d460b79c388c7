#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>
#include "plumb/model/spec.hpp"
namespace plumb::inline PLUMB_ABI {
struct Preset { std::string_view name; std::int64_t published_parameters=0; std::string_view source; ModelSpec spec() const; };
std::span<const Preset> all_presets();
const Preset* find_preset(std::string_view name);
ModelSpec preset_spec(std::string_view name);
std::vector<ModelSpec> measurement_family();
}
