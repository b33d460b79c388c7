#pragma once
/// @file
/// Normalisation of rows: RMS and layer norm.

#include <cmath>
#include <cstdint>

#include "plumb/core/parallel.hpp"

namespace plumb::ops {

/// y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; without weight when it is null. x and y may be the same row.
/// The mean is taken in double: a row is short beside the matrices around it.
inline void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const float scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps)));
  for (std::int64_t i = 0; i < n; ++i) y[i] = weight ? x[i] * scale * weight[i] : x[i] * scale;
}

/// y[i] = (x[i] - mean) / sqrt(var + eps) * weight[i] + bias[i]; weight and bias may be null. x and y may be the same.
inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* y, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  for (std::int64_t i = 0; i < n; ++i) {
    const float unit = static_cast<float>((static_cast<double>(x[i]) - mean) * scale);
    y[i] = (weight ? unit * weight[i] : unit) + (bias ? bias[i] : 0.0f);
  }
}

}  // namespace plumb::ops
