#pragma once
/// @file
/// Non-linearities of the feed-forward block.

#include <cmath>
#include <cstdint>
#include <numbers>

#include "plumb/ops/kinds.hpp"

namespace plumb::ops {

/// x * sigmoid(x).
inline float silu(float x) { return x / (1.0f + std::exp(-x)); }
/// x * Phi(x), Phi the normal distribution. In double: 1 + erf(x) would cancel for negative x.
inline float gelu(float x) {
  const double wide = static_cast<double>(x);
  return static_cast<float>(0.5 * wide * std::erfc(-wide * (0.5 * std::numbers::sqrt2)));
}
/// x * Phi(x) with Phi's tanh approximation (Hendrycks and Gimpel 2016), as x * sigmoid(2z), which does not cancel.
inline float gelu_tanh(float x) {
  constexpr double kSqrt2OverPi = 0.79788456080286535588;
  const double wide = static_cast<double>(x);
  const double z = kSqrt2OverPi * (wide + 0.044715 * wide * wide * wide);
  return static_cast<float>(wide / (1.0 + std::exp(-2.0 * z)));
}
inline float relu(float x) { return x > 0 ? x : 0; }
inline float relu2(float x) { return x > 0 ? x * x : 0; }

/// gate[i] = act(gate[i]) * up[i]; without `up` when it is null.
inline void activate(Activation kind, float* gate, const float* up, std::int64_t n) {
  const auto apply = [&](auto act) {
    if (up)
      for (std::int64_t i = 0; i < n; ++i) gate[i] = act(gate[i]) * up[i];
    else
      for (std::int64_t i = 0; i < n; ++i) gate[i] = act(gate[i]);
  };
  switch (kind) {
    case Activation::silu: return apply(silu);
    case Activation::gelu_tanh: return apply(gelu_tanh);
    case Activation::gelu: return apply(gelu);
    case Activation::relu: return apply(relu);
    case Activation::relu2: return apply(relu2);
  }
}

}  // namespace plumb::ops
