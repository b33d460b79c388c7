#pragma once
/// @file
/// A token id: a row of the embedding matrix, a column of the logits.

#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Index into a vocabulary. Valid ids are 0 .. size - 1.
using Token = std::int32_t;

/// "There is no such token": a vocabulary without, for instance, a beginning-of-sequence token.
inline constexpr Token kNoToken = -1;

}  // namespace plumb
