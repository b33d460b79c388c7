#pragma once
/// @file
/// The feed-forward block that every row visits. With x the normed row, F the inner width:
///
///     y = down(act(gate x) * up x)       gated: three matrices
///     y = down(act(up x))                not gated: two
///
/// A sparse gate (Gemma 3n) keeps of its F values g what is far above their mean, before the activation:
///
///     g = max(g - (mean(g) + sparsity * sigma(g)), 0)       sigma with F - 1
///
/// How it is run: feed_forward_run.hpp.

#include "plumb/blocks/check.hpp"
#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/blocks/tensors.hpp"
#include "plumb/blocks/work_writer.hpp"
#include "plumb/ops/kinds.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct DenseSpec {
  int inner = 0;      ///< F. Each matrix has D * F parameters: usually two thirds of a layer
  bool gated = true;  ///< a third matrix
  Activation activation = Activation::silu;
  bool bias = false;      ///< of all matrices: F, F and D parameters
  float sparsity = 0.0f;  ///< of the gate: 6 operations per value. 0: not sparse

  bool operator==(const DenseSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct DenseWeights {
  Linear gate, up;  // [F, D]; gate empty unless gated
  Linear down;      // [D, F]
};

/// What the matrices of a dense block are for.
struct DenseRoles {
  TensorRole gate = TensorRole::ffn_gate, up = TensorRole::ffn_up, down = TensorRole::ffn_down;
};

template <class Visit>
void dense_tensors(const DenseSpec& spec, int width, DenseWeights& w, const TensorList<Visit>& list,
                   const DenseRoles& roles = {}) {
  if (spec.gated) list.matrix(roles.gate, w.gate, spec.inner, width, spec.bias);
  list.matrix(roles.up, w.up, spec.inner, width, spec.bias);
  list.matrix(roles.down, w.down, width, spec.inner, spec.bias);
}

// -- state: none ------------------------------------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per value of a sparse gate: its mean, its deviation (subtract, square, add), subtract and maximum.
inline constexpr double kSparseGate = 6;

/// The non-linearity of `elements` values.
inline void activation_work(const DenseSpec& spec, double elements, WorkWriter& writer) {
  OpWork& work = writer.add(Op::activation);
  const double clipped = spec.activation == Activation::clipped_swiglu ? ElementCost::kClipped : 0;
  const double sparse = spec.sparsity > 0 ? kSparseGate : 0;
  work.operations.f32 = elements * ((spec.gated ? ElementCost::kGated : ElementCost::kPlain) + clipped + sparse);
  work.bytes.activation_read = elements * WorkWriter::kFloat * (spec.gated ? 2 : 1);
  work.bytes.activation_write = elements * WorkWriter::kFloat;
}

/// For `tokens` rows and each of `count` blocks of this kind, input prepared.
inline void dense_products_work(const DenseSpec& spec, int width, double tokens, double count, const DenseRoles& roles,
                                WorkWriter& writer) {
  if (spec.gated) writer.matmul(Op::gate, roles.gate, spec.inner, width, tokens, count, spec.bias);
  writer.matmul(Op::up, roles.up, spec.inner, width, tokens, count, spec.bias);
  activation_work(spec, tokens * count * spec.inner, writer);
  writer.quantize_for(roles.down, width, spec.inner, tokens * count);
  writer.matmul(Op::down, roles.down, width, spec.inner, tokens, count, spec.bias);
}

/// Barriers between the phases of feed_forward_run.hpp; a sparse gate takes two more, since a row's cutoff depends on
/// all of its values.
inline constexpr int kDenseBarriers = 1, kSparseBarriers = 2;

inline void dense_work(const DenseSpec& spec, int width, WorkWriter& writer, const DenseRoles& roles = {}) {
  writer.quantize_for(roles.up, spec.inner, width, writer.rows());
  dense_products_work(spec, width, writer.rows(), 1, roles, writer);
}

// -- run (feed_forward_run.hpp) ---------------------------------------------------------------------------------------

inline void dense_scratch(const DenseSpec& spec, ScratchSizes& sizes) {
  sizes.inner = std::max(sizes.inner, spec.inner);
  sizes.sparse |= spec.sparsity > 0;
}

// -- refuses ----------------------------------------------------------------------------------------------------------

inline void dense_check(const DenseSpec& spec, const SpecChecker& check) {
  check.in_range("ffn_dim", spec.inner, 1, SpecLimits::kFfn);
  check.finite("ffn.sparsity", spec.sparsity, false);
  if (spec.sparsity > 0 && (!spec.gated || spec.inner < 2))
    check.fail(ErrorCode::bad_value, "a sparse gate needs a gate of at least two values");
}

/// Every kind above is run.
inline Refusal dense_refuses(const DenseSpec&) { return {}; }

}  // namespace plumb
