#include <algorithm>
#include <cmath>

#include "plumb/model/bind_weights.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Equal, leading dimensions of 1 not counted: files may store [1, n] for a vector, or the reverse.
bool same_shape(const Shape& found, const Shape& expected) {
  const int rank = std::max(found.rank(), expected.rank());
  const auto dim = [rank](const Shape& shape, int i) {
    const int missing = rank - shape.rank();
    return i < missing ? 1 : shape[i - missing];
  };
  for (int i = 0; i < rank; ++i)
    if (dim(found, i) != dim(expected, i)) return false;
  return true;
}

bool is_float(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

/// Finds tensors of one source and checks them against what the spec expects.
class Binder {
 public:
  explicit Binder(const TensorSource& source) : source_(source) {}

  /// `places` keeps where the matrices of scattered stacks begin.
  void bind(const TensorSlot& slot, std::vector<std::vector<const std::byte*>>& places) const {
    ops::StoredTensor found = require(slot.spec);
    if (!slot.matrix) return read(slot.spec, found.view, *slot.vector);
    const std::byte* const* each = nullptr;
    if (!found.each.empty()) each = places.emplace_back(std::move(found.each)).data();
    *slot.matrix = ops::make_weight_stack(found.view, slot.spec.shape.rank() > 2 ? slot.spec.shape[0] : 1, each);
  }

 private:
  std::string quoted(const TensorSpec& tensor) const {
    return source_.name + ": tensor '" + source_.name_of(tensor.id) + "'";
  }

  ops::StoredTensor require(const TensorSpec& tensor) const {
    std::optional<ops::StoredTensor> found = source_.find(tensor);
    if (!found)
      throw Error(ErrorCode::missing_key, quoted(tensor) + " is absent, expected " + tensor.shape.to_string());
    const ConstTensorView& view = found->view;
    if (!same_shape(view.shape(), tensor.shape))
      throw Error(ErrorCode::bad_shape, quoted(tensor) + ": shape " + view.shape().to_string() + ", expected " +
                                            tensor.shape.to_string() + " by the configuration");
    if (!dtype_info(view.dtype()).computed)
      throw Error(ErrorCode::unsupported_type,
                  quoted(tensor) + ": type " + std::string(dtype_name(view.dtype())) + " cannot be computed");
    return *std::move(found);
  }

  /// A vector of any float type, as f32.
  void read(const TensorSpec& tensor, const ConstTensorView& view, Vector& values) const {
    if (!is_float(view.dtype()))
      throw Error(ErrorCode::wrong_type,
                  quoted(tensor) + ": type " + std::string(dtype_name(view.dtype())) + ", expected F32, F16 or BF16");
    values.resize(static_cast<std::size_t>(tensor.shape.elements()));
    for (std::int64_t r = 0; r < view.rows(); ++r)
      dequantize_row(view.dtype(), view.row(r), values.data() + r * view.cols(), view.cols());
    if (!is_rope_factors(tensor.id.role)) return;
    for (const float factor : values)
      if (!(factor > 0) || !std::isfinite(factor))
        throw Error(ErrorCode::bad_value,
                    quoted(tensor) + ": factor " + std::to_string(factor) + ", expected finite positive numbers");
  }

  const TensorSource& source_;
};

}  // namespace

Weights bind_weights(const ModelSpec& spec, const TensorSource& source) {
  const Binder binder(source);
  Weights weights;
  weights.layers.resize(spec.layers.size());
  for_each_slot(spec, weights, [&](const TensorSlot& slot) { binder.bind(slot, weights.places); });
  if (spec.output.tied) weights.head.w = weights.embedding.w;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) layer_derive(spec.layers[l], weights.layers[l]);
  return weights;
}

}  // namespace plumb
