#pragma once
/// @file
/// The feed-forward block that every row visits. With x the normed row, F the inner width:
///
///     y = down(act(gate x) * up x)       gated: three matrices
///     y = down(act(up x))                not gated: two
///
/// where a norm may stand before down, and x may be mixed with the row of the position before (token_shift.hpp): so the
/// channel mixing of RWKV is made, with relu2 and no gate. A sparse gate (Gemma 3n) keeps of its F values g what is far
/// above their mean, before the activation:
///
///     g = max(g - (mean(g) + sparsity * sigma(g)), 0)       sigma with F - 1
///
/// How it is run: feed_forward_run.hpp.

#include <cmath>
#include <optional>

#include "plumb/blocks/check.hpp"
#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/blocks/tensors.hpp"
#include "plumb/blocks/token_shift.hpp"
#include "plumb/blocks/work_writer.hpp"
#include "plumb/ops/kinds.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

/// The learned numbers of xIELU, as files have them; the curve takes softplus of the alphas.
struct XieluSpec {
  float alpha_p = 0.20339f, alpha_n = -1.05022f, beta = 0.5f, eps = -1e-6f;

  bool operator==(const XieluSpec&) const = default;
};

struct DenseSpec {
  int inner = 0;      ///< F. Each matrix has D * F parameters: usually two thirds of a layer
  bool gated = true;  ///< a third matrix
  Activation activation = Activation::silu;
  bool bias = false;      ///< of all matrices: F, F and D parameters
  float sparsity = 0.0f;  ///< of the gate: 6 operations per value. 0: not sparse
  float limit = 0.0f;     ///< of a gated silu: of silu(gate) from above and of up both ways (step35); 0: none
  XieluSpec xielu = {};   ///< where the activation is xielu: 4 parameters
  std::optional<NormSpec> down_norm = {};  ///< of the input of down: F parameters (bitnet)
  bool shift = false;  ///< x is mixed with that of the position before: D parameters, D values of state (rwkv7)

  ActivationFunction function() const {
    const auto softplus = [](float x) { return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x))); };
    ActivationFunction f(activation);
    f.limit = limit;
    f.xielu = {softplus(xielu.alpha_p), xielu.beta + softplus(xielu.alpha_n), xielu.beta, xielu.eps};
    return f;
  }
  bool operator==(const DenseSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct DenseWeights {
  Vector shares;          // [D], how much of the position before x takes, or empty
  Linear gate, up;        // [F, D]; gate empty unless gated
  NormWeights down_norm;  // [F]
  Linear down;            // [D, F]
};

/// What the matrices of a dense block are for.
struct DenseRoles {
  TensorRole gate = TensorRole::ffn_gate, up = TensorRole::ffn_up, down = TensorRole::ffn_down;
};

inline void dense_tensors(const DenseSpec& spec, int width, DenseWeights& w, const TensorList& list,
                          const DenseRoles& roles = {}) {
  if (spec.shift) list.vector(TensorRole::ffn_shift, w.shares, Shape{width});
  if (spec.gated) list.matrix(roles.gate, w.gate, spec.inner, width, spec.bias);
  list.matrix(roles.up, w.up, spec.inner, width, spec.bias);
  if (spec.down_norm) norm_tensors(*spec.down_norm, TensorRole::ffn_down_norm, Shape{spec.inner}, w.down_norm, list);
  list.matrix(roles.down, w.down, width, spec.inner, spec.bias);
}

// -- state ------------------------------------------------------------------------------------------------------------

inline LayerState dense_state(const DenseSpec& spec, int width) {
  return LayerState::recurrence(spec.shift ? token_shift_state(width) : 0);
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per value of a sparse gate: its mean, its deviation (subtract, square, add), subtract and maximum.
inline constexpr double kSparseGate = 6;

/// The non-linearity of `elements` values.
inline void activation_work(const DenseSpec& spec, double elements, WorkWriter& writer) {
  OpWork& work = writer.add(Op::activation);
  double cost = spec.gated ? ElementCost::kGated : ElementCost::kPlain;
  if (spec.activation == Activation::clipped_swiglu) cost += ElementCost::kClipped;
  if (spec.activation == Activation::xielu) cost = ElementCost::kXielu;
  if (spec.limit > 0) cost = ElementCost::kPlain + ElementCost::kLimited;
  if (spec.sparsity > 0) cost += kSparseGate;
  work.operations.f32 = elements * cost;
  work.bytes.activation_read = elements * WorkWriter::kFloat * (spec.gated ? 2 : 1);
  work.bytes.activation_write = elements * WorkWriter::kFloat;
}

/// For `tokens` rows and each of `count` blocks of this kind, input prepared.
inline void dense_products_work(const DenseSpec& spec, int width, double tokens, double count, const DenseRoles& roles,
                                WorkWriter& writer) {
  if (spec.gated) writer.matmul(Op::gate, roles.gate, spec.inner, width, tokens, count, spec.bias);
  writer.matmul(Op::up, roles.up, spec.inner, width, tokens, count, spec.bias);
  activation_work(spec, tokens * count * spec.inner, writer);
  if (spec.down_norm) norm_work(*spec.down_norm, Op::ffn_norm, tokens * count, spec.inner, writer);
  writer.quantize_for(roles.down, width, spec.inner, tokens * count);
  writer.matmul(Op::down, roles.down, width, spec.inner, tokens, count, spec.bias);
}

/// Barriers between the phases of feed_forward_run.hpp; a sparse gate takes two more, since a row's cutoff depends on
/// all of its values.
inline constexpr int kDenseBarriers = 1, kSparseBarriers = 2;

inline void dense_work(const DenseSpec& spec, int width, WorkWriter& writer, const DenseRoles& roles = {}) {
  if (spec.shift) token_shift_work(1, width, writer);
  writer.quantize_for(roles.up, spec.inner, width, writer.rows());
  dense_products_work(spec, width, writer.rows(), 1, roles, writer);
  if (spec.down_norm) writer.meet_prepared(writer.rows());
}

// -- run (feed_forward_run.hpp) ---------------------------------------------------------------------------------------

inline void dense_scratch(const DenseSpec& spec, ScratchSizes& sizes) {
  sizes.inner = std::max(sizes.inner, spec.inner);
  sizes.sparse |= spec.sparsity > 0;
  if (spec.down_norm) sizes.finished = std::max(sizes.finished, spec.inner);
  if (spec.shift) token_shift_scratch(1, sizes);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// Numbers of the non-linearity of the block `name`.
inline void activation_check(const DenseSpec& spec, const std::string& name, const SpecChecker& check) {
  check.finite(name + ".limit", spec.limit, false);
  if (spec.limit > 0 && (spec.activation != Activation::silu || !spec.gated))
    check.fail(ErrorCode::bad_value, name + ".limit is set, expected that of silu with a gate alone");
  if (spec.activation != Activation::xielu) return;
  const XieluSpec& xielu = spec.xielu;
  if (spec.gated) check.fail(ErrorCode::bad_value, name + " has a gate, expected none with xielu");
  for (const float number : {xielu.alpha_p, xielu.alpha_n, xielu.beta, xielu.eps})
    if (!std::isfinite(number)) check.fail(ErrorCode::bad_value, name + ".xielu holds a number that is not finite");
  if (xielu.eps > 0)
    check.fail(ErrorCode::bad_value, name + ".xielu.eps is " + std::to_string(xielu.eps) + ", expected at most 0");
}

inline void dense_check(const DenseSpec& spec, const SpecChecker& check) {
  check.in_range("ffn_dim", spec.inner, 1, SpecLimits::kFfn);
  check.finite("ffn.sparsity", spec.sparsity, false);
  if (spec.sparsity > 0 && (!spec.gated || spec.inner < 2))
    check.fail(ErrorCode::bad_value, "a sparse gate needs a gate of at least two values");
  if (spec.sparsity > 0 && spec.down_norm)
    check.fail(ErrorCode::bad_value, "ffn.down_norm is set, expected none behind a sparse gate");
  activation_check(spec, "ffn", check);
  if (spec.down_norm) norm_check(*spec.down_norm, "ffn.down_norm", check);
}

/// Everything above is run.
inline Refusal dense_refuses(const DenseSpec&) { return {}; }

}  // namespace plumb
