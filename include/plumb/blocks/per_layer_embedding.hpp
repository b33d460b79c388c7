#pragma once
/// @file
/// Per-layer embeddings (Gemma 3n): beside the stream, every layer gets P values of its own that follow from the token
/// and its embedding. With e the scaled embedding [D], L layers, T the table:
///
///     u[l] = (norm((inputs e)[l] / sqrt(D)) + sqrt(P) T[token][l]) / sqrt(2)         [L, P], once per token
///     x   += norm(out (act(gate x) * u[l]))                                          after layer l
///
/// Only the rows of the pass's tokens are read of T, however large it is. How it is run: per_layer_embedding_run.hpp.

#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct PerLayerEmbeddingSpec {
  int width = 0;  ///< P. The table has V * L * P parameters, of which a token reads L * P; a layer 2 * D * P
  int vocab = 0;  ///< rows of the table; later tokens read the first. 0: as many as the vocabulary
  Activation activation = Activation::gelu_tanh;
  NormSpec norm = {};  ///< of the projected embedding, and of what comes back to the stream

  bool operator==(const PerLayerEmbeddingSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct PerLayerEmbeddingWeights {
  Linear table;      // [V, L * P]
  Linear inputs;     // [L * P, D]
  NormWeights norm;  // [P]
};
/// Of one layer.
struct PerLayerBranchWeights {
  Linear gate;       // [P, D]
  Linear out;        // [D, P]
  NormWeights norm;  // [D]
};

inline void per_layer_tensors(const PerLayerEmbeddingSpec& spec, int width, int layers, int vocab,
                              PerLayerEmbeddingWeights& w, const TensorList& list) {
  const std::int64_t all = std::int64_t{layers} * spec.width;
  list.matrix(TensorRole::per_layer_table, w.table, spec.vocab > 0 ? spec.vocab : vocab, all);
  list.matrix(TensorRole::per_layer_inputs, w.inputs, all, width);
  norm_tensors(spec.norm, TensorRole::per_layer_norm, Shape{spec.width}, w.norm, list);
}

inline void per_layer_branch_tensors(const PerLayerEmbeddingSpec& spec, int width, PerLayerBranchWeights& w,
                                     const TensorList& list) {
  list.matrix(TensorRole::per_layer_gate, w.gate, spec.width, width);
  list.matrix(TensorRole::per_layer_out, w.out, width, spec.width);
  norm_tensors(spec.norm, TensorRole::per_layer_post_norm, Shape{width}, w.norm, list);
}

// -- state: none ------------------------------------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per value of u beside its norm: a scale before it, two scales and a sum after it.
inline constexpr double kPerLayerJoin = 4;

/// The values of all layers, once a pass.
inline void per_layer_work(const PerLayerEmbeddingSpec& spec, int width, int layers, WorkWriter& writer) {
  const double rows = writer.rows(), all = static_cast<double>(layers) * spec.width, values = rows * all;
  writer.meet_prepared(rows);
  writer.meet(1);
  writer.quantize_for(TensorRole::per_layer_inputs, all, width, rows);
  writer.matmul(Op::per_layer, TensorRole::per_layer_inputs, all, width, rows);
  OpWork& work = writer.add(Op::embedding);
  const DType type = writer.type_of(TensorRole::per_layer_table, spec.vocab, all);
  work.bytes = weight_traffic(type, rows, all);
  work.bytes.weight_payload += norm_bytes(spec.norm, spec.width);
  if (type != DType::f32) work.operations.unpack = values;
  work.operations.f32 = values * (norm_cost(spec.norm) + kPerLayerJoin);
  work.bytes.activation_read = work.bytes.activation_write = values * WorkWriter::kFloat;
}

/// One layer's branch. Its sum with the stream, or with several, is `sums` sums.
inline void per_layer_branch_work(const PerLayerEmbeddingSpec& spec, int width, int sums, WorkWriter& writer) {
  const double rows = writer.rows();
  writer.meet_prepared(rows);
  writer.meet(3);
  writer.quantize_for(TensorRole::per_layer_gate, spec.width, width, rows);
  writer.matmul(Op::per_layer, TensorRole::per_layer_gate, spec.width, width, rows);
  DenseSpec gated;
  gated.activation = spec.activation;
  activation_work(gated, rows * spec.width, writer);
  writer.quantize_for(TensorRole::per_layer_out, width, spec.width, rows);
  writer.matmul(Op::per_layer, TensorRole::per_layer_out, width, spec.width, rows);
  norm_work(spec.norm, Op::ffn_norm, rows, width, writer);
  OpWork& sum = writer.add(Op::ffn_norm);
  sum.operations.f32 = rows * width * sums * ElementCost::kAdd;
  sum.bytes.activation_read = rows * width * (sums + 1) * WorkWriter::kFloat;
  sum.bytes.activation_write = rows * width * sums * WorkWriter::kFloat;
}

// -- run (per_layer_embedding_run.hpp) --------------------------------------------------------------------------------

inline void per_layer_scratch(const PerLayerEmbeddingSpec& spec, int layers, ScratchSizes& sizes) {
  sizes.per_layer = layers * spec.width;
  sizes.inner = std::max(sizes.inner, spec.width);
  sizes.branches = std::max(sizes.branches, 1);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value}. `layers`: of the model.
inline void per_layer_check(const PerLayerEmbeddingSpec& spec, int layers, const SpecChecker& check) {
  check.in_range("per_layer.width", spec.width, 1, SpecLimits::kFfn / layers);
  check.in_range("per_layer.vocab", spec.vocab, 0, SpecLimits::kVocab);
  if (spec.norm.kind != NormKind::rms)
    check.fail(ErrorCode::bad_value, "norm of the per-layer embedding is a layer norm, expected an RMS norm");
  norm_check(spec.norm, "per_layer.norm", check);
}

}  // namespace plumb
