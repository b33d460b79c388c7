#pragma once
/// @file
/// Non-linearities of the feed-forward block.
///
///     silu       x * sigmoid(x)
///     gelu       x * Phi(x), Phi the normal distribution
///     gelu_tanh  the same with Phi's tanh approximation (Hendrycks and Gimpel 2016)
///     relu       max(x, 0)
///     relu2      relu(x)^2
///     clipped_swiglu  x sigmoid(1.702 x) with x at most 7, times up + 1 with up within 7 of 0
///     xielu      cpu/vector_kernels.hpp

#include <algorithm>
#include <cstdint>

#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/kinds.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// The kernel of an activation function.
inline ActivationKernel activation_kernel(const KernelTable& kernels, Activation kind) {
  switch (kind) {
    case Activation::silu: return kernels.vector.silu;
    case Activation::gelu_tanh: return kernels.vector.gelu_tanh;
    case Activation::gelu: return kernels.vector.gelu;
    case Activation::relu: return kernels.vector.relu;
    case Activation::relu2: return kernels.vector.relu2;
    case Activation::clipped_swiglu:
    case Activation::xielu: break;  // see `activate`
  }
  return kernels.vector.silu;
}

/// x[i] = 1 / (1 + e^-x[i]).
inline void sigmoid(const KernelTable& kernels, float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = -x[i];
  kernels.vector.exp(x, x, n);
  for (std::int64_t i = 0; i < n; ++i) x[i] = 1.0f / (1.0f + x[i]);
}

/// Limit and steepness of clipped_swiglu (gpt-oss, reference implementation).
inline constexpr float kSwigluLimit = 7.0f, kSwigluAlpha = 1.702f;

/// gate[i] = act(gate[i]) * up[i]; without `up` when it is null (clipped_swiglu and a limit need it, xielu has none).
/// `up` is overwritten.
inline void activate(const KernelTable& kernels, const ActivationFunction& function, float* gate, float* up,
                     std::int64_t n) {
  const Activation kind = function.kind;
  if (kind == Activation::xielu) return kernels.vector.xielu(function.xielu, gate, n);
  if (kind == Activation::silu && function.limit > 0 && up != nullptr) {
    kernels.vector.silu(gate, nullptr, n);
    for (std::int64_t i = 0; i < n; ++i)
      gate[i] = std::min(gate[i], function.limit) * std::clamp(up[i], -function.limit, function.limit);
    return;
  }
  if (kind == Activation::clipped_swiglu && up != nullptr)
    for (std::int64_t i = 0; i < n; ++i) {  // g sigmoid(a g) = silu(a g) / a
      gate[i] = kSwigluAlpha * std::min(gate[i], kSwigluLimit);
      up[i] = (std::clamp(up[i], -kSwigluLimit, kSwigluLimit) + 1) * (1 / kSwigluAlpha);
    }
  activation_kernel(kernels, kind)(gate, up, n);
}

}  // namespace plumb
