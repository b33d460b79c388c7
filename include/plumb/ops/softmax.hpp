#pragma once
/// @file
/// Softmax of one row.

#include <cstdint>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// x[i] = exp(x[i] - max) / sum, in place, n >= 1.
inline void softmax(const KernelTable& kernels, float* x, std::int64_t n) { kernels.vector.softmax(x, n); }

}  // namespace plumb::ops
