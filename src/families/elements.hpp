#pragma once
/// Numbers of a folder's tensor, whatever its file spells them in.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/io/safetensors.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// The numbers of one tensor in the order in which they stand, in a type that is computed.
struct Elements {
  DType type = DType::f32;
  std::vector<std::int64_t> shape;   ///< of the numbers, outermost first
  std::span<const std::byte> bytes;  ///< what the file has
  bool stored = false;               ///< `bytes` are these numbers, at an address that fits their type
  /// Writes numbers [first, first + count) as `type`; whole blocks of it.
  std::function<void(std::int64_t first, std::int64_t count, std::byte* out)> copy;

  std::int64_t count() const;
};

/// The numbers of `tensor`: F32, F16 and BF16 as they are, F64 as F32, 8-bit floats and integers as F16 with their
/// scales
/// (`NAME_scale_inv` or `NAME_scale`: one for all, for each row, or for each block of rows and columns), as F32 where
/// F16 has not the range.
/// @throws Error{unsupported_type} for integers without scales; {bad_shape, wrong_type} for scales that do not fit.
Elements elements_of(const Safetensors& weights, const SafeTensor& tensor, const std::string& where);

/// MXFP4: blocks [..., n, 16] of 32 numbers, and an exponent for each [..., n]. @throws Error{bad_shape, wrong_type}.
Elements mxfp4_of(const SafeTensor& blocks, const SafeTensor& scales, const std::string& where);

/// "[2, 3]".
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace plumb::family
