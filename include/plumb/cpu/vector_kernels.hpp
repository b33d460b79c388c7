#pragma once
/// @file
/// Kernels on rows: norms, rotation, softmax, activation functions. Part of KernelTable.

#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Activation function of n values: gate[i] = act(gate[i]) * up[i], or act(gate[i]) where `up` is null.
/// Errors of act, before the product: silu 3 ULP, gelu 4 ULP; results that are denormal numbers are not flushed.
using ActivationKernel = void (*)(float* gate, const float* up, std::int64_t n);

/// The curve of xIELU (Huang and Schlag 2024): above x^2 + linear x where x is above 0, elsewhere
/// below (e^min(x, eps) - 1 - x) + linear x. eps is not above 0.
struct XieluCurve {
  float above = 0, below = 0, linear = 0, eps = 0;
};

/// Row kernels of a tier. No alignment is asked for; nothing is read or written beyond n.
struct VectorKernels {
  /// y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; weight may be null, y may be x. Bitwise equal in every tier.
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, std::int64_t n) = nullptr;
  /// y[i] = (x[i] - mean) / sqrt(var + eps) * weight[i] + bias[i]; weight and bias may be null, y may be x.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, float* y,
                     std::int64_t n) = nullptr;
  /// Turns the pairs (i, i + pairs) of a head: (a cos - b sin, a sin + b cos). cos_sin: `pairs` cosines, then sines.
  void (*rotate_halves)(const float* cos_sin, std::int64_t pairs, float* head) = nullptr;
  /// The same for the pairs (2i, 2i + 1).
  void (*rotate_interleaved)(const float* cos_sin, std::int64_t pairs, float* head) = nullptr;
  /// x[i] = exp(x[i] - max) / sum, in place, n >= 1.
  void (*softmax)(float* x, std::int64_t n) = nullptr;
  /// y[i] = e^x[i], within 2 ULP; y may be x.
  void (*exp)(const float* x, float* y, std::int64_t n) = nullptr;
  /// y[i] = tanh(x[i]), within 3 ULP; y may be x.
  void (*tanh)(const float* x, float* y, std::int64_t n) = nullptr;
  ActivationKernel silu = nullptr, gelu_tanh = nullptr, gelu = nullptr, relu = nullptr, relu2 = nullptr;
  /// x[i] = the curve at x[i], within 4 units in the last place of the larger of its terms.
  void (*xielu)(const XieluCurve& curve, float* x, std::int64_t n) = nullptr;
  /// sum[k] = (add ? sum[k] : 0) + the sum of weights[i] * rows[i][k] over i < count, in this order.
  void (*weighted_sum)(const float* const* rows, const float* weights, int count, bool add, float* sum,
                       std::int64_t n) = nullptr;
};

}  // namespace plumb
