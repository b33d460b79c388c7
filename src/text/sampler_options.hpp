#pragma once
/// @file
/// What a sampler's options may be.

#include "plumb/text/sampler.hpp"

namespace plumb::inline PLUMB_ABI {

/// @throws Error{invalid_argument, out_of_range} naming the option, what was found and what is expected.
void check_options(const SamplerOptions& options, std::int64_t n_vocab);

}  // namespace plumb
