#pragma once
/// @file
/// The choices that a model makes among kinds of an operation: what a configuration names and the operations obey.

#include "plumb/cpu/vector_kernels.hpp"

namespace plumb::inline PLUMB_ABI {

/// How query and key dimensions pair up for rotation.
enum class RopePairs {
  none,         ///< no rotation (gpt2; ALiBi models)
  interleaved,  ///< (0,1), (2,3), ... : llama
  halves,       ///< (0, d/2), (1, d/2+1), ... : gptneox, qwen, gemma, phi
};

/// How rotation frequencies are stretched for contexts longer than the training context.
enum class RopeScaling { none, linear, yarn };

/// Non-linearity of the feed-forward block.
enum class Activation {
  silu,       ///< x * sigmoid(x)
  gelu_tanh,  ///< tanh approximation
  gelu,       ///< erf
  relu,
  relu2,           ///< relu(x)^2
  clipped_swiglu,  ///< min(x, 7) * sigmoid(1.702 min(x, 7)), gated by clamp(up, -7, 7) + 1 (gpt-oss)
  xielu,           ///< a curve with numbers of its own, without a gate (apertus)
};

/// A non-linearity with the numbers that some have.
struct ActivationFunction {
  ActivationFunction(Activation k = Activation::silu) : kind(k) {}

  Activation kind;
  float limit = 0.0f;     ///< of silu with a gate: silu(x) is at most that, up within it either way (step35); 0: none
  XieluCurve xielu = {};  ///< of xielu
};

/// Kind of normalisation.
enum class NormKind {
  rms,    ///< x / sqrt(mean(x^2) + eps) * weight
  layer,  ///< (x - mean) / sqrt(var + eps) * weight + bias
};

/// Tensors that divide the rotation's frequencies one by one.
enum class RopeFactors {
  none,
  one,         ///< one table (llama 3.1)
  long_short,  ///< one for sessions whose context exceeds the original one, one for the others (phi3)
};

/// One table of rotary position embeddings. Costs nothing in parameters; 3 operations per rotated element of q and k.
struct RopeSpec {
  RopePairs pairs = RopePairs::interleaved;
  int dims = 0;           ///< rotated dimensions of a head: an even number, at most the head's; the others stay
  float base = 10000.0f;  ///< theta; larger = slower rotation = longer usable context
  RopeScaling scaling = RopeScaling::none;
  float factor = 1.0f;       ///< context stretch
  int original_context = 0;  ///< context of the original training; yarn and long_short factors
  float attn_factor = 1.0f;  ///< extra magnitude of the rotated vectors
  float yarn_ext_factor = 1.0f, yarn_beta_fast = 32.0f, yarn_beta_slow = 1.0f;
  RopeFactors factors = RopeFactors::none;

  bool operator==(const RopeSpec&) const = default;
};

}  // namespace plumb
