#pragma once
/// @file
/// The weights of a random model, tensor by tensor: the same numbers whether they are made in memory
/// (Model::random) or written to a file (write_random_model).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/model/random_rows.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// One tensor of a random model. Its rows are made on demand, in any order, by any thread.
class RandomTensor {
 public:
  /// `deviation` is that of the weights; 0 makes every element `constant`, in F32.
  RandomTensor(const TensorId& id, DType type, const Shape& shape, double deviation, float constant,
               std::uint64_t seed);

  const TensorId& id() const { return id_; }
  DType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::size_t row_bytes() const { return plumb::row_bytes(type_, shape_.cols()); }
  /// Writes row `row` (rows counted over all outer dimensions) in file layout: row_bytes() bytes.
  void fill(std::int64_t row, std::byte* out) const;

 private:
  TensorId id_;
  DType type_;
  Shape shape_;
  float constant_;
  std::optional<RandomRows> random_;
};

/// All tensors of a configuration, with their names in GGUF files and in the order of a forward pass. Weights have the
/// deviation 1/sqrt(inputs), so that every product of a normalised input has unit size and the residual stream grows
/// only with the square root of the depth; an embedding that is no head too has unit size; norms are 1, biases 0.
/// The configuration must have passed check_spec. @throws Error{unsupported_type} for a type that is not computed.
std::vector<RandomTensor> random_tensors(const ModelSpec& spec, const WeightTypes& types, std::uint64_t seed);

}  // namespace plumb
