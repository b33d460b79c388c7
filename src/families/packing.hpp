#pragma once
/// Folders whose matrices have been quantized: what `quantization_config` says, and GPTQ's and AWQ's packed integers.

#include <string>

#include "config.hpp"
#include "elements.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// How matrices of a folder are packed where they are.
struct Packing {
  enum class Kind {
    none,
    gptq,  ///< words hold neighbouring columns of a row
    awq,   ///< words hold neighbouring rows of a column, in an order of their own
  };
  Kind kind = Kind::none;
  int bits = 4;
  int group = 128;             ///< columns that share a scale; 0: all
  bool zeros_less_one = true;  ///< GPTQ's first format stores zero points minus one
};

/// @throws Error{unsupported_type} for methods that are not known here, {bad_value, wrong_type} for numbers that make
/// no sense.
Packing packing_of(const Config& config, const Safetensors& weights);

/// The parts of a packed matrix. `indices`: which group each column is of, or nullptr.
struct PackedParts {
  const SafeTensor *codes, *zeros, *scales, *indices;
};

/// The matrix [rows, cols] in one of the integer types: codes and scales as they are; what its zero points are worth is
/// rounded once, to F16, where they are not the middle of the range.
/// @throws Error{unsupported_type} for groups that no type has, columns in another order, or scales that are no F16;
/// {bad_shape, wrong_type}.
Elements packed_of(const Packing& packing, const PackedParts& parts, const std::string& where);

}  // namespace plumb::family
