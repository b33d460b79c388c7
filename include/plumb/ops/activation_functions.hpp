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
    case Activation::clipped_swiglu: break;  // silu, of operands that `activate` prepares
  }
  return kernels.vector.silu;
}

/// Limit and steepness of clipped_swiglu (gpt-oss, reference implementation).
inline constexpr float kSwigluLimit = 7.0f, kSwigluAlpha = 1.702f;

/// gate[i] = act(gate[i]) * up[i]; without `up` when it is null (clipped_swiglu needs it). `up` is overwritten.
inline void activate(const KernelTable& kernels, Activation kind, float* gate, float* up, std::int64_t n) {
  if (kind == Activation::clipped_swiglu && up != nullptr)
    for (std::int64_t i = 0; i < n; ++i) {  // g sigmoid(a g) = silu(a g) / a
      gate[i] = kSwigluAlpha * std::min(gate[i], kSwigluLimit);
      up[i] = (std::clamp(up[i], -kSwigluLimit, kSwigluLimit) + 1) * (1 / kSwigluAlpha);
    }
  activation_kernel(kernels, kind)(gate, up, n);
}

}  // namespace plumb
