#pragma once
/// @file
/// The gated delta net (Yang et al. 2024): attention whose state is a matrix a head, of fixed size. With x the normed
/// row, K key heads, V value heads (a multiple of K), and a convolution over the last few positions:
///
///     q, k, v  = silu(conv(Wq x, Wk x, Wv x))                      q, k [K, dk], v [V, dv]
///     q, k     = q / max(|q|, eps) / sqrt(dk),  k / max(|k|, eps)  of each head
///     beta     = sigmoid(Wb x)                                     [V]
///     g        = exp(a * ln(1 + exp(Wa x + dt)))                   [V], or of every key channel [V, dk]
///     S        = diag(g) S;  S += k (x) beta (v - S^T k);  o = S^T q          of each value head
///     y        = Wo (norm(o) * gate(Wz x))                         gate: silu or sigmoid
///
/// How it is run: delta_net_run.hpp. One form serves prompts and tokens: kernels/generic/delta_rule.hpp says why.

#include <algorithm>

#include "plumb/blocks/convolution.hpp"
#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct DeltaNetSpec {
  int k_heads = 0;  ///< K
  int v_heads = 0;  ///< V, a multiple of K
  int k_dim = 0;    ///< dk; the state of a value head has dk * dv values
  int v_dim = 0;    ///< dv
  int kernel = 0;   ///< positions that the convolution sees
  /// Queries, keys and values come from one matrix and go through one convolution.
  bool fused = true;
  /// Wb and Wa are one matrix, by key head: b of its value heads, then their a (qwen3next).
  bool steps_by_group = false;
  /// Value head h reads key head h % K (qwen35); else each key head serves V / K neighbours.
  bool tiled = false;
  int decay_rank = 0;  ///< above 0: a decay of every key channel, by two matrices of that rank (kimi); 0: one a head
  int gate_rank = 0;   ///< above 0: Wz is two matrices of that rank
  bool sigmoid_gate = false;  ///< gate = sigmoid rather than silu
  NormSpec norm = {};         ///< of each head's output [dv]; its epsilon also bounds the lengths of q and k

  int q_cols() const { return k_heads * k_dim; }
  int v_cols() const { return v_heads * v_dim; }
  /// What the convolution sees: q, then k, then v.
  int channels() const { return 2 * q_cols() + v_cols(); }
  int group() const { return v_heads / k_heads; }
  int key_head(int v_head) const { return tiled ? v_head % k_heads : v_head / group(); }
  bool by_channel() const { return decay_rank > 0; }
  int decays() const { return by_channel() ? v_heads * k_dim : v_heads; }
  bool operator==(const DeltaNetSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct DeltaNetWeights {
  Linear qkv, q, k, v;        // [channels, D] in one, or three
  Linear beta, alpha, steps;  // [V, D] each, or both in one [2 V, D]
  Linear decay_down, decay_up, gate, gate_down, gate_up, out;
  Vector conv, conv_q, conv_k, conv_v;  // [channels, kernel] in one, or three of [channels, 1, kernel]
  Vector rates;                         // [V], a; by channel [V, 1]
  Vector dt;                            // [decays]
  NormWeights norm;                     // [dv]
  Vector taps;                          // [kernel, channels]: not stored, see delta_net_derive
};

inline void delta_net_tensors(const DeltaNetSpec& spec, int width, DeltaNetWeights& w, const TensorList& list) {
  if (spec.fused) {
    list.matrix(TensorRole::attn_qkv, w.qkv, spec.channels(), width);
    list.vector(TensorRole::ssm_conv, w.conv, Shape{spec.channels(), spec.kernel});
  } else {
    list.matrix(TensorRole::attn_q, w.q, spec.q_cols(), width);
    list.matrix(TensorRole::attn_k, w.k, spec.q_cols(), width);
    list.matrix(TensorRole::attn_v, w.v, spec.v_cols(), width);
    // Files keep the dimension that convolutions of channels apart have between the two.
    list.vector(TensorRole::ssm_conv_q, w.conv_q, Shape{spec.q_cols(), 1, spec.kernel});
    list.vector(TensorRole::ssm_conv_k, w.conv_k, Shape{spec.q_cols(), 1, spec.kernel});
    list.vector(TensorRole::ssm_conv_v, w.conv_v, Shape{spec.v_cols(), 1, spec.kernel});
  }
  if (spec.steps_by_group) {
    list.matrix(TensorRole::ssm_beta_alpha, w.steps, 2 * spec.v_heads, width);
  } else {
    list.matrix(TensorRole::ssm_beta, w.beta, spec.v_heads, width);
    if (!spec.by_channel()) list.matrix(TensorRole::ssm_alpha, w.alpha, spec.v_heads, width);
  }
  if (spec.by_channel()) {
    list.matrix(TensorRole::ssm_decay_down, w.decay_down, spec.decay_rank, width);
    list.matrix(TensorRole::ssm_decay_up, w.decay_up, spec.decays(), spec.decay_rank);
  }
  list.vector(TensorRole::ssm_a, w.rates, spec.by_channel() ? Shape{spec.v_heads, 1} : Shape{spec.v_heads});
  list.bias(TensorRole::ssm_dt, w.dt, Shape{spec.decays()});
  if (spec.gate_rank > 0) {
    list.matrix(TensorRole::ssm_gate_down, w.gate_down, spec.gate_rank, width);
    list.matrix(TensorRole::ssm_gate_up, w.gate_up, spec.v_cols(), spec.gate_rank);
  } else {
    list.matrix(TensorRole::attn_gate, w.gate, spec.v_cols(), width);
  }
  norm_tensors(spec.norm, TensorRole::ssm_norm, Shape{spec.v_dim}, w.norm, list);
  list.matrix(spec.fused ? TensorRole::ssm_out : TensorRole::attn_out, w.out, width, spec.v_cols());
}

/// Fills in what follows from the stored weights.
inline void delta_net_derive(const DeltaNetSpec& spec, DeltaNetWeights& w) {
  const int all = spec.channels();
  if (spec.fused) return lay_out_taps(w.conv, spec.kernel, 0, all, w.taps);
  lay_out_taps(w.conv_q, spec.kernel, 0, all, w.taps);
  lay_out_taps(w.conv_k, spec.kernel, spec.q_cols(), all, w.taps);
  lay_out_taps(w.conv_v, spec.kernel, 2 * spec.q_cols(), all, w.taps);
}

// -- state ------------------------------------------------------------------------------------------------------------

/// One head's matrix, in blocks of columns (cpu/recurrent_kernels.hpp).
inline std::int64_t delta_head_state(const DeltaNetSpec& spec) {
  return round_up<std::int64_t>(spec.v_dim, kStateLanes) * spec.k_dim;
}
inline LayerState delta_net_state(const DeltaNetSpec& spec) {
  return LayerState::recurrence(convolution_state(spec.kernel, spec.channels()) +
                                spec.v_heads * delta_head_state(spec));
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Decays and betas, and the rule itself. The state of every sequence is read and written once.
inline void delta_rule_work(const DeltaNetSpec& spec, WorkWriter& writer) {
  const double rows = writer.rows(), decays = spec.decays();
  OpWork& steps = writer.add(Op::recurrence);
  steps.operations.f32 = rows * (decays * ElementCost::kDecay + spec.v_heads * ElementCost::kPlain);
  steps.bytes.weight_payload = (decays + spec.v_heads) * WorkWriter::kFloat;
  steps.bytes.activation_read = steps.bytes.activation_write = rows * (decays + spec.v_heads) * WorkWriter::kFloat;
  OpWork& rule = writer.add(Op::recurrence);
  const double columns = spec.v_cols(), values = columns * spec.k_dim;
  rule.operations.f32 = rows * (values * (spec.by_channel() ? 8 : 7) + columns * (spec.by_channel() ? 2 : 3));
  rule.bytes.kv_read = rule.bytes.kv_write = static_cast<double>(writer.pass().sequences) * values * WorkWriter::kFloat;
  rule.bytes.activation_read = rows * (spec.channels() + decays + spec.v_heads) * WorkWriter::kFloat;
  rule.bytes.activation_write = rows * columns * WorkWriter::kFloat;
}

/// Barriers between the phases of delta_net_run.hpp, and those that ranks add.
inline constexpr int kDeltaNetBarriers = 3;

inline void delta_net_work(const DeltaNetSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows();
  const auto project = [&](TensorRole role, double outputs) { writer.matmul(Op::mix_in, role, outputs, width, rows); };
  const auto through = [&](TensorRole role, double outputs, int rank) {
    writer.quantize_for(role, outputs, rank, rows);
    writer.matmul(Op::mix_in, role, outputs, rank, rows);
    writer.meet_prepared(rows);
  };
  writer.quantize_for(spec.fused ? TensorRole::attn_qkv : TensorRole::attn_q,
                      spec.fused ? spec.channels() : spec.q_cols(), width, rows);
  if (spec.fused) {
    project(TensorRole::attn_qkv, spec.channels());
  } else {
    project(TensorRole::attn_q, spec.q_cols());
    project(TensorRole::attn_k, spec.q_cols());
    project(TensorRole::attn_v, spec.v_cols());
  }
  if (spec.steps_by_group)
    project(TensorRole::ssm_beta_alpha, 2 * spec.v_heads);
  else
    project(TensorRole::ssm_beta, spec.v_heads);
  if (!spec.steps_by_group && !spec.by_channel()) project(TensorRole::ssm_alpha, spec.v_heads);
  if (spec.by_channel()) project(TensorRole::ssm_decay_down, spec.decay_rank);
  if (spec.gate_rank > 0)
    project(TensorRole::ssm_gate_down, spec.gate_rank);
  else
    project(TensorRole::attn_gate, spec.v_cols());
  if (spec.by_channel() || spec.gate_rank > 0) writer.meet(1);
  if (spec.by_channel()) through(TensorRole::ssm_decay_up, spec.decays(), spec.decay_rank);
  if (spec.gate_rank > 0) through(TensorRole::ssm_gate_up, spec.v_cols(), spec.gate_rank);
  writer.add(Op::activation).operations.f32 = rows * spec.v_cols() * ElementCost::kPlain;  // of the gate

  convolution_work(spec.kernel, spec.channels(), ElementCost::kPlain, writer);
  OpWork& lengths = writer.add(Op::convolution);
  lengths.operations.f32 = rows * 2 * spec.q_cols() * ElementCost::kLength;
  lengths.bytes.activation_read = lengths.bytes.activation_write = rows * 2 * spec.q_cols() * WorkWriter::kFloat;
  delta_rule_work(spec, writer);
  writer.meet(kDeltaNetBarriers);

  norm_work(spec.norm, Op::attn_norm, rows * spec.v_heads, spec.v_dim, writer);
  OpWork& gated = writer.add(Op::attn_out);
  gated.operations.f32 = rows * spec.v_cols() * ElementCost::kAdd;
  gated.bytes.activation_read = 2 * rows * spec.v_cols() * WorkWriter::kFloat;
  gated.bytes.activation_write = rows * spec.v_cols() * WorkWriter::kFloat;
  writer.meet_prepared(rows);
  const TensorRole out = spec.fused ? TensorRole::ssm_out : TensorRole::attn_out;
  writer.quantize_for(out, width, spec.v_cols(), rows);
  writer.matmul(Op::attn_out, out, width, spec.v_cols(), rows);
}

// -- run (delta_net_run.hpp) ------------------------------------------------------------------------------------------

/// Where the numbers of a row's heads lie in the rows of `steps`: by groups, beta of their heads, then their decays.
struct DeltaSteps {
  explicit DeltaSteps(const DeltaNetSpec& spec)
      : groups(spec.steps_by_group ? spec.k_heads : 1), per(spec.v_heads / groups) {}
  int groups, per;

  int beta(int head) const { return head / per * 2 * per + head % per; }
  int decay(int head) const { return beta(head) + per; }
};

inline void delta_net_scratch(const DeltaNetSpec& spec, ScratchSizes& sizes) {
  // Both low-rank inputs are prepared at once, in the memory of the heads; the second begins at a multiple of its
  // width.
  const int ranks = 3 * static_cast<int>(round_up<std::int64_t>(std::max(spec.decay_rank, spec.gate_rank), 32));
  sizes.mixed = std::max(sizes.mixed, spec.channels());
  sizes.steps = std::max(sizes.steps, spec.v_heads + spec.decays());
  sizes.ranks = std::max(sizes.ranks, spec.decay_rank + spec.gate_rank);
  sizes.gates = std::max(sizes.gates, spec.v_cols());
  sizes.heads = std::max({sizes.heads, spec.v_cols(), ranks});
  sizes.finished = std::max(sizes.finished, spec.v_cols());
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for a specification that describes no delta net.
inline void delta_net_check(const DeltaNetSpec& spec, const SpecChecker& check) {
  check.in_range("delta.k_heads", spec.k_heads, 1, SpecLimits::kHeads);
  check.in_range("delta.v_heads", spec.v_heads, 1, SpecLimits::kHeads);
  check.divides("delta.k_heads", spec.k_heads, "delta.v_heads", spec.v_heads);
  check.in_range("delta.k_dim", spec.k_dim, 1, SpecLimits::kStateDim);
  check.in_range("delta.v_dim", spec.v_dim, 1, SpecLimits::kStateDim);
  check.in_range("delta.kernel", spec.kernel, 1, kMaxConvolution);
  check.in_range("delta.decay_rank", spec.decay_rank, 0, SpecLimits::kWidth);
  check.in_range("delta.gate_rank", spec.gate_rank, 0, SpecLimits::kWidth);
  check.in_range("delta.channels", spec.channels(), 1, SpecLimits::kFfn);
  if (spec.steps_by_group && spec.by_channel())
    check.fail(ErrorCode::bad_value, "decays of channels and of groups of heads, expected one of the two");
  norm_check(spec.norm, "delta.norm", check);
}

inline Refusal delta_net_refuses(const DeltaNetSpec&) { return {}; }

}  // namespace plumb
