#pragma once
/// @file
/// The state-space scan: Mamba 1 (Gu and Dao 2023) and Mamba 2 (Dao and Gu 2024). With x the normed row, C inner
/// channels of which each remembers N numbers, and a convolution over the last few positions:
///
///     Mamba 2                                               Mamba 1
///     z, u, B, C, s = Wi x                                  u, z    = Wi x
///     u, B, C       = silu(conv(u, B, C))                   u       = silu(conv(u))
///                                                           r, B, C = Wx u, each perhaps normed
///     s             = ln(1 + exp(s + bias))       [H]       s       = ln(1 + exp(Ws r + bias))       [C]
///     S             = exp(a s) S + B (x) (s u)              S       = exp(A s) S + B (x) (s u)       [N, C]
///     o             = (S^T C + d u) silu(z)                 o       = (S^T C + d u) silu(z)
///     y             = Wo norm(o)                            y       = Wo o
///
/// where Mamba 2 has H heads of C / H channels with a rate a, a step s and a factor d each, G groups of heads with B
/// and C [N] each, and a norm over the channels of each group, or none. Mamba 1 has a step and a d for every channel
/// and N rates.
///
/// How it is run: state_space_run.hpp.

#include <algorithm>
#include <cstdint>
#include <optional>

#include "plumb/blocks/convolution.hpp"
#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct StateSpaceSpec {
  int inner = 0;                           ///< C
  int size = 0;                            ///< N; the state has N * C values
  int heads = 0;                           ///< H, a divisor of C: Mamba 2; 0: Mamba 1
  int groups = 1;                          ///< G, a divisor of H
  int rank = 0;                            ///< of Mamba 1: length of r
  int kernel = 0;                          ///< positions that the convolution sees
  bool conv_bias = true;                   ///< a number a channel
  std::optional<NormSpec> norm = {};       ///< of the gated output of each group: C parameters (Mamba 2)
  std::optional<NormSpec> step_norm = {};  ///< of r, B and C: rank + 2 N parameters, or none (Mamba 1)

  bool by_channel() const { return heads == 0; }
  int head_dim() const { return inner / heads; }
  int group_cols() const { return groups * size; }
  /// What the convolution sees: u, then B and C of Mamba 2.
  int channels() const { return by_channel() ? inner : inner + 2 * group_cols(); }
  /// Rows of Wi.
  int projected() const { return inner + channels() + heads; }
  /// Where z and u begin among them.
  int gate_at() const { return by_channel() ? inner : 0; }
  int input_at() const { return by_channel() ? 0 : inner; }
  int steps_at() const { return inner + channels(); }
  /// Rows of Wx: r, B, C.
  int selected() const { return rank + 2 * size; }
  bool operator==(const StateSpaceSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct StateSpaceWeights {
  Linear in;               // [projected, D]
  Linear select;           // [rank + 2 N, C], of Mamba 1
  Linear steps;            // [C, rank], of Mamba 1
  Linear out;              // [D, C]
  Vector conv, conv_bias;  // [channels, kernel], [channels]
  Vector step_bias;        // [H], or [C]
  Vector rates;            // [H], or [C, N]
  Vector skip;             // [H], or [C]
  NormWeights norm;        // [G, C / G]
  NormWeights r_norm, b_norm, c_norm;
  Vector taps;         // [kernel, channels]: not stored, see state_space_derive
  Vector rate_blocks;  // rates of Mamba 1 in blocks of channels: not stored
};

inline void state_space_tensors(const StateSpaceSpec& spec, int width, StateSpaceWeights& w, const TensorList& list) {
  list.matrix(TensorRole::ssm_in, w.in, spec.projected(), width);
  list.vector(TensorRole::ssm_conv, w.conv, Shape{spec.channels(), spec.kernel});
  if (spec.conv_bias) list.bias(TensorRole::ssm_conv, w.conv_bias, Shape{spec.channels()});
  if (spec.by_channel()) {
    list.matrix(TensorRole::ssm_x, w.select, spec.selected(), spec.inner);
    if (spec.step_norm) {
      norm_tensors(*spec.step_norm, TensorRole::ssm_dt_norm, Shape{spec.rank}, w.r_norm, list);
      norm_tensors(*spec.step_norm, TensorRole::ssm_b_norm, Shape{spec.size}, w.b_norm, list);
      norm_tensors(*spec.step_norm, TensorRole::ssm_c_norm, Shape{spec.size}, w.c_norm, list);
    }
    list.matrix(TensorRole::ssm_dt, w.steps, spec.inner, spec.rank);
    list.bias(TensorRole::ssm_dt, w.step_bias, Shape{spec.inner});
    list.vector(TensorRole::ssm_a, w.rates, Shape{spec.inner, spec.size});
    list.vector(TensorRole::ssm_d, w.skip, Shape{spec.inner});
  } else {
    list.bias(TensorRole::ssm_dt, w.step_bias, Shape{spec.heads});
    list.vector(TensorRole::ssm_a, w.rates, Shape{spec.heads, 1});
    list.vector(TensorRole::ssm_d, w.skip, Shape{spec.heads, 1});
    if (spec.norm)
      norm_tensors(*spec.norm, TensorRole::ssm_norm, Shape{spec.groups, spec.inner / spec.groups}, w.norm, list);
  }
  list.matrix(TensorRole::ssm_out, w.out, width, spec.inner);
}

/// Fills in what follows from the stored weights.
inline void state_space_derive(const StateSpaceSpec& spec, StateSpaceWeights& w) {
  lay_out_taps(w.conv, spec.kernel, 0, spec.channels(), w.taps);
  if (!spec.by_channel()) return;
  w.rate_blocks.assign(static_cast<std::size_t>(round_up<std::int64_t>(spec.inner, kStateLanes) * spec.size), 0.0f);
  for (std::int64_t c = 0; c < spec.inner; ++c)
    for (std::int64_t k = 0; k < spec.size; ++k) {
      const std::int64_t at = c / kStateLanes * kStateLanes * spec.size + k * kStateLanes + c % kStateLanes;
      w.rate_blocks[static_cast<std::size_t>(at)] = w.rates[static_cast<std::size_t>(c * spec.size + k)];
    }
}

// -- state ------------------------------------------------------------------------------------------------------------

/// How the scan walks: `count` times `columns` channels that share what their rows say. All channels of Mamba 1 are
/// one.
struct ScanShape {
  explicit ScanShape(const StateSpaceSpec& spec)
      : count(spec.by_channel() ? 1 : spec.heads), columns(spec.by_channel() ? spec.inner : spec.head_dim()) {}
  std::int64_t count, columns;

  std::int64_t blocks() const { return ceil_div<std::int64_t>(columns, kStateLanes); }
  /// Values of the state of one of them, in blocks of columns (cpu/recurrent_kernels.hpp).
  std::int64_t values(int size) const { return blocks() * kStateLanes * size; }
};

inline LayerState state_space_state(const StateSpaceSpec& spec) {
  const ScanShape shape(spec);
  return LayerState::recurrence(convolution_state(spec.kernel, spec.channels()) +
                                shape.count * shape.values(spec.size));
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Steps and the scan. The state of every sequence is read and written once.
inline void state_scan_work(const StateSpaceSpec& spec, WorkWriter& writer) {
  const double rows = writer.rows(), inner = spec.inner, values = inner * spec.size;
  const double steps = spec.by_channel() ? inner : spec.heads;
  OpWork& step = writer.add(Op::recurrence);
  step.operations.f32 = rows * steps * (spec.by_channel() ? ElementCost::kSoftplus : ElementCost::kDecay);
  step.bytes.weight_payload = steps * (spec.by_channel() ? 1 : 2) * WorkWriter::kFloat;
  step.bytes.activation_read = step.bytes.activation_write = rows * steps * WorkWriter::kFloat;
  OpWork& scan = writer.add(Op::recurrence);
  scan.operations.f32 = rows * (values * (spec.by_channel() ? ElementCost::kScanChannels : ElementCost::kScan) +
                                inner * (3 * ElementCost::kAdd + ElementCost::kGated));
  scan.bytes.weight_payload = (steps + (spec.by_channel() ? values : 0)) * WorkWriter::kFloat;
  scan.bytes.kv_read = scan.bytes.kv_write = static_cast<double>(writer.pass().sequences) * values * WorkWriter::kFloat;
  scan.bytes.activation_read = rows * (2 * inner + steps + 2.0 * spec.group_cols()) * WorkWriter::kFloat;
  scan.bytes.activation_write = rows * inner * WorkWriter::kFloat;
}

/// Barriers between the phases of state_space_run.hpp, and those that Mamba 1 adds.
inline constexpr int kStateSpaceBarriers = 3, kSelectionBarriers = 2;

inline void state_space_work(const StateSpaceSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows();
  writer.quantize_for(TensorRole::ssm_in, spec.projected(), width, rows);
  writer.matmul(Op::mix_in, TensorRole::ssm_in, spec.projected(), width, rows);
  convolution_work(spec.kernel, spec.channels(), ElementCost::kPlain, writer, spec.conv_bias);
  if (spec.by_channel()) {
    writer.quantize_for(TensorRole::ssm_x, spec.selected(), spec.inner, rows);
    writer.matmul(Op::mix_in, TensorRole::ssm_x, spec.selected(), spec.inner, rows);
    if (spec.step_norm) norm_work(*spec.step_norm, Op::attn_norm, rows, spec.selected(), writer);
    writer.quantize_for(TensorRole::ssm_dt, spec.inner, spec.rank, rows);
    writer.matmul(Op::mix_in, TensorRole::ssm_dt, spec.inner, spec.rank, rows);
    writer.meet(kSelectionBarriers);
    writer.meet_prepared(rows);
    writer.meet_prepared(rows);
  }
  state_scan_work(spec, writer);
  writer.meet(kStateSpaceBarriers);
  if (spec.norm) norm_work(*spec.norm, Op::attn_norm, rows, spec.inner, writer);
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::ssm_out, width, spec.inner, rows);
  writer.matmul(Op::attn_out, TensorRole::ssm_out, width, spec.inner, rows);
}

// -- run (state_space_run.hpp) ----------------------------------------------------------------------------------------

inline void state_space_scratch(const StateSpaceSpec& spec, ScratchSizes& sizes) {
  sizes.mixed = std::max(sizes.mixed, spec.projected());
  sizes.steps = std::max(sizes.steps, spec.by_channel() ? spec.inner : 2 * spec.heads);
  sizes.heads = std::max({sizes.heads, spec.inner, spec.rank});
  sizes.finished = std::max({sizes.finished, spec.norm ? spec.inner : 0, spec.rank});
  if (spec.by_channel()) sizes.ranks = std::max(sizes.ranks, spec.selected());
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for a specification that describes no state space.
inline void state_space_check(const StateSpaceSpec& spec, const SpecChecker& check) {
  check.in_range("ssm.inner", spec.inner, 1, SpecLimits::kWidth);
  check.in_range("ssm.size", spec.size, 1, SpecLimits::kStateDim);
  check.in_range("ssm.kernel", spec.kernel, 1, kMaxConvolution);
  check.in_range("ssm.heads", spec.heads, 0, SpecLimits::kHeads);
  check.in_range("ssm.groups", spec.groups, 1, SpecLimits::kHeads);
  if (spec.by_channel()) {
    check.in_range("ssm.rank", spec.rank, 1, SpecLimits::kWidth);
    if (spec.groups != 1 || spec.norm)
      check.fail(ErrorCode::bad_value, "groups or a norm of the output without heads, expected none");
  } else {
    check.divides("ssm.heads", spec.heads, "ssm.inner", spec.inner);
    check.divides("ssm.groups", spec.groups, "ssm.heads", spec.heads);
    if (spec.rank != 0 || spec.step_norm)
      check.fail(ErrorCode::bad_value, "heads and steps of a low rank, expected one of the two");
  }
  check.in_range("ssm.channels", spec.channels(), 1, SpecLimits::kFfn);
  if (spec.norm) norm_check(*spec.norm, "ssm.norm", check);
  if (spec.step_norm) norm_check(*spec.step_norm, "ssm.step_norm", check);
}

/// All of the above is run.
inline Refusal state_space_refuses(const StateSpaceSpec&) { return {}; }

}  // namespace plumb
