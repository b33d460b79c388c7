#include "plumb/model/random_weights.hpp"

#include <cmath>
#include <cstring>
#include <utility>

#include "plumb/model/tensor_names.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// FNV-1a: ties a tensor's numbers to its name, so that they do not depend on which other tensors there are.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

/// Deviation of the weights of a tensor; 0 for what is constant.
double deviation_of(const ModelConfig& config, const TensorSpec& tensor) {
  if (tensor.bias || tensor.shape.rank() < 2) return 0;
  const bool looked_up = tensor.role == TensorRole::position_embedding ||
                         (tensor.role == TensorRole::token_embedding && !config.tied_head);
  return looked_up ? 1 : 1 / std::sqrt(static_cast<double>(tensor.shape.cols()));
}

/// Norm weights multiply by 1; everything that is added is 0.
float constant_of(const TensorSpec& tensor) {
  return tensor.bias || tensor.role == TensorRole::router_bias ? 0.0f : 1.0f;
}

}  // namespace

RandomTensor::RandomTensor(std::string name, DType type, const Shape& shape, double deviation, float constant,
                           std::uint64_t seed)
    : name_(std::move(name)), type_(type), shape_(shape), constant_(constant) {
  if (deviation > 0) random_.emplace(type, shape.cols(), deviation, seed ^ hash(name_));
}

void RandomTensor::fill(std::int64_t row, std::byte* out) const {
  if (random_) return random_->fill(row, out);
  for (std::int64_t i = 0; i < shape_.cols(); ++i)
    std::memcpy(out + i * static_cast<std::int64_t>(sizeof(float)), &constant_, sizeof(float));
}

std::vector<RandomTensor> random_tensors(const ModelConfig& config, const WeightTypes& types, std::uint64_t seed) {
  std::vector<RandomTensor> tensors;
  for_each_tensor(config, [&](const TensorSpec& tensor) {
    tensors.emplace_back(gguf_tensor_name(tensor), types.of(tensor), tensor.shape, deviation_of(config, tensor),
                         constant_of(tensor), seed);
  });
  if (config.rope_factors) {
    const int dims = config.rope.dims > 0 ? config.rope.dims : config.head_dim;
    tensors.emplace_back("rope_freqs.weight", DType::f32, Shape{dims / 2}, 0.0, 1.0f, seed);
  }
  return tensors;
}

}  // namespace plumb
