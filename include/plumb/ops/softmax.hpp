#pragma once
/// @file
/// Softmax of one row.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace plumb::ops {

/// x[i] = exp(x[i] - max) / sum, in place, n >= 1.
inline void softmax(float* x, std::int64_t n) {
  const float top = *std::max_element(x, x + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = std::exp(x[i] - top);
    sum += static_cast<double>(x[i]);
  }
  const float scale = static_cast<float>(1.0 / sum);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= scale;
}

}  // namespace plumb::ops
