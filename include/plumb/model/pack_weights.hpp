#pragma once
/// @file
/// Packs the matrices of a model for the kernels at load.

#include <functional>

#include "plumb/core/memory.hpp"
#include "plumb/io/mapping.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/model/weights.hpp"

namespace plumb {

/// Packs every matrix that products use into R16K4 panels, on all threads, and gives the file's pages back as it goes,
/// so that memory holds the weights once. The embedding also stays as the file has it: its rows are looked up one by
/// one. `progress` is called with the fraction done, from the calling thread. @throws Error{out_of_memory}.
void pack_weights(Weights& weights, const ModelFile& file, const std::function<void(double)>& progress);

/// The panels of one matrix, packed on all threads. The pages of `release`, if not null, are given back once read.
/// @throws Error{out_of_memory}.
AlignedBuffer pack_matrix(const ops::WeightMatrix& matrix, const FileMapping* release = nullptr);

}  // namespace plumb
