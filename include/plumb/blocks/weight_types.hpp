#pragma once
/// @file
/// Which element type each weight tensor of a model is stored in: one type throughout, or what a file holds.

#include <utility>
#include <vector>

#include "plumb/blocks/tensors.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/quant/fitting_type.hpp"

namespace plumb::inline PLUMB_ABI {

/// Element types of the weights. Vectors, routers and position tables are F32; matrices have one type throughout unless
/// a role, or a role in one layer, is set apart. Where a type's blocks do not divide a row, fitting_type stands in.
class WeightTypes {
 public:
  WeightTypes(DType matrices = DType::f16) : matrices_(matrices) {}

  /// Every layer's tensor of `role` has `type`.
  WeightTypes& set(TensorRole role, DType type) { return set(role, kEveryLayer, type); }
  /// The tensor of `role` in `layer` has `type`. Later calls win over earlier ones.
  WeightTypes& set(TensorRole role, int layer, DType type) {
    exceptions_.push_back({role, layer, type});
    return *this;
  }

  DType matrices() const { return matrices_; }
  bool uniform() const { return exceptions_.empty(); }

  /// The type of one tensor.
  DType of(const TensorSpec& tensor) const {
    if (!tensor.is_matrix()) return DType::f32;
    for (auto it = exceptions_.rbegin(); it != exceptions_.rend(); ++it)
      if (it->role == tensor.id.role && (it->layer == kEveryLayer || it->layer == tensor.id.layer))
        return fitting_type(it->type, tensor.shape.cols());
    return fitting_type(matrices_, tensor.shape.cols());
  }

 private:
  static constexpr int kEveryLayer = -2;
  struct Exception {
    TensorRole role;
    int layer;
    DType type;
  };
  DType matrices_;
  std::vector<Exception> exceptions_;
};

}  // namespace plumb
