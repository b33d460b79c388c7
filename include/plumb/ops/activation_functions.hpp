#pragma once
/// @file
/// Non-linearities of the feed-forward block.
///
///     silu       x * sigmoid(x)
///     gelu       x * Phi(x), Phi the normal distribution
///     gelu_tanh  the same with Phi's tanh approximation (Hendrycks and Gimpel 2016)
///     relu       max(x, 0)
///     relu2      relu(x)^2

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
  }
  return kernels.vector.silu;
}

/// gate[i] = act(gate[i]) * up[i]; without `up` when it is null.
inline void activate(const KernelTable& kernels, Activation kind, float* gate, const float* up, std::int64_t n) {
  activation_kernel(kernels, kind)(gate, up, n);
}

}  // namespace plumb::ops
