#pragma once
/// @file
/// Which element type each weight tensor of a configuration is stored in: one type throughout, or what a file holds.

#include <algorithm>
#include <utility>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/model/tensor_list.hpp"

namespace plumb::inline PLUMB_ABI {

/// `type`, or what stands in for it where a row of `cols` weights does not fill its blocks, as random models and the
/// writers do: for an in-memory integer the same with smaller groups (blocks of whole rows are 32), else F16.
constexpr DType storable_type(DType type, std::int64_t cols) {
  while (cols % dtype_info(type).block_elements != 0) {
    const bool smaller_group = dtype_info(type).in_memory() && dtype_info(type).block_elements > 32;
    type = smaller_group ? static_cast<DType>(static_cast<std::uint32_t>(type) - 1) : DType::f16;
  }
  return type;
}

/// Element types of the weights. Vectors, routers and position tables are F32; matrices have one type throughout unless
/// a role, or a role in one layer, is set apart.
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
    if (!tensor.is_matrix() || tensor.bias) return DType::f32;
    for (auto it = exceptions_.rbegin(); it != exceptions_.rend(); ++it)
      if (it->role == tensor.role && (it->layer == kEveryLayer || it->layer == tensor.layer))
        return storable_type(it->type, tensor.shape.cols());
    return storable_type(matrices_, tensor.shape.cols());
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
