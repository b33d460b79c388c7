#pragma once
/// @file
/// Where a model does not have the type that was asked for, because the type's blocks do not divide its rows. A table
/// that says "Q4_K" of such a model would compare something else than it says.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "plumb/core/tensor.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// Counts of a model's matrices.
struct Fallbacks {
  int matrices = 0;              ///< that the type's name asks to be quantized
  std::map<DType, int> instead;  ///< of them, how many have another type than the name asks, by the type they have

  /// Notes a matrix of rows of `cols`, of which a recipe wanted one type and which has another or the same.
  void add(DType wanted, DType has, std::int64_t cols);
  int count() const;
  bool any() const { return !instead.empty(); }
  /// "Q4_K (12 of 40 tensors Q5_0)", "Q4_K (14 of 40 tensors not: 12 Q5_0, 2 F16)"; the name alone without fallbacks.
  std::string beside(std::string_view type) const;
};

/// Of a model made with a named type or recipe (Recipe::parse). A text that names none, or none that changes anything,
/// has no fallbacks.
PLUMB_API Fallbacks fallbacks_of(std::string_view type, const ModelSpec& spec);

}  // namespace plumb
