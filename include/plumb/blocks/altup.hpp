#pragma once
/// @file
/// Alternating updates (Baykal et al. 2023, AltUp): S streams in place of one, of which layers run on one alone; the
/// others follow by prediction and correction with coefficients that depend on the row. With x[j] the streams, a the
/// one that layers run on, D the width:
///
///     x[0] = embedding,  x[j] = spread[j-1] x[0], as long as x[0]                          before the layers
///     m(v) = tanh(router norm(v) / D)                                                      [S]
///     p[j] = x[j] + sum_i (predict m(x[a]))[j, i] x[i]                                     before a layer
///     y    = layer(p[a])
///     x[j] = p[j] + (1 + (correct m(y))[j]) (y - p[a])                                     after it
///     x[j] += what the per-layer embedding's branch makes of scale * x[a], for all j > 0   then
///     head reads  (x[0] + sum_j (merge[j-1] x[j], as long as x[0])) / S                    after the layers
///
/// How it is run: altup_run.hpp.

#include <cmath>

#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/scratch_sizes.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct AltupSpec {
  int streams = 0;     ///< S: 2 (S - 1) * D * D parameters, and a layer (S + 2) * D + S * S * (S + 1)
  int active = 0;      ///< a
  NormSpec norm = {};  ///< of what the coefficients are computed from

  bool operator==(const AltupSpec&) const = default;
};

/// Most streams.
inline constexpr int kMaxStreams = 16;

// -- tensors ----------------------------------------------------------------------------------------------------------

struct AltupWeights {
  Linear spread, merge;  // S - 1 matrices [D, D]
};
/// Of one layer.
struct AltupLayerWeights {
  NormWeights norm;  // [D]
  Vector router;     // [S, D]
  Vector predict;    // [S * S, S]
  Vector correct;    // [S, S]
  Vector scale;      // [D]
};

inline void altup_spread_tensors(const AltupSpec& spec, int width, AltupWeights& w, const TensorList& list) {
  list.stack(TensorRole::altup_spread, w.spread, spec.streams - 1, width, width);
}
inline void altup_merge_tensors(const AltupSpec& spec, int width, AltupWeights& w, const TensorList& list) {
  list.stack(TensorRole::altup_merge, w.merge, spec.streams - 1, width, width);
}
inline void altup_layer_tensors(const AltupSpec& spec, int width, AltupLayerWeights& w, const TensorList& list) {
  const std::int64_t s = spec.streams;
  norm_tensors(spec.norm, TensorRole::altup_router_norm, Shape{width}, w.norm, list);
  list.vector(TensorRole::altup_router, w.router, Shape{s, width});
  list.vector(TensorRole::altup_predict, w.predict, Shape{s * s, s});
  list.vector(TensorRole::altup_correct, w.correct, Shape{s, s});
  list.vector(TensorRole::altup_scale, w.scale, Shape{width});
}

// -- state: none ------------------------------------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per element of a vector that is made as long as another: its square and a sum, the other's, a scale.
inline constexpr double kAltupLength = 5;

/// The streams at the beginning of a pass.
inline void altup_spread_work(const AltupSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows(), others = spec.streams - 1, values = rows * width;
  writer.meet_prepared(rows);
  writer.meet(2);
  writer.quantize_for(TensorRole::altup_spread, width, width, rows);
  writer.matmul(Op::altup, TensorRole::altup_spread, width, width, rows, others);
  OpWork& work = writer.add(Op::altup);
  work.operations.f32 = others * values * kAltupLength;
  work.bytes.activation_read = (1 + others) * values * WorkWriter::kFloat;
  work.bytes.activation_write = spec.streams * values * WorkWriter::kFloat;
}

/// Scores of the streams and the coefficients from them: `coefficients` of each row.
inline void altup_scores_work(const AltupSpec& spec, int width, double coefficients, WorkWriter& writer) {
  const double rows = writer.rows(), s = spec.streams;
  norm_work(spec.norm, Op::attn_norm, rows, width, writer);
  OpWork& work = writer.add(Op::altup);
  work.operations.f32 = rows * s * (2.0 * width + 2) + rows * coefficients * 2 * s;  // tanh and its scale: 2
  work.bytes.weight_payload = (s * width + coefficients * s) * WorkWriter::kFloat;
  work.bytes.activation_read = rows * width * WorkWriter::kFloat;
}

/// Prediction before a layer and correction after it.
inline void altup_layer_work(const AltupSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows(), s = spec.streams, values = rows * width;
  writer.meet(2);
  altup_scores_work(spec, width, s * s, writer);
  OpWork& predict = writer.add(Op::altup);
  predict.operations.f32 = values * 2 * s * s;
  predict.bytes.activation_read = values * s * WorkWriter::kFloat;
  predict.bytes.activation_write = values * (s + 1) * WorkWriter::kFloat;
  altup_scores_work(spec, width, s, writer);
  OpWork& correct = writer.add(Op::altup);
  correct.operations.f32 = values * 3 * s + rows * s;
  correct.bytes.activation_read = values * (s + 1) * WorkWriter::kFloat;
  correct.bytes.activation_write = values * s * WorkWriter::kFloat;
  OpWork& scale = writer.add(Op::altup);  // the input of the per-layer embedding's gate
  scale.operations.f32 = values;
  scale.bytes.weight_payload = width * WorkWriter::kFloat;
  scale.bytes.activation_read = scale.bytes.activation_write = values * WorkWriter::kFloat;
}

/// The streams at the end, of `asked` rows.
inline void altup_merge_work(const AltupSpec& spec, int width, double asked, WorkWriter& writer) {
  const double others = spec.streams - 1, values = asked * width;
  for (int j = 1; j < spec.streams; ++j) writer.meet_prepared(asked);
  writer.meet(2 * (spec.streams - 1));
  writer.quantize_for(TensorRole::altup_merge, width, width, asked * others);
  writer.matmul(Op::altup, TensorRole::altup_merge, width, width, asked, others);
  OpWork& work = writer.add(Op::altup);
  work.operations.f32 = others * values * (kAltupLength + 1) + values;
  work.bytes.activation_read = (1 + others) * values * WorkWriter::kFloat;
  work.bytes.activation_write = values * WorkWriter::kFloat;
}

// -- run (altup_run.hpp) ----------------------------------------------------------------------------------------------

inline void altup_scratch(const AltupSpec& spec, ScratchSizes& sizes) {
  sizes.streams = spec.streams;
  sizes.branches = std::max(sizes.branches, 1);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

inline void altup_check(const AltupSpec& spec, const SpecChecker& check) {
  check.in_range("altup.streams", spec.streams, 2, kMaxStreams);
  check.in_range("altup.active", spec.active, 0, spec.streams - 1);
  norm_check(spec.norm, "altup.norm", check);
}

}  // namespace plumb
