#pragma once
/// @file
/// Known models, each as its publisher's config.json and the parameter count its publisher states, and the built-in
/// family that `plumb measure` runs when no model is at hand.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// A known model: its configuration and what its publisher says of its size.
struct PLUMB_API Preset {
  std::string_view name;                  ///< as people write it: "llama-3.2-1b"
  std::string_view display_name;          ///< "Llama 3.2 1B"
  std::string_view config;                ///< the fields of its config.json that matter, as published
  std::int64_t published_parameters = 0;  ///< total
  std::string_view source;                ///< where configuration and total were published
  std::int64_t rounded_to = 1;            ///< the total is a multiple of this: 1 where it is exact
  bool trained = true;                    ///< there are weights to download; else a shape to measure with

  /// The spec that the config.json describes, under the display name.
  ModelSpec spec() const;
};

/// All known models, smaller ones first within each family.
PLUMB_API std::span<const Preset> all_presets();

/// The preset of this name; case, '-' and '_' do not matter ("Llama_3.2_1B"). nullptr when there is none.
PLUMB_API const Preset* find_preset(std::string_view name);

/// The spec of a preset by name. @throws Error{invalid_argument} that lists the known names.
PLUMB_API ModelSpec preset_spec(std::string_view name);

/// Llama-shaped random-weight specs from about 1 million to about 1 billion parameters, smallest first, near powers of
/// sqrt(10) apart. Heads are tied, so that bytes per token follow the parameter count.
PLUMB_API std::vector<ModelSpec> measurement_family();

}  // namespace plumb
