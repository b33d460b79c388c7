#pragma once
/// @file
/// The weights of a transformer by role. Binding looks every tensor up by its GGUF name and checks type and shape
/// against the configuration, once; afterwards nothing in the forward pass can be missing or misshapen.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/model/config.hpp"
#include "plumb/ops/matmul.hpp"

namespace plumb::inline PLUMB_ABI {

/// A small f32 vector: a norm's weight, a bias, rope factors. Empty when the model has none.
using Vector = std::vector<float>;

/// y = W x + b.
struct Linear {
  ops::WeightMatrix w;  // [outputs, inputs]
  Vector bias;          // [outputs] or empty

  bool empty() const { return w.empty(); }
  const float* bias_data() const { return bias.empty() ? nullptr : bias.data(); }
};

/// The experts of a layer, each stack one matrix an expert. The router and the scale of the shared expert are always
/// multiplied in f32.
struct ExpertWeights {
  Linear router;         // [E, D]
  Linear gate, up;       // E matrices [F', D]
  Linear down;           // E matrices [D, F']
  Linear shared_router;  // [1, D], or empty: how much of the shared expert a token gets

  bool empty() const { return router.empty(); }
};

/// What one layer owns. Absent parts are empty.
struct LayerWeights {
  Vector attn_norm;       // [D]
  Linear wq;              // [H * head_dim, D]
  Linear wk, wv;          // [G * head_dim, D]
  Linear wo;              // [D, H * head_dim]
  Vector q_norm, k_norm;  // [head_dim]; models with qk_norm
  Vector ffn_norm;        // [D]
  Linear gate, up;        // [F, D]; gate only if gated_ffn. Beside experts: those of the shared expert, F = S
  Linear down;            // [D, F]
  ExpertWeights experts;  // models with experts
};

/// All weights of a model. Matrices point into memory that `owner` keeps alive.
struct Weights {
  ops::WeightMatrix embedding;  // [V, D]
  std::vector<LayerWeights> layers;
  Vector output_norm;                 // [D]
  Linear head;                        // [V, D]; the embedding matrix again when tied
  Vector rope_factors;                // [rotated dims / 2] or empty
  std::shared_ptr<const void> owner;  // of the matrices in file layout
  std::vector<AlignedBuffer> remade;  // matrices in file layout, in another type than the file has
  AlignedBuffer packed;               // panels of all packed matrices: one block, so that huge pages leave no gaps

  /// Bytes of all matrices and vectors; a tied head counts once.
  std::size_t bytes() const;
};

/// Calls visit(name, matrix) for every matrix, with its GGUF name; a tied head is visited once, as the embedding, and
/// the experts of a layer together, as a stack.
void for_each_matrix(const Weights& weights,
                     const std::function<void(const std::string& name, const ops::WeightMatrix&)>& visit);
void for_each_matrix(Weights& weights, const std::function<void(const std::string& name, ops::WeightMatrix&)>& visit);

/// Where binding finds tensors: a file, or matrices made in memory.
struct TensorSource {
  std::string name;  ///< for messages: the path of the file
  /// The tensor of this name, or nothing.
  std::function<std::optional<ConstTensorView>(std::string_view)> find;
};

/// Binds the weights of `config`. A model without `output.weight` is tied: `config.tied_head` is not consulted but must
/// agree (config_from_gguf sets it from the file).
/// @throws Error{missing_key} for an absent tensor, Error{bad_shape} for one that disagrees with the configuration,
/// Error{unsupported_type} for a type that is not computed.
Weights bind_weights(const ModelConfig& config, const TensorSource& source);

}  // namespace plumb
