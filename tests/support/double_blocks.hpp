#pragma once
/// Parts of blocks in double precision, over a model's own f32 weights.

#include <cmath>
#include <cstdint>
#include <vector>

#include "plumb/blocks/tensors.hpp"

namespace plumb::test {

using Doubles = std::vector<double>;

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }
inline double softplus(double x) { return std::log1p(std::exp(x)); }

/// W x, [rows].
inline Doubles times(const Linear& linear, const Doubles& x) {
  Doubles y;
  for (std::int64_t r = 0; r < linear.w.rows; ++r) {
    const float* const row = reinterpret_cast<const float*>(linear.w.file.row(r));
    double sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) sum += static_cast<double>(row[k]) * x[k];
    y.push_back(sum);
  }
  return y;
}

}  // namespace plumb::test
