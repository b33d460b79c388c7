#pragma once
/// @file
/// The weights of blocks: how they are kept, and how a block names them. A block lists its tensors once, in a function
/// `NAME_tensors(spec, width, weights, list)`; whoever binds, packs, counts, makes or quantizes weights walks that
/// list.

#include <cstdint>
#include <vector>

#include "plumb/core/function_ref.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/io/tensor_id.hpp"
#include "plumb/ops/weight_matrix.hpp"

namespace plumb::inline PLUMB_ABI {

/// A small f32 vector: a norm's weight, a bias, rope factors. Empty when the model has none.
using Vector = std::vector<float>;

/// y = W x + b.
struct Linear {
  ops::WeightMatrix w;  // [outputs, inputs], or a stack of such matrices
  Vector bias;          // [outputs] of each matrix, or empty

  bool empty() const { return w.empty(); }
  const float* bias_data() const { return bias.empty() ? nullptr : bias.data(); }
};

/// One weight tensor of a model: what it is for and its shape. Tensors are logical: q, k and v are three even where a
/// file stores them as one matrix.
struct TensorSpec {
  TensorId id;
  Shape shape;  ///< outermost first

  /// A matrix (or stack of matrices) that a forward pass multiplies with or looks rows up in; these take the weight
  /// type, everything else stays f32.
  bool is_matrix() const { return shape.rank() >= 2 && !id.bias && is_matrix_role(id.role); }
};

/// A tensor and the place where its weights are kept: one of the two.
struct TensorSlot {
  TensorSpec spec;
  ops::WeightMatrix* matrix = nullptr;
  Vector* vector = nullptr;
};

/// What is done with each tensor of a list.
using TensorVisit = FunctionRef<void(const TensorSlot&)>;

/// What a block lists its tensors with. Calls `visit` for each.
class TensorList {
 public:
  /// `layer`: -1 outside the layers.
  TensorList(int layer, TensorVisit visit) : layer_(layer), visit_(visit) {}

  /// W [rows, cols], and its bias [rows] if it has one.
  void matrix(TensorRole role, Linear& linear, std::int64_t rows, std::int64_t cols, bool bias = false) const {
    visit_(TensorSlot{{{role, layer_, false}, Shape{rows, cols}}, &linear.w, nullptr});
    if (bias) this->bias(role, linear.bias, Shape{rows});
  }
  /// `count` matrices [rows, cols], each with a bias [rows] if they have one.
  void stack(TensorRole role, Linear& linear, std::int64_t count, std::int64_t rows, std::int64_t cols,
             bool bias = false) const {
    visit_(TensorSlot{{{role, layer_, false}, Shape{count, rows, cols}}, &linear.w, nullptr});
    if (bias) this->bias(role, linear.bias, Shape{count, rows});
  }
  void vector(TensorRole role, Vector& values, const Shape& shape) const {
    visit_(TensorSlot{{{role, layer_, false}, shape}, nullptr, &values});
  }
  void bias(TensorRole role, Vector& values, const Shape& shape) const {
    visit_(TensorSlot{{{role, layer_, true}, shape}, nullptr, &values});
  }

 private:
  int layer_;
  TensorVisit visit_;
};

}  // namespace plumb
