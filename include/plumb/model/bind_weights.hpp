#pragma once
/// @file
/// Binding: every tensor of a spec is looked up once and its type and shape checked; afterwards nothing in the forward
/// pass can be missing or misshapen.

#include <functional>
#include <optional>
#include <string>

#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {

/// Where binding finds tensors: a file, or matrices made in memory.
struct TensorSource {
  std::string name;  ///< for messages: the path of the file
  /// The tensor, or nothing. The shape that is expected tells where a part of a fused tensor lies.
  std::function<std::optional<ops::StoredTensor>(const TensorSpec&)> find;
  /// What the source calls a tensor, for messages.
  std::function<std::string(const TensorId&)> name_of;
};

/// Binds the weights of `spec`.
/// @throws Error{missing_key} for an absent tensor, Error{bad_shape} for one that disagrees with the spec,
/// Error{unsupported_type} for a type that is not computed, Error{bad_value} for rope factors that are not positive.
Weights bind_weights(const ModelSpec& spec, const TensorSource& source);

}  // namespace plumb
