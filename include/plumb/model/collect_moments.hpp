#pragma once
/// @file
/// Second moments of a model's activations, from a text: what GPTQ needs (see quantize/gptq.hpp).

#include <span>

#include "plumb/model/calibrate.hpp"
#include "plumb/quantize/second_moment.hpp"

namespace plumb::inline PLUMB_ABI {

/// The second moments of the input of every product, by the names of its matrices. q, k and v share theirs, and so do
/// gate and up. A tied head has none: its matrix is an embedding too, and a look-up wants the nearest rounding; neither
/// have the experts of a layer, which share too few tokens.
///
/// Load the model with LoadOptions::exact, or the activations carry the error of int8. Memory: 4 bytes for the square
/// of every input's columns (4 GB for the 22 layers of a 1.1B llama) and the activations of one pass.
/// @throws Error{bad_value} when an activation is not finite, naming the tensor, and as observe_inputs().
SecondMoments collect_second_moments(const Model& model, std::span<const Token> text,
                                     const CalibrationOptions& options = {});

}  // namespace plumb
