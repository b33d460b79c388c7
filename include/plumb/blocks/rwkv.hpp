#pragma once
/// @file
/// The time mixing of RWKV 7 (Peng et al. 2025): attention whose state is a matrix a head, of fixed size, and whose
/// keys for what is recalled and replaced are not those for what is written. With x[.] the normed row mixed with that
/// of the position before (token_shift.hpp), H heads of N values, C = H N:
///
///     r, k, v  = Wr x[r], Wk x[k], Wv x[v]                             [C]
///     v       += sigmoid(v0 + V2 V1 x[v]) (v of an earlier layer - v)  but in the first of the layers
///     w        = exp(-0.606531 sigmoid(w0 + W2 tanh(W1 x[w])))         a decay of every channel
///     a        = sigmoid(a0 + A2 A1 x[a])
///     q        = k s, at length 1 of each head;  k += k t (a - 1)
///     S        = diag(w) S + k (x) v - a q (x) S^T q;  o = S^T r       of each head
///     y        = Wo ((norm(o) + (r . u k) v) * G2 sigmoid(G1 x[g]))    norm and product of each head
///
/// How it is run: rwkv_run.hpp. One form serves prompts and tokens: kernels/generic/delta_rule.hpp says why.

#include <algorithm>

#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/token_shift.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

/// The inputs of the mixing in the order of their shares.
enum class RwkvInput { receptance, decay, key, value, rate, gate };
inline constexpr int kRwkvInputs = 6;

struct RwkvSpec {
  int heads = 0;       ///< H
  int head_dim = 0;    ///< N; the state of a head has N * N values
  int decay_rank = 0;  ///< of W1 and W2
  int rate_rank = 0;   ///< of A1 and A2
  /// Of V1 and V2. 0: there are none, and the values are those that the layers behind it take from.
  int first_rank = 0;
  int gate_rank = 0;                                                       ///< of G1 and G2
  NormSpec norm = {.kind = NormKind::layer, .bias = true, .eps = 64e-5f};  ///< of each head; weights of all [C]

  int channels() const { return heads * head_dim; }
  int ranks() const { return decay_rank + rate_rank + first_rank + gate_rank; }
  bool operator==(const RwkvSpec&) const = default;
};

/// The largest decay of a position is e^-0.606531: about exp(-exp(-1/2)).
inline constexpr float kRwkvDecay = 0.606531f;
/// Keys that are shorter are not brought to length 1.
inline constexpr float kRwkvLength = 1e-12f;

// -- tensors ----------------------------------------------------------------------------------------------------------

struct RwkvWeights {
  Vector shares;                                    // [6, D]
  Linear receptance, key, value;                    // [C, D]
  Linear decay_down, decay_up, rate_down, rate_up;  // [rank, D], [C, rank]; up with w0, a0
  Linear first_down, first_up;                      // the same with v0, or empty
  Linear gate_down, gate_up;                        // [rank, D], [C, rank]
  Vector key_scale, key_rate, bonus;                // [C], s, t, u
  NormWeights norm;                                 // [C]
  Linear out;                                       // [D, C]
};

inline void rwkv_tensors(const RwkvSpec& spec, int width, RwkvWeights& w, const TensorList& list) {
  const int channels = spec.channels();
  const auto low_rank = [&](TensorRole down, TensorRole up, int rank, Linear& first, Linear& second) {
    list.matrix(down, first, rank, width);
    list.matrix(up, second, channels, rank);
  };
  list.vector(TensorRole::mix_lerp, w.shares, Shape{kRwkvInputs, 1, 1, width});
  list.matrix(TensorRole::mix_receptance, w.receptance, channels, width);
  list.matrix(TensorRole::mix_key, w.key, channels, width);
  list.matrix(TensorRole::mix_value, w.value, channels, width);
  low_rank(TensorRole::mix_decay_down, TensorRole::mix_decay_up, spec.decay_rank, w.decay_down, w.decay_up);
  list.vector(TensorRole::mix_decay, w.decay_up.bias, Shape{channels});
  low_rank(TensorRole::mix_rate_down, TensorRole::mix_rate_up, spec.rate_rank, w.rate_down, w.rate_up);
  list.vector(TensorRole::mix_rate, w.rate_up.bias, Shape{channels});
  if (spec.first_rank > 0) {
    low_rank(TensorRole::mix_first_down, TensorRole::mix_first_up, spec.first_rank, w.first_down, w.first_up);
    list.vector(TensorRole::mix_first, w.first_up.bias, Shape{channels});
  }
  low_rank(TensorRole::mix_gate_down, TensorRole::mix_gate_up, spec.gate_rank, w.gate_down, w.gate_up);
  list.vector(TensorRole::mix_key_scale, w.key_scale, Shape{channels});
  list.vector(TensorRole::mix_key_rate, w.key_rate, Shape{channels});
  list.vector(TensorRole::mix_bonus, w.bonus, Shape{channels});
  norm_tensors(spec.norm, TensorRole::mix_norm, Shape{channels}, w.norm, list);
  list.matrix(TensorRole::mix_out, w.out, width, channels);
}

// -- state ------------------------------------------------------------------------------------------------------------

/// One head's matrix, in blocks of columns (cpu/recurrent_kernels.hpp).
inline std::int64_t rwkv_head_state(const RwkvSpec& spec) {
  return round_up<std::int64_t>(spec.head_dim, kStateLanes) * spec.head_dim;
}
/// The last row of the stream, then the matrices of the heads.
inline LayerState rwkv_state(const RwkvSpec& spec, int width) {
  return LayerState::recurrence(token_shift_state(width) + spec.heads * rwkv_head_state(spec));
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per element: a decay from what it depends on (sigmoid, scale, exponential); of a value (subtract,
/// multiply, add); of the keys, their length aside (scale; rate of k, multiply, subtract, add; rate of q); of an output
/// behind its norm (r . u k: two multiplies, add; multiply, add; gate).
inline constexpr double kRwkvDecays = ElementCost::kPlain + 2, kRwkvValue = 3, kRwkvKeys = 6, kRwkvOutput = 6;
/// Of each value of a state: recall; decay; write; replace; read.
inline constexpr double kRwkvRule = 9;

/// Barriers between the phases of rwkv_run.hpp.
inline constexpr int kRwkvBarriers = 4;

inline void rwkv_products_work(const RwkvSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows(), channels = spec.channels();
  const auto project = [&](TensorRole role, double outputs, bool prepares = true) {
    if (prepares) writer.quantize_for(role, outputs, width, rows);
    writer.matmul(Op::mix_in, role, outputs, width, rows);
  };
  const auto through = [&](TensorRole role, int rank, bool bias) {
    writer.quantize_for(role, channels, rank, rows);
    writer.matmul(Op::mix_in, role, channels, rank, rows, 1, bias);
  };
  project(TensorRole::mix_receptance, channels);
  project(TensorRole::mix_decay_down, spec.decay_rank);
  writer.add(Op::mix_in).operations.f32 = rows * spec.decay_rank;  // tanh
  project(TensorRole::mix_key, channels);
  project(TensorRole::mix_value, channels);
  if (spec.first_rank > 0) project(TensorRole::mix_first_down, spec.first_rank, false);
  project(TensorRole::mix_rate_down, spec.rate_rank);
  project(TensorRole::mix_gate_down, spec.gate_rank);
  writer.add(Op::activation).operations.f32 = rows * spec.gate_rank * ElementCost::kPlain;
  through(TensorRole::mix_decay_up, spec.decay_rank, true);
  through(TensorRole::mix_rate_up, spec.rate_rank, true);
  if (spec.first_rank > 0) through(TensorRole::mix_first_up, spec.first_rank, true);
  through(TensorRole::mix_gate_up, spec.gate_rank, false);
  writer.meet_prepared(rows);
}

inline void rwkv_work(const RwkvSpec& spec, int width, WorkWriter& writer) {
  constexpr double kFloat = WorkWriter::kFloat;
  const double rows = writer.rows(), values = rows * spec.channels();
  token_shift_work(kRwkvInputs, width, writer);
  rwkv_products_work(spec, width, writer);

  OpWork& steps = writer.add(Op::recurrence);
  const double gated = spec.first_rank > 0 ? 1 : 0;
  steps.operations.f32 = values * (kRwkvDecays + ElementCost::kPlain * (1 + gated));
  steps.bytes.activation_read = steps.bytes.activation_write = values * (2 + gated) * kFloat;
  OpWork& keys = writer.add(Op::convolution);
  keys.operations.f32 = values * (ElementCost::kLength + kRwkvKeys + kRwkvValue * gated);
  keys.bytes.weight_payload = 2.0 * spec.channels() * kFloat;
  keys.bytes.activation_read = values * (2 + 3 * gated) * kFloat;
  keys.bytes.activation_write = values * (3 + gated) * kFloat;
  OpWork& rule = writer.add(Op::recurrence);
  rule.operations.f32 = values * spec.head_dim * kRwkvRule;
  rule.bytes.kv_read = rule.bytes.kv_write =
      static_cast<double>(writer.pass().sequences) * spec.channels() * spec.head_dim * kFloat;
  rule.bytes.activation_read = 6 * values * kFloat;
  rule.bytes.activation_write = values * kFloat;
  writer.meet(kRwkvBarriers);

  norm_work(spec.norm, Op::attn_norm, rows, spec.channels(), writer);
  OpWork& finished = writer.add(Op::attn_out);
  finished.operations.f32 = values * kRwkvOutput;
  finished.bytes.weight_payload = spec.channels() * kFloat;
  finished.bytes.activation_read = 5 * values * kFloat;
  finished.bytes.activation_write = values * kFloat;
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::mix_out, width, spec.channels(), rows);
  writer.matmul(Op::attn_out, TensorRole::mix_out, width, spec.channels(), rows);
}

// -- run (rwkv_run.hpp) -----------------------------------------------------------------------------------------------

/// Where the numbers of a row's channels lie in the rows of `steps`, each [C].
struct RwkvSteps {
  explicit RwkvSteps(const RwkvSpec& spec)
      : rate(spec.channels()), recall(2 * rate), first(3 * rate), all((spec.first_rank > 0 ? 4 : 3) * rate) {}
  int decay = 0;  ///< w
  int rate;       ///< a, then a q
  int recall;     ///< q
  int first;      ///< how much of the earlier layer's values is taken
  int all;
};

inline void rwkv_scratch(const RwkvSpec& spec, ScratchSizes& sizes) {
  const int channels = spec.channels();
  token_shift_scratch(kRwkvInputs, sizes);
  sizes.q = std::max(sizes.q, channels);
  sizes.k = std::max(sizes.k, channels);
  if (spec.first_rank > 0)
    sizes.v = std::max(sizes.v, channels);
  else
    sizes.first_values = std::max(sizes.first_values, channels);
  sizes.steps = std::max(sizes.steps, RwkvSteps(spec).all);
  sizes.ranks = std::max(sizes.ranks, spec.ranks());
  sizes.low_rank = std::max({sizes.low_rank, spec.decay_rank, spec.rate_rank, spec.first_rank, spec.gate_rank});
  sizes.gates = std::max(sizes.gates, channels);
  sizes.heads = std::max(sizes.heads, channels);
  sizes.finished = std::max(sizes.finished, channels);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for a specification that describes no mixing.
inline void rwkv_check(const RwkvSpec& spec, const SpecChecker& check) {
  check.in_range("rwkv.heads", spec.heads, 1, SpecLimits::kHeads);
  check.in_range("rwkv.head_dim", spec.head_dim, 1, SpecLimits::kStateDim);
  check.in_range("rwkv.channels", spec.channels(), 1, SpecLimits::kWidth);
  check.in_range("rwkv.decay_rank", spec.decay_rank, 1, SpecLimits::kWidth);
  check.in_range("rwkv.rate_rank", spec.rate_rank, 1, SpecLimits::kWidth);
  check.in_range("rwkv.first_rank", spec.first_rank, 0, SpecLimits::kWidth);
  check.in_range("rwkv.gate_rank", spec.gate_rank, 1, SpecLimits::kWidth);
  norm_check(spec.norm, "rwkv.norm", check);
}
/// The nearest earlier layer whose values are taken: `source`, or nullptr. @throws Error{bad_value}.
inline void rwkv_source_check(const RwkvSpec& spec, const RwkvSpec* source, const SpecChecker& check) {
  if (spec.first_rank == 0) return;
  if (source == nullptr)
    check.fail(ErrorCode::bad_value, "rwkv.first_rank is " + std::to_string(spec.first_rank) +
                                         ", expected 0 where no layer before has values to take from");
  if (source->channels() != spec.channels())
    check.fail(ErrorCode::bad_value, "rwkv.channels is " + std::to_string(spec.channels()) +
                                         ", expected those of the layer whose values are taken, " +
                                         std::to_string(source->channels()));
}

inline Refusal rwkv_refuses(const RwkvSpec&) { return {}; }

}  // namespace plumb
