#pragma once
/// @file
/// Normalisation of one row: RMS and layer norm. A row is short beside the matrices around it, so rows are what workers
/// share.

#include <cstdint>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; without weight when it is null. x and y may be the same row.
inline void rms_norm(const KernelTable& kernels, const float* x, const float* weight, float eps, float* y,
                     std::int64_t n) {
  kernels.vector.rms_norm(x, weight, eps, y, n);
}

/// y[i] = (x[i] - mean) / sqrt(var + eps) * weight[i] + bias[i]; weight and bias may be null. x and y may be the same.
inline void layer_norm(const KernelTable& kernels, const float* x, const float* weight, const float* bias, float eps,
                       float* y, std::int64_t n) {
  kernels.vector.layer_norm(x, weight, bias, eps, y, n);
}

}  // namespace plumb::ops
