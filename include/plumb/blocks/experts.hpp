#pragma once
/// @file
/// The feed-forward block of a mixture of experts. With x the normed row, E experts of which each row visits k, and
/// perhaps an expert S that all rows share:
///
///     s    = softmax or sigmoid(router x)                                    [E], in f32
///     kept = the k largest s + choice_bias, within the best groups of experts
///     p    = s of the kept, divided by their sum where they are renormalised, times scale
///     y    = sum over the kept:  p_e * down_e(act(gate_e x) * up_e x)
///     y   += sigmoid(shared_router x) * down_S(act(gate_S x) * up_S x)
///
/// or with p_e x in place of x and nothing in front of down_e (weigh_input).
///
/// Where the two stand apart (Gemma 4), x is the stream, each of the two has a norm before and one after it, and the
/// scores a norm of their own, divided by sqrt(D):
///
///     s    = softmax(router norm_r(x) / sqrt(D)),   y = norm_e'(experts(norm_e(x))) + norm_s'(shared(norm_s(x)))
///
/// Parameters grow with E, bytes and operations of a token only with k. How it is run: experts_run.hpp.

#include <algorithm>
#include <cmath>
#include <optional>

#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/norm.hpp"
#include "plumb/ops/routing.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct ExpertsSpec {
  int count = 0;              ///< E, experts of the layer
  int used = 0;               ///< k, experts that each row visits
  DenseSpec expert = {};      ///< one expert
  DenseSpec shared = {};      ///< the expert that every row visits; inner = 0: none
  bool shared_gate = false;   ///< a learned scalar gate on it: D parameters (qwen2moe)
  bool router_bias = false;   ///< the scores have a bias: E parameters (gpt-oss)
  bool choice_bias = false;   ///< a bias that steers the choice alone: E parameters (deepseek v3)
  bool weigh_input = false;   ///< p multiplies the input of an expert rather than its output (llama4)
  bool route_early = false;   ///< the router reads the stream as it is before the layer (smallthinker)
  bool expert_scale = false;  ///< a learned number multiplies the output of each expert: E parameters (gemma4)
  /// Experts and shared expert stand apart: their norms, four of D parameters beside that of the layer (gemma4).
  std::optional<NormSpec> apart = {};
  ops::RoutingRule routing = {};  ///< how scores become a choice and weights

  bool has_shared() const { return shared.inner > 0; }
  bool operator==(const ExpertsSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct ExpertsWeights {
  Linear router;                                               // [E, D]
  Vector choice_bias;                                          // [E]
  Vector expert_scale;                                         // [E], or empty
  NormWeights norm, router_norm, post_norm, shared_post_norm;  // [D], where the shared expert stands apart
  Linear gate, up;                                             // E matrices [F, D]
  Linear down;                                                 // E matrices [D, F]
  Linear shared_router;  // [1, D], or empty: how much of the shared expert a row gets
  DenseWeights shared;
};

inline constexpr DenseRoles kExpertRoles{TensorRole::expert_gate, TensorRole::expert_up, TensorRole::expert_down};
inline constexpr DenseRoles kSharedRoles{TensorRole::shared_gate, TensorRole::shared_up, TensorRole::shared_down};

inline void experts_tensors(const ExpertsSpec& spec, int width, ExpertsWeights& w, const TensorList& list) {
  const DenseSpec& expert = spec.expert;
  const auto norm = [&](TensorRole role, NormWeights& weights) {
    if (spec.apart) norm_tensors(*spec.apart, role, Shape{width}, weights, list);
  };
  norm(TensorRole::router_norm, w.router_norm);
  norm(TensorRole::experts_norm, w.norm);
  list.matrix(TensorRole::router, w.router, spec.count, width, spec.router_bias);
  if (spec.choice_bias) list.vector(TensorRole::router_choice_bias, w.choice_bias, Shape{spec.count});
  if (expert.gated) list.stack(TensorRole::expert_gate, w.gate, spec.count, expert.inner, width, expert.bias);
  list.stack(TensorRole::expert_up, w.up, spec.count, expert.inner, width, expert.bias);
  list.stack(TensorRole::expert_down, w.down, spec.count, width, expert.inner, expert.bias);
  if (spec.expert_scale) list.vector(TensorRole::expert_scale, w.expert_scale, Shape{spec.count});
  norm(TensorRole::experts_post_norm, w.post_norm);
  norm(TensorRole::shared_post_norm, w.shared_post_norm);
  if (!spec.has_shared()) return;
  if (spec.shared_gate) list.matrix(TensorRole::shared_router, w.shared_router, 1, width);
  dense_tensors(spec.shared, width, w.shared, list, kSharedRoles);
}

// -- state: none ------------------------------------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Experts that at least one of `rows` rows visits. Exact for one row; for more, the expectation when every choice of
/// experts is equally likely and rows choose independently.
inline double experts_touched(const ExpertsSpec& spec, double rows) {
  const double miss = 1.0 - static_cast<double>(spec.used) / spec.count;
  return rows <= 1 ? spec.used : spec.count * (1.0 - std::pow(miss, rows));
}

/// Barriers between the phases of experts_run.hpp.
inline constexpr int kExpertsBarriers = 3;
/// Those that experts apart from the shared one take more.
inline constexpr int kApartBarriers = 2;

/// The norms of experts that stand apart, the scale of what the router reads, and the sum of the two.
inline void experts_apart_work(const ExpertsSpec& spec, int width, WorkWriter& writer) {
  const double values = writer.rows() * width;
  writer.meet(kApartBarriers);
  for (int n = 0; n < 4; ++n) norm_work(*spec.apart, Op::ffn_norm, writer.rows(), width, writer);
  OpWork& work = writer.add(Op::ffn_norm);
  work.operations.f32 = values * 2 * ElementCost::kAdd;
  work.bytes.activation_read = 2 * values * WorkWriter::kFloat;
  work.bytes.activation_write = values * WorkWriter::kFloat;
}

/// Scores, the choice, the visited experts with their rows gathered, the shared expert, and the weighted sum of all.
inline void experts_work(const ExpertsSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows(), visits = rows * spec.used, touched = experts_touched(spec, rows);
  writer.meet(spec.route_early ? kExpertsBarriers - 1 : kExpertsBarriers);
  if (spec.route_early) {  // see ExpertsRun::score_early
    writer.meet_prepared(rows);
    writer.meet_prepared(rows);
  }
  writer.quantize(DType::f32, rows, width);
  writer.matmul(Op::router, TensorRole::router, spec.count, width, rows, 1, spec.router_bias);
  if (spec.shared_gate) writer.matmul(Op::router, TensorRole::shared_router, 1, width, rows);
  writer.quantize_for(TensorRole::expert_up, spec.expert.inner, width, visits);
  dense_products_work(spec.expert, width, visits / touched, touched, kExpertRoles, writer);
  if (spec.has_shared()) dense_work(spec.shared, width, writer, kSharedRoles);
  if (spec.apart) experts_apart_work(spec, width, writer);
  const double summed = (visits + (spec.has_shared() && !spec.apart ? rows : 0)) * width;
  OpWork& choice = writer.add(Op::router);
  choice.operations.f32 = rows * spec.count * ElementCost::kSoftmax + 2 * summed;
  if (spec.shared_gate) choice.operations.f32 += rows * ElementCost::kPlain;
  if (spec.weigh_input) choice.operations.f32 += visits * width * ElementCost::kAdd;
  if (spec.choice_bias) {
    choice.bytes.weight_payload += spec.count * WorkWriter::kFloat;
    choice.operations.f32 += rows * spec.count * ElementCost::kAdd;
  }
  if (spec.expert_scale) {
    choice.bytes.weight_payload += spec.count * WorkWriter::kFloat;
    choice.operations.f32 += visits;
  }
  choice.bytes.activation_read = (rows * spec.count + summed) * WorkWriter::kFloat;
  choice.bytes.activation_write = rows * width * WorkWriter::kFloat;
}

// -- run (experts_run.hpp) --------------------------------------------------------------------------------------------

inline void experts_scratch(const ExpertsSpec& spec, ScratchSizes& sizes) {
  sizes.experts = std::max(sizes.experts, spec.count);
  sizes.used = std::max(sizes.used, spec.used);
  sizes.expert_inner = std::max(sizes.expert_inner, spec.expert.inner);
  sizes.shared_expert |= spec.has_shared();
  sizes.experts_apart |= spec.apart.has_value();
  if (spec.has_shared()) dense_scratch(spec.shared, sizes);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

inline void experts_check(const ExpertsSpec& spec, const SpecChecker& check) {
  check.in_range("experts.count", spec.count, 1, SpecLimits::kExperts);
  check.in_range("experts.used", spec.used, 1, spec.count);
  check.in_range("experts.ffn_dim", spec.expert.inner, 1, SpecLimits::kFfn);
  check.in_range("experts.shared_ffn_dim", spec.shared.inner, 0, SpecLimits::kFfn);
  activation_check(spec.expert, "experts.expert", check);
  activation_check(spec.shared, "experts.shared", check);
  if (spec.weigh_input && spec.expert_scale)
    check.fail(ErrorCode::bad_value,
               "experts.weigh_input is set, expected no number that multiplies outputs of experts");
  if (spec.shared_gate && spec.route_early)
    check.fail(ErrorCode::bad_value, "experts.shared_gate is set, expected none where the router reads the stream");
  const ops::RoutingRule& rule = spec.routing;
  check.in_range("experts.groups", rule.groups, 0, spec.count);
  if (spec.apart) norm_check(*spec.apart, "experts.apart", check);
  if (spec.apart && (!spec.has_shared() || spec.shared_gate || spec.route_early))
    check.fail(ErrorCode::bad_value,
               "experts apart from the shared one, expected a shared one without a gate, and a late router");
  check.finite("experts.weight_scale", rule.weight_scale, true);
  if (rule.groups == 0) return;
  check.divides("experts.groups", rule.groups, "experts.count", spec.count);
  check.in_range("experts.groups_used", rule.groups_used, 1, rule.groups);
  if (rule.groups_used * (spec.count / rule.groups) < spec.used)
    check.fail(ErrorCode::bad_value, "experts.used is " + std::to_string(spec.used) + ", expected at most the " +
                                         std::to_string(rule.groups_used * (spec.count / rule.groups)) +
                                         " experts of the groups that a row may visit");
}

/// Everything above is run, with gates that keep all of their values, no norms inside of experts and no token shift.
inline Refusal experts_refuses(const ExpertsSpec& spec) {
  if (spec.expert.sparsity > 0 || spec.shared.sparsity > 0)
    return "experts with sparse gates have no forward pass here; supported: sparse gates of dense blocks";
  if (spec.expert.down_norm || spec.shared.down_norm)
    return "experts with a norm before their down projection; supported: such a norm in dense blocks";
  if (spec.expert.shift || spec.shared.shift)
    return "experts that read the position before have no forward pass here; supported: dense blocks that do";
  return {};
}

}  // namespace plumb
