#pragma once
/// @file
/// Who watches the inputs of matrix products: calibration.

#include <cstdint>
#include <functional>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {
namespace ops {
struct Activations;
struct WeightMatrix;
}  // namespace ops

/// Sees the input rows of every matrix product of a pass. `weights` are the matrix, or the stack whose matrix number
/// `matrix` is multiplied. Called by one worker, in the order of the products, while the others multiply; must not
/// throw and must not keep the rows.
using ActivationObserver =
    std::function<void(const ops::WeightMatrix& weights, std::int64_t matrix, const ops::Activations& inputs)>;

}  // namespace plumb
