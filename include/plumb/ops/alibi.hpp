#pragma once
/// @file
/// Slopes of ALiBi (Press et al. 2021), attention with linear biases.

#include <bit>
#include <cmath>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Slopes [n_heads] of heads whose largest bias exponent is `max_bias` (8 in most models): a geometric sequence over
/// the largest power of two n2 <= n_heads, 2^(-max_bias (h + 1) / n2), and for the heads beyond it every second number
/// of the sequence over 2 n2.
inline void alibi_slopes(int n_heads, float max_bias, float* out) {
  const int n2 = n_heads < 1 ? 1 : static_cast<int>(std::bit_floor(static_cast<unsigned>(n_heads)));
  for (int h = 0; h < n_heads; ++h) {
    const double step = h < n2 ? h + 1 : (2 * (h - n2) + 1) / 2.0;
    out[h] = static_cast<float>(std::exp2(-static_cast<double>(max_bias) * step / n2));
  }
}

}  // namespace plumb::ops
