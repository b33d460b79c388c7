#pragma once
/// @file
/// The weight types of a model by the names that people give to files: "q8_0", "q4_k_m", "int4g64", or rules such as
/// "ffn_down=q6_k,*=q4_0". What a name means is said by Recipe alone, so a random model, a model that changes type at
/// load, a prediction and a quantized file of the same name are the same to the byte.

#include <functional>
#include <optional>
#include <string_view>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/model/spec.hpp"
#include "plumb/quantize/recipe.hpp"

namespace plumb::inline PLUMB_ABI {

struct Weights;

/// What recipes ask of a model; no calibration data is at hand.
PLUMB_API RecipeFacts recipe_facts(const ModelSpec& spec);

/// The types that a recipe gives every tensor of the model. `kept` is what those have that no rule names; the types of
/// a file where a model is loaded from one.
/// @throws Error{invalid_argument} as Recipe::parse, naming what is not understood and the known names.
PLUMB_API WeightTypes weight_types_by_name(std::string_view name, const ModelSpec& spec,
                                           const WeightTypes& kept = DType::f32);

/// Gathers the types that `type_of` gives every matrix of the model. `usual` is the one that WeightTypes::matrices()
/// shall say; by default that of the most matrices.
PLUMB_API WeightTypes gather_weight_types(const ModelSpec& spec, const std::function<DType(const TensorSpec&)>& type_of,
                                          std::optional<DType> usual = std::nullopt);

/// The types that bound weights have now.
PLUMB_API WeightTypes stored_types(const ModelSpec& spec, const Weights& weights);

}  // namespace plumb
