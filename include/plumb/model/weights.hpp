#pragma once
/// @file
/// The weights of a model by role, and the one list of its tensors. Parameter counts, memory, binding, packing, random
/// models and quantizing all walk this list.

#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// All weights of a model. Matrices point into memory that `owner` keeps alive.
struct Weights {
  Linear embedding;            // [V, D]
  Linear positions;            // [context, D], or empty
  Linear token_types;          // [token types, D], or empty
  NormWeights embedding_norm;  // [D]
  PerLayerEmbeddingWeights per_layer;
  AltupWeights altup;
  std::vector<LayerWeights> layers;
  std::vector<PerLayerBranchWeights> per_layer_branches;       // of each layer, or empty
  std::vector<AltupLayerWeights> altup_layers;                 // of each layer, or empty
  NormWeights output_norm;                                     // [D]
  Linear dense_2, dense_3;                                     // [outputs, D or outputs of dense_2], or empty
  Linear head;                                                 // [V, D]; the embedding matrix again when tied
  Vector rope_factors, rope_factors_long, rope_factors_short;  // [rotated dims / 2] of the longest table, or empty

  std::shared_ptr<const void> owner;                  // of the matrices in file layout
  std::vector<std::vector<const std::byte*>> places;  // where the matrices of scattered stacks begin
  std::vector<AlignedBuffer> remade;                  // matrices in file layout, in another type than the file has
  AlignedBuffer packed;  // panels of all packed matrices: one block, so that huge pages leave no gaps
};

namespace detail {

/// Factors that the tensors of a kind hold: enough for the longest of all tables, of which a shorter one takes the
/// first (step35).
inline int rope_factor_count(const ModelSpec& spec, RopeFactors kind) {
  int longest = 0;
  bool used = false;
  for (const RopeSpec& rope : spec.ropes) {
    if (rope.pairs == RopePairs::none) continue;
    longest = std::max(longest, rope.dims / 2);
    used |= rope.factors == kind;
  }
  return used ? longest : 0;
}

}  // namespace detail

/// Calls `visit` for every tensor of the model, in the order in which a forward pass meets them. A tied head is the
/// embedding and not listed. `weights.layers` must have the layers of the spec.
inline void for_each_slot(const ModelSpec& spec, Weights& weights, TensorVisit visit) {
  const TensorList list(-1, visit);
  list.matrix(TensorRole::token_embedding, weights.embedding, spec.vocab_size, spec.width);
  if (spec.embedding.positions)
    list.matrix(TensorRole::position_embedding, weights.positions, spec.context, spec.width);
  if (spec.embedding.token_types > 0)
    list.matrix(TensorRole::token_types, weights.token_types, spec.embedding.token_types, spec.width);
  if (spec.embedding.norm)
    norm_tensors(*spec.embedding.norm, TensorRole::embedding_norm, Shape{spec.width}, weights.embedding_norm, list);
  const auto& [per_layer, altup] = std::tie(spec.embedding.per_layer, spec.altup);
  if (per_layer) {
    per_layer_tensors(*per_layer, spec.width, spec.n_layers(), spec.vocab_size, weights.per_layer, list);
    weights.per_layer_branches.resize(spec.layers.size());
  }
  if (altup) {
    altup_spread_tensors(*altup, spec.width, weights.altup, list);
    weights.altup_layers.resize(spec.layers.size());
  }
  if (const int n = detail::rope_factor_count(spec, RopeFactors::one))
    list.vector(TensorRole::rope_factors, weights.rope_factors, Shape{n});
  if (const int n = detail::rope_factor_count(spec, RopeFactors::long_short)) {
    list.vector(TensorRole::rope_factors_long, weights.rope_factors_long, Shape{n});
    list.vector(TensorRole::rope_factors_short, weights.rope_factors_short, Shape{n});
  }
  for (int l = 0; l < spec.n_layers(); ++l) {
    const auto i = static_cast<std::size_t>(l);
    const TensorList own(l, visit);
    layer_tensors(spec.layers[i], spec.width, weights.layers[i], own);
    if (altup) altup_layer_tensors(*altup, spec.width, weights.altup_layers[i], own);
    if (per_layer) per_layer_branch_tensors(*per_layer, spec.width, weights.per_layer_branches[i], own);
  }
  if (altup) altup_merge_tensors(*altup, spec.width, weights.altup, list);
  if (spec.output.norm)
    norm_tensors(*spec.output.norm, TensorRole::output_norm, Shape{spec.width}, weights.output_norm, list);
  const int dense = spec.output.dense_2;
  if (dense > 0) list.matrix(TensorRole::dense_2, weights.dense_2, dense, spec.width);
  if (spec.output.dense_3 > 0)
    list.matrix(TensorRole::dense_3, weights.dense_3, spec.output.dense_3, dense > 0 ? dense : spec.width);
  if (!spec.output.head) return;
  if (!spec.output.tied)
    list.matrix(TensorRole::head, weights.head, spec.vocab_size, spec.width, spec.output.bias);
  else if (spec.output.bias)
    list.bias(TensorRole::head, weights.head.bias, Shape{spec.vocab_size});
}

/// Calls `visit` for every tensor of the spec, without any weights. Rope factors, which are no weights, are listed too.
inline void for_each_tensor(const ModelSpec& spec, FunctionRef<void(const TensorSpec&)> visit) {
  Weights none;
  none.layers.resize(spec.layers.size());
  for_each_slot(spec, none, [&](const TensorSlot& slot) { visit(slot.spec); });
}

/// Whether a tensor is a table of rope factors: part of a file, but no weight.
constexpr bool is_rope_factors(TensorRole role) {
  return role == TensorRole::rope_factors || role == TensorRole::rope_factors_long ||
         role == TensorRole::rope_factors_short;
}

/// Calls `visit` for every matrix; a tied head is visited once, as the embedding, and the experts of a layer together,
/// as a stack.
inline void for_each_matrix(const ModelSpec& spec, Weights& weights,
                            FunctionRef<void(const TensorSpec&, ops::WeightMatrix&)> visit) {
  for_each_slot(spec, weights, [&](const TensorSlot& slot) {
    if (slot.matrix) visit(slot.spec, *slot.matrix);
  });
}
inline void for_each_matrix(const ModelSpec& spec, const Weights& weights,
                            FunctionRef<void(const TensorSpec&, const ops::WeightMatrix&)> visit) {
  for_each_slot(spec, const_cast<Weights&>(weights), [&](const TensorSlot& slot) {
    if (slot.matrix) visit(slot.spec, *slot.matrix);
  });
}

/// Bytes of all matrices and vectors; a tied head counts once.
inline std::size_t weight_bytes(const ModelSpec& spec, const Weights& weights) {
  std::size_t total = 0;
  for_each_slot(spec, const_cast<Weights&>(weights), [&](const TensorSlot& slot) {
    total += slot.matrix ? slot.matrix->bytes() : slot.vector->size() * sizeof(float);
  });
  return total;
}

/// What a pass of this model needs of memory.
inline ScratchSizes scratch_sizes(const ModelSpec& spec) {
  ScratchSizes sizes;
  sizes.width = spec.width;
  sizes.by_sequence = reads_at_once(spec);
  for (const RopeSpec& rope : spec.ropes) sizes.rope_dims.push_back(rope.pairs == RopePairs::none ? 0 : rope.dims);
  for (const LayerSpec& layer : spec.layers) {
    layer_scratch(layer, sizes);
    sizes.by_sequence |= layer_state(layer, spec.width).recurrent > 0;
  }
  if (spec.embedding.per_layer) per_layer_scratch(*spec.embedding.per_layer, spec.n_layers(), sizes);
  if (spec.altup) altup_scratch(*spec.altup, sizes);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (tensor.shape.rank() >= 2 && !tensor.id.bias)
      sizes.columns = std::max(sizes.columns, static_cast<int>(tensor.shape.cols()));
  });
  return sizes;
}

}  // namespace plumb
