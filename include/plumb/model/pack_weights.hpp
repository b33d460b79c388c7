#pragma once
/// @file
/// Packs the matrices of a model for the kernels at load.

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/model/weights.hpp"

namespace plumb {

/// Packs every matrix that products use into R16K4 panels, on all threads, and gives the file's pages back as it goes,
/// so that memory holds the weights once. The embedding also stays as the file has it: its rows are looked up one by
/// one. `progress` is called with the fraction done, from the calling thread. @throws Error{out_of_memory}.
void pack_weights(Weights& weights, const ModelFile& file, const std::function<void(double)>& progress);

/// Allocates `weights.packed` for the panels of `matrices`, which must be matrices of `weights`, points each at its
/// place, and answers the places for writing. @throws Error{overflow, out_of_memory}.
std::vector<std::byte*> place_panels(Weights& weights, std::span<ops::WeightMatrix* const> matrices);

}  // namespace plumb
