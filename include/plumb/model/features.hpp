#pragma once
/// @file
/// What models are made of, by feature, for listings. Whether a feature runs is not said here: the blocks are asked.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// Something that models have or have not.
struct Feature {
  std::string_view part;  ///< of a model: "attention"
  std::string_view name;  ///< "sliding windows"
  std::function<bool(const ModelSpec&)> has;
  std::function<void(ModelSpec&)> add;  ///< to feature_base()
};

/// All of them, by part.
PLUMB_API std::span<const Feature> all_features();

/// A small Llama with none of the features.
ModelSpec feature_base();

/// Why models with the feature cannot be run, in the words of the block that refuses them; empty: they run.
PLUMB_API std::string refusal_of(const Feature& feature);

/// The families that have a preset with the feature, by name.
PLUMB_API std::vector<std::string> families_with(const Feature& feature);

}  // namespace plumb
