#include "plumb/model/random_weights.hpp"

#include <cmath>
#include <cstring>

#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// FNV-1a: ties a tensor's numbers to its name, so that they do not depend on which other tensors there are.
std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

/// A norm of heads may have a table of weights.
constexpr bool is_norm(TensorRole role) {
  return role == TensorRole::attn_q_norm || role == TensorRole::attn_k_norm || role == TensorRole::ssm_norm;
}

/// Deviation of the weights of a tensor; 0 for what is constant.
double deviation_of(const ModelSpec& spec, const TensorSpec& tensor) {
  const TensorRole role = tensor.id.role;
  if (tensor.id.bias || tensor.shape.rank() < 2 || is_norm(role) || role == TensorRole::ssm_a ||
      role == TensorRole::ssm_d)
    return 0;
  const bool looked_up = role == TensorRole::position_embedding || role == TensorRole::token_types ||
                         (role == TensorRole::token_embedding && !spec.output.tied);
  return looked_up ? 1 : 1 / std::sqrt(static_cast<double>(tensor.shape.cols()));
}

/// Norm weights multiply by 1; everything that is added is 0. Rates of decay are below zero: states would grow else.
float constant_of(const TensorSpec& tensor) {
  if (tensor.id.role == TensorRole::ssm_a) return -0.1f;
  const bool added =
      tensor.id.bias || tensor.id.role == TensorRole::router_choice_bias || tensor.id.role == TensorRole::attn_sinks;
  return added ? 0.0f : 1.0f;
}

}  // namespace

RandomTensor::RandomTensor(const TensorId& id, DType type, const Shape& shape, double deviation, float constant,
                           std::uint64_t seed)
    : id_(id), type_(type), shape_(shape), constant_(constant) {
  if (deviation > 0) random_.emplace(type, shape.cols(), deviation, seed ^ hash(gguf_tensor_name(id)));
}

void RandomTensor::fill(std::int64_t row, std::byte* out) const {
  if (random_) return random_->fill(row, out);
  for (std::int64_t i = 0; i < shape_.cols(); ++i)
    std::memcpy(out + i * static_cast<std::int64_t>(sizeof(float)), &constant_, sizeof(float));
}

std::vector<RandomTensor> random_tensors(const ModelSpec& spec, const WeightTypes& types, std::uint64_t seed) {
  std::vector<RandomTensor> tensors;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    tensors.emplace_back(tensor.id, types.of(tensor), tensor.shape, deviation_of(spec, tensor), constant_of(tensor),
                         seed);
  });
  return tensors;
}

}  // namespace plumb
