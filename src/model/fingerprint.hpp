#pragma once
/// A number that tells models apart.

#include <cstdint>

#include "plumb/model/forward_pass.hpp"

namespace plumb::inline PLUMB_ABI {

/// Of the description, of the type and shape of every tensor, of all vectors and of some bytes of four rows of every
/// matrix: as it is stored, where that is still known, else as it was packed.
std::uint64_t fingerprint_of(const Transformer& model);

}  // namespace plumb
