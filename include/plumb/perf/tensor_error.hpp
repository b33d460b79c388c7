#pragma once
/// @file
/// What quantization did to the matrices of a model: the error of the weights, and the error of the outputs on real
/// inputs. The two may disagree: an error in a column that large activations meet costs more than one elsewhere, and
/// errors that cancel cost nothing.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/model/calibrate.hpp"

namespace plumb::inline PLUMB_ABI {

/// One tensor W and what became of it, W'.
struct TensorError {
  std::string name;
  Shape shape;
  DType from = DType::f32, to = DType::f32;
  std::uint64_t bytes = 0;            ///< of W'
  double mse = 0;                     ///< ||W' - W||^2 / weights
  double nmse = 0;                    ///< ||W' - W||^2 / ||W||^2
  std::optional<double> output_nmse;  ///< ||(W' - W) X||^2 / ||W X||^2 over input rows X, where there are some
};

/// Compares one matrix (or stack of them, which has no inputs). `inputs`: nullptr, or rows of W's columns. Sums are the
/// same on any number of threads. @throws Error{bad_shape} for different shapes, Error{unsupported_type}.
TensorError tensor_error(std::string_view name, const ConstTensorView& base, const ConstTensorView& other,
                         const InputRows* inputs, int threads = 0);

/// A tensor of a model by its name, or nothing.
using FindTensor = std::function<std::optional<ConstTensorView>(std::string_view name)>;

/// tensor_error() of every tensor of `base` whose type changed, in the order of the file. @throws Error{missing_key}
/// for a tensor that `other` does not have, and as tensor_error().
std::vector<TensorError> tensor_errors(const ModelFile& base, const FindTensor& other,
                                       std::span<const InputRows> inputs, int threads = 0);

}  // namespace plumb
