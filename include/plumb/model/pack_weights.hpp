#pragma once
/// @file
/// Brings the matrices of a model into the form that products read, at load: types and panels.

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "plumb/model/checkpoint.hpp"
#include "plumb/quantize/quantize.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to prepare weights.
struct PrepareOptions {
  bool pack = true;                          ///< interleave the matrices of products into panels
  QuantMethod method = QuantMethod::search;  ///< for matrices that change their type
  std::function<void(double)> progress;      ///< called with the fraction done, from the calling thread
  std::stop_token cancel = {};               ///< looked at by every thread after about a megabyte of weights
};

/// @throws Error{cancelled} naming what is being loaded, if an end was asked for.
void check_cancelled(const std::stop_token& cancel, const std::string& source);

/// Gives every matrix the type that `types` says. Rows stay as they are; prepare_weights must follow.
void set_types(const ModelSpec& spec, Weights& weights, const WeightTypes& types);

/// Packs every matrix that products use into R16K4 panels, on all threads, and releases the checkpoint's memory as it
/// goes, so that memory holds the weights once. Tables whose rows are looked up one by one also stay in rows; so do
/// matrices of a few rows, which would mostly be padding, and all of them if they are not to be packed. Rows of another
/// type than their matrix shall have (see set_types) are decoded and quantized on the way, sixteen at a time.
/// @throws Error{out_of_memory}, Error{bad_value} naming the tensor for weights that are not finite and change type;
/// Error{cancelled}.
void prepare_weights(Weights& weights, const Checkpoint& checkpoint, const PrepareOptions& options);

/// Whether the rows of a matrix are looked up one by one rather than multiplied with.
constexpr bool is_table(TensorRole role) {
  return role == TensorRole::token_embedding || role == TensorRole::position_embedding ||
         role == TensorRole::per_layer_table || role == TensorRole::token_types;
}

/// Allocates `weights.packed` for the panels of `matrices`, which must be matrices of `weights`, points each at its
/// place, and returns the places for writing. @throws Error{overflow, out_of_memory}.
std::vector<std::byte*> place_panels(Weights& weights, std::span<ops::WeightMatrix* const> matrices);

}  // namespace plumb
