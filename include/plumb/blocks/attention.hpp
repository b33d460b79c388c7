#pragma once
/// @file
/// Attention over keys and values of earlier positions, or of all positions of a text, with H query heads, G key/value
/// heads, d dimensions a head. With x the normed row:
///
///     q, k, v  = clip(Wq x + bq), ...                                              [H d], [G d], [G v]
///     q, k     = rope(norm(q)), rope(norm(k))
///     s[h, p]  = softcap(scale * q[h] . k[h / (H/G), p]) + slope[h] * (p - own)    over positions p that the row sees
///     y        = Wo sum_p softmax_p(s[h], sink[h]) v[p] + bo                       [D]
///
/// and, where a layer has them, sigmoids of Wg x multiply the heads' sums, and a norm stands before Wo.
///
/// How it is run: attention_run.hpp.

#include <cmath>
#include <cstdint>
#include <optional>

#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/ops/alibi.hpp"
#include "plumb/ops/attention_plan.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

/// What a norm of queries and keys runs over.
enum class QkNormOver {
  none,
  head,       ///< every head, all with the same weights [d] (qwen3, gemma3)
  each_head,  ///< every head with weights of its own [heads, d] (command-r, stablelm)
  all_heads,  ///< all heads of a row at once [heads * d] (olmo2)
};

/// What sigmoids of a projection of x multiply before the output projection.
enum class OutputGate {
  none,
  head,     ///< every head as a whole: D * H parameters (step35)
  element,  ///< every value: D * H * value_dim parameters (afmoe)
  /// The same by rows of wq: each head has those of its queries, then those of its gates (qwen3next).
  in_queries,
};

/// How queries grow with the position p: q *= 1 + scale * ln(1 + floor((p + offset) / floor)) (llama4, mistral3).
struct TemperatureSpec {
  float scale = 0.0f;  ///< 0: not at all
  int floor = 1;       ///< positions of a step
  int offset = 0;

  float at(std::int64_t position) const {
    const auto steps = static_cast<double>((position + offset) / floor);
    return static_cast<float>(1.0 + static_cast<double>(scale) * std::log1p(steps));
  }
  bool operator==(const TemperatureSpec&) const = default;
};

/// Grouped-query attention: MQA with one KV head, MHA with as many as query heads.
struct AttentionSpec {
  int n_heads = 0;     ///< H. wq and wo have D * H * d parameters each
  int n_kv_heads = 0;  ///< G. wk and wv have D * G * d; state per position 2 * G * d elements
  int head_dim = 0;    ///< d, of queries and keys; H * d may differ from D
  int value_dim = 0;   ///< of values, where it differs; 0: d

  bool qkv_bias = false;  ///< (H + 2G) * d parameters
  bool out_bias = false;  ///< D parameters
  QkNormOver qk_norm_over = QkNormOver::none;
  NormSpec qk_norm = {};  ///< of that norm; 4 to 7 operations per element of q and k
  bool qk_norm_after_rope = false;
  /// Values are divided by their root mean square, every head alone: 4 operations per element (gemma4).
  bool value_norm = false;
  float value_norm_eps = 0.0f;
  /// No value projection: values are the projected keys as they are before their norm and rotation (gemma4).
  bool values_are_keys = false;
  /// Layer whose keys and values this one reads; it has no projections and no state for them then. -1: its own.
  int kv_from = -1;
  OutputGate output_gate = OutputGate::none;
  std::optional<NormSpec> out_norm = {};  ///< of the input of wo: H * value_dim parameters (bitnet)

  int rope = 0;  ///< index into ModelSpec::ropes; -1: no rotation in this layer
  float alibi_max_bias =
      0.0f;              ///< linear position biases with slopes from 2^(-max/H) down (Press et al. 2022); 0: none
  bool causal = true;    ///< false: rows see later positions too, so that a text is read in one pass (bert)
  int window = 0;        ///< positions that a row sees, its own included; bounds state and bytes read; 0: all. Not
                         ///< causal: half of it each way
  int chunk = 0;         ///< positions are cut into chunks of so many, and rows see their own chunk (llama4); 0: no
  bool sinks = false;    ///< a learned logit per head in the denominator: H parameters (gpt-oss)
  float clip = 0.0f;     ///< bound of the magnitude of q, k and v (mpt, olmo); 0: none
  float softcap = 0.0f;  ///< cap * tanh(score / cap); 0: none
  float scale = 0.0f;    ///< multiplies q.k; 0: 1 / sqrt(d)
  TemperatureSpec temperature = {};
  float value_scale = 1.0f;  ///< multiplies the values, and so the output (mimo2)

  int v_dim() const { return value_dim > 0 ? value_dim : head_dim; }
  int q_rows() const { return n_heads * head_dim; }
  int k_rows() const { return n_kv_heads * head_dim; }
  int v_rows() const { return n_kv_heads * v_dim(); }
  int out_cols() const { return n_heads * v_dim(); }
  bool own_kv() const { return kv_from < 0; }
  /// Gates of a row, and how many of them come from a matrix of their own.
  int gates() const {
    return output_gate == OutputGate::none ? 0 : output_gate == OutputGate::head ? n_heads : out_cols();
  }
  int gate_rows() const { return output_gate == OutputGate::in_queries ? 0 : gates(); }
  /// Rows of wq.
  int q_matrix_rows() const { return output_gate == OutputGate::in_queries ? q_rows() + out_cols() : q_rows(); }
  /// Query heads that share one key/value head.
  int group_size() const { return n_heads / n_kv_heads; }
  bool operator==(const AttentionSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct AttentionWeights {
  Linear q, k, v, out;
  Linear gate;  // [H or H * value_dim, D], or empty
  NormWeights q_norm, k_norm, out_norm;
  Vector sinks;   // [H]
  Vector slopes;  // [H], of alibi: not stored, see attention_derive
};

/// Shape of the weights of a norm of `heads` heads of d dimensions.
inline Shape qk_norm_shape(const AttentionSpec& spec, int heads) {
  if (spec.qk_norm_over == QkNormOver::head) return Shape{spec.head_dim};
  if (spec.qk_norm_over == QkNormOver::each_head) return Shape{heads, spec.head_dim};
  return Shape{std::int64_t{heads} * spec.head_dim};
}

inline void attention_tensors(const AttentionSpec& spec, int width, AttentionWeights& w, const TensorList& list) {
  list.matrix(TensorRole::attn_q, w.q, spec.q_matrix_rows(), width, spec.qkv_bias);
  if (spec.own_kv()) list.matrix(TensorRole::attn_k, w.k, spec.k_rows(), width, spec.qkv_bias);
  if (spec.own_kv() && !spec.values_are_keys) list.matrix(TensorRole::attn_v, w.v, spec.v_rows(), width, spec.qkv_bias);
  if (spec.qk_norm_over != QkNormOver::none) {
    norm_tensors(spec.qk_norm, TensorRole::attn_q_norm, qk_norm_shape(spec, spec.n_heads), w.q_norm, list);
    if (spec.own_kv())
      norm_tensors(spec.qk_norm, TensorRole::attn_k_norm, qk_norm_shape(spec, spec.n_kv_heads), w.k_norm, list);
  }
  if (spec.sinks) list.vector(TensorRole::attn_sinks, w.sinks, Shape{spec.n_heads});
  if (spec.gate_rows() > 0) list.matrix(TensorRole::attn_gate, w.gate, spec.gate_rows(), width);
  if (spec.out_norm) norm_tensors(*spec.out_norm, TensorRole::attn_out_norm, Shape{spec.out_cols()}, w.out_norm, list);
  list.matrix(TensorRole::attn_out, w.out, width, spec.out_cols(), spec.out_bias);
}

/// Fills in what follows from the spec alone.
inline void attention_derive(const AttentionSpec& spec, AttentionWeights& w) {
  if (spec.alibi_max_bias <= 0) return;
  w.slopes.resize(static_cast<std::size_t>(spec.n_heads));
  ops::alibi_slopes(spec.n_heads, spec.alibi_max_bias, w.slopes.data());
}

// -- state ------------------------------------------------------------------------------------------------------------

/// The keys and values that the layer reads: of every position that later rows can see.
inline KvState attention_reads(const AttentionSpec& spec) {
  return {spec.n_kv_heads, spec.head_dim, spec.v_dim(), spec.chunk > 0 ? spec.chunk : spec.window};
}
/// A key and a value of every position that later rows can see; nothing where another layer remembers them.
inline LayerState attention_state(const AttentionSpec& spec) {
  if (!spec.own_kv()) return {};
  return attention_reads(spec);
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Clipping, norms and rotation of heads, and the new keys and values going to the cache.
inline void rotate_and_store_work(const AttentionSpec& spec, int rope_dims, WorkWriter& writer) {
  OpWork& work = writer.add(Op::rope);
  const double rows = writer.rows(), heads = spec.n_heads + (spec.own_kv() ? spec.n_kv_heads : 0);
  const double turned = rows * heads * spec.head_dim, values = spec.own_kv() ? rows * spec.v_rows() : 0;
  if (spec.clip > 0) work.operations.f32 += (turned + values) * ElementCost::kClip;
  if (spec.qk_norm_over != QkNormOver::none) {
    work.operations.f32 += turned * norm_cost(spec.qk_norm);
    for (const int n : {spec.n_heads, spec.own_kv() ? spec.n_kv_heads : 0})
      if (n > 0)
        work.bytes.weight_payload += norm_bytes(spec.qk_norm, static_cast<double>(qk_norm_shape(spec, n).elements()));
  }
  if (spec.value_norm) work.operations.f32 += values * ElementCost::kRmsNorm;
  if (spec.rope >= 0) work.operations.f32 += rows * heads * rope_dims * ElementCost::kRope;
  if (spec.temperature.scale != 0) work.operations.f32 += rows * spec.q_rows() * ElementCost::kAdd;
  if (spec.value_scale != 1.0f) work.operations.f32 += values * ElementCost::kAdd;
  if (spec.own_kv()) work.bytes.kv_write = rows * bytes_per_position(attention_reads(spec), writer.pass().kv);
  work.bytes.activation_read = (turned + values) * WorkWriter::kFloat;
  work.bytes.activation_write = rows * spec.q_rows() * WorkWriter::kFloat;
}

/// Whether scores and values are computed by bf16 dots (ops/attention.hpp).
inline bool attends_by_bf16(const AttentionSpec& spec, int width, const WorkWriter& writer) {
  const PassOptions& pass = writer.pass();
  if (!pass.bf16_dot || pass.exact || pass.kv == DType::f32 || spec.head_dim % 2 != 0) return false;
  const DType type = writer.type_of(TensorRole::attn_q, spec.q_matrix_rows(), width);
  return writer.quantizes(type) || type == DType::bf16;
}

/// Scores, softmax and weighted values.
inline void attend_work(const AttentionSpec& spec, int width, WorkWriter& writer) {
  OpWork& work = writer.add(Op::attention);
  const PassOptions& pass = writer.pass();
  const auto sequences = static_cast<double>(pass.sequences);
  const bool chunks = spec.chunk > 0;
  const double pairs =
      (chunks ? chunk_positions_scored(spec.chunk, pass) : positions_scored(spec.window, pass, spec.causal)) *
      sequences;
  const double scored = pairs * spec.n_heads;
  work.attention = {pass.kv,
                    static_cast<double>(spec.head_dim),
                    static_cast<double>(spec.n_kv_heads),
                    static_cast<double>(spec.group_size()),
                    static_cast<double>(pass.tokens),
                    pairs};
  const bool by_bf16 = attends_by_bf16(spec, width, writer);
  (by_bf16 ? work.operations.bf16 : work.operations.f32) = scored * 2 * (spec.head_dim + spec.v_dim());
  work.operations.f32 += scored * ElementCost::kSoftmax;
  if (spec.softcap > 0) work.operations.f32 += scored * ElementCost::kSoftcap;
  if (spec.alibi_max_bias > 0) work.operations.f32 += scored * ElementCost::kAlibi;
  if (spec.sinks) work.bytes.weight_payload = spec.n_heads * WorkWriter::kFloat;
  const double read =
      (chunks ? chunk_positions_read(spec.chunk, pass) : positions_read(spec.window, pass, spec.causal)) * sequences;
  work.bytes.kv_read = read * bytes_per_position(attention_reads(spec), pass.kv);
  if (pass.kv != DType::f32) work.operations.unpack = read * (spec.k_rows() + spec.v_rows());
  work.bytes.activation_read = writer.rows() * spec.q_rows() * WorkWriter::kFloat;
  work.bytes.activation_write = writer.rows() * spec.out_cols() * WorkWriter::kFloat;
}

/// The gates on the heads' sums: their projection and sigmoids, then the products.
inline void output_gate_work(const AttentionSpec& spec, int width, WorkWriter& writer) {
  if (spec.output_gate == OutputGate::none) return;
  const double rows = writer.rows(), gates = rows * spec.gates(), gated = rows * spec.out_cols();
  if (spec.gate_rows() > 0) writer.matmul(Op::q, TensorRole::attn_gate, spec.gate_rows(), width, rows);
  writer.add(Op::q).operations.f32 = gates * ElementCost::kPlain;
  OpWork& work = writer.add(Op::attn_out);
  work.operations.f32 = gated * ElementCost::kAdd;
  work.bytes.activation_read = (gates + gated) * WorkWriter::kFloat;
  work.bytes.activation_write = gated * WorkWriter::kFloat;
}

/// Barriers between the phases of attention_run.hpp.
inline constexpr int kAttentionBarriers = 3;

inline void attention_work(const AttentionSpec& spec, int width, int rope_dims, WorkWriter& writer) {
  const double rows = writer.rows();
  writer.quantize_for(TensorRole::attn_q, spec.q_matrix_rows(), width, rows);
  writer.matmul(Op::q, TensorRole::attn_q, spec.q_matrix_rows(), width, rows, 1, spec.qkv_bias);
  if (spec.own_kv()) writer.matmul(Op::k, TensorRole::attn_k, spec.k_rows(), width, rows, 1, spec.qkv_bias);
  if (spec.own_kv() && !spec.values_are_keys)
    writer.matmul(Op::v, TensorRole::attn_v, spec.v_rows(), width, rows, 1, spec.qkv_bias);
  rotate_and_store_work(spec, rope_dims, writer);
  attend_work(spec, width, writer);
  output_gate_work(spec, width, writer);
  if (spec.out_norm) norm_work(*spec.out_norm, Op::attn_norm, rows, spec.out_cols(), writer);
  writer.meet(kAttentionBarriers);
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::attn_out, width, spec.out_cols(), rows);
  writer.matmul(Op::attn_out, TensorRole::attn_out, width, spec.out_cols(), rows, 1, spec.out_bias);
}

// -- run (attention_run.hpp) ------------------------------------------------------------------------------------------

/// What ops::attention needs to know of the layer.
inline ops::AttentionShape attention_shape(const AttentionSpec& spec) {
  ops::AttentionShape shape;
  shape.n_heads = spec.n_heads;
  shape.n_kv_heads = spec.n_kv_heads;
  shape.k_dim = spec.head_dim;
  shape.v_dim = spec.v_dim();
  shape.scale = spec.scale > 0 ? spec.scale : 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  shape.softcap = spec.softcap;
  shape.window = spec.window;
  shape.chunk = spec.chunk;
  shape.causal = spec.causal;
  return shape;
}

/// Memory of a pass.
inline void attention_scratch(const AttentionSpec& spec, ScratchSizes& sizes) {
  sizes.q = std::max(sizes.q, spec.q_rows());
  sizes.k = std::max(sizes.k, spec.k_rows());
  sizes.v = std::max(sizes.v, spec.v_rows());
  sizes.heads = std::max(sizes.heads, spec.out_cols());
  sizes.gates = std::max(sizes.gates, spec.gates());
  if (spec.output_gate == OutputGate::in_queries) sizes.mixed = std::max(sizes.mixed, spec.q_matrix_rows());
  if (spec.gates() > 0 || spec.out_norm) sizes.finished = std::max(sizes.finished, spec.out_cols());
  sizes.attention.push_back(attention_shape(spec));
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for a specification that describes no attention. `ropes`: tables of the model.
inline void attention_check(const AttentionSpec& spec, int ropes, const SpecChecker& check) {
  check.in_range("n_heads", spec.n_heads, 1, SpecLimits::kHeads);
  check.in_range("n_kv_heads", spec.n_kv_heads, 1, SpecLimits::kHeads);
  check.in_range("head_dim", spec.head_dim, 1, SpecLimits::kHeadDim);
  check.in_range("value_dim", spec.value_dim, 0, SpecLimits::kHeadDim);
  check.divides("n_kv_heads", spec.n_kv_heads, "n_heads", spec.n_heads);
  check.in_range("rope", spec.rope, -1, ropes - 1);
  check.in_range("window", spec.window, 0, SpecLimits::kContext);
  if (spec.output_gate == OutputGate::in_queries && spec.v_dim() != spec.head_dim)
    check.fail(ErrorCode::bad_value, "value_dim is " + std::to_string(spec.v_dim()) +
                                         ", expected head_dim where queries and gates share a matrix");
  check.in_range("chunk", spec.chunk, 0, SpecLimits::kContext);
  if (spec.chunk > 0 && spec.window > 0)
    check.fail(ErrorCode::bad_value, "window is " + std::to_string(spec.window) + ", expected 0 in a layer of chunks");
  check.finite("temperature.scale", spec.temperature.scale, false);
  check.in_range("temperature.floor", spec.temperature.floor, 1, SpecLimits::kContext);
  check.in_range("temperature.offset", spec.temperature.offset, 0, SpecLimits::kContext);
  check.finite("value_scale", spec.value_scale, true);
  if (spec.out_norm) norm_check(*spec.out_norm, "attention.out_norm", check);
  check.finite("alibi_max_bias", spec.alibi_max_bias, false);
  check.finite("clip", spec.clip, false);
  check.finite("softcap", spec.softcap, false);
  check.finite("scale", spec.scale, false);
  if (spec.qk_norm_over != QkNormOver::none) norm_check(spec.qk_norm, "qk_norm", check);
  if (spec.value_norm) check.finite("value_norm_eps", spec.value_norm_eps, true);
  check.in_range("kv_from", spec.kv_from, -1, SpecLimits::kLayers);
  if (spec.values_are_keys && spec.v_dim() != spec.head_dim)
    check.fail(ErrorCode::bad_value, "values are " + std::to_string(spec.v_dim()) + " dimensions of keys of " +
                                         std::to_string(spec.head_dim) + ", expected as many");
}

/// What must hold between a layer and the one whose keys and values it reads; `source` is null where that is no
/// earlier layer with attention. @throws Error{bad_value}.
inline void attention_source_check(const AttentionSpec& spec, const AttentionSpec* source, const SpecChecker& check) {
  if (spec.own_kv()) return;
  const std::string what = "keys and values of layer " + std::to_string(spec.kv_from);
  if (!source || !source->own_kv())
    check.fail(ErrorCode::bad_value, what + " are read, expected an earlier layer with some of its own");
  if (spec.n_kv_heads != source->n_kv_heads || spec.head_dim != source->head_dim || spec.v_dim() != source->v_dim())
    check.fail(ErrorCode::bad_value, what + " are " + std::to_string(source->n_kv_heads) + " heads of " +
                                         std::to_string(source->head_dim) + " and " + std::to_string(source->v_dim()) +
                                         ", expected " + std::to_string(spec.n_kv_heads) + " of " +
                                         std::to_string(spec.head_dim) + " and " + std::to_string(spec.v_dim()));
  if (source->window > 0 && (spec.window == 0 || spec.window > source->window))
    check.fail(ErrorCode::bad_value, what + " reach back " + std::to_string(source->window) +
                                         " positions, expected as many as this layer sees");
}

/// The above is run over f32, f16 and int8 caches.
inline Refusal attention_refuses(const AttentionSpec& spec) {
  if (!spec.causal && spec.alibi_max_bias > 0)
    return "position biases (ALiBi) of attention that sees later positions; supported: of causal attention";
  return {};
}

}  // namespace plumb
