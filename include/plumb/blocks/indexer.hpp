#pragma once
/// @file
/// An indexer: small heads that choose the positions to which a row attends (DeepSeek-AI 2025, "lightning indexer").
/// With x the normed row and c its compressed query:
///
///     q[h], w[h] = rope(Wq c), Ww x                          h small heads of d dimensions
///     k          = rope(norm(Wk x))                          [d], kept for every position
///     s[p]       = sum_h w[h] max(0, q[h] . k[p])
///
/// A row that sees more positions than `top` attends to the `top` of them with the largest s, of equal ones the
/// earliest; others attend to all, and nothing is scored for them. A common scale of s changes no choice and is left
/// out. How it is run: indexer_run.hpp.

#include <algorithm>
#include <cmath>
#include <string>

#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/scratch_sizes.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct IndexerSpec {
  int heads = 0;  ///< h; 0: no indexer
  int dims = 0;   ///< d
  int top = 0;    ///< positions that a row attends to at most
  int rope = -1;  ///< index into ModelSpec::ropes, of the first dimensions of q and k; -1: no rotation
  NormSpec norm = {.kind = NormKind::layer, .weight = true, .bias = true, .eps = 1e-6f};  ///< of the keys

  bool exists() const { return heads > 0; }
  int q_rows() const { return heads * dims; }
  bool operator==(const IndexerSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct IndexerWeights {
  Linear q, k, weights;
  NormWeights k_norm;
};

/// `q_cols`: width of the compressed query.
inline void indexer_tensors(const IndexerSpec& spec, int width, int q_cols, IndexerWeights& w, const TensorList& list) {
  list.matrix(TensorRole::indexer_q, w.q, spec.q_rows(), q_cols);
  list.matrix(TensorRole::indexer_k, w.k, spec.dims, width);
  norm_tensors(spec.norm, TensorRole::indexer_k_norm, Shape{spec.dims}, w.k_norm, list);
  list.matrix(TensorRole::indexer_weights, w.weights, spec.heads, width);
}

// -- state: a key a position, see LatentState -------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Rows, per sequence, that see more than `top` positions, and the (row, position) pairs of these.
struct IndexedRows {
  double rows = 0, pairs = 0;
};
inline IndexedRows indexed_rows(const IndexerSpec& spec, const PassOptions& pass) {
  const double n = static_cast<double>(pass.tokens);
  const double free = std::clamp<double>(spec.top - static_cast<double>(pass.position), 0, n);
  PassOptions before = pass;
  before.tokens = static_cast<std::int64_t>(free);
  return {n - free, positions_scored(0, pass) - positions_scored(0, before)};
}

/// Distinct positions that rows with such an indexer attend to, per sequence. Exact for one row and for rows that see
/// all; else the expectation when every choice is equally likely and rows choose independently.
inline double positions_chosen(const IndexerSpec& spec, const PassOptions& pass) {
  const double end = positions_read(0, pass);
  if (end <= spec.top) return end;
  return end * (1 - std::pow(1 - spec.top / end, static_cast<double>(pass.tokens)));
}

/// Products, norm and rotation; the input is prepared. `rope_dims`: rotated dimensions of a head.
inline void indexer_projections_work(const IndexerSpec& spec, int width, int q_cols, int rope_dims,
                                     WorkWriter& writer) {
  const double rows = writer.rows();
  writer.quantize(DType::f32, rows, width);  // for the weights of heads
  writer.matmul(Op::q, TensorRole::indexer_q, spec.q_rows(), q_cols, rows);
  writer.matmul(Op::k, TensorRole::indexer_k, spec.dims, width, rows);
  writer.matmul(Op::router, TensorRole::indexer_weights, spec.heads, width, rows);
  norm_work(spec.norm, Op::attn_norm, rows, spec.dims, writer);
  OpWork& rope = writer.add(Op::rope);
  if (spec.rope >= 0) rope.operations.f32 = rows * (spec.heads + 1) * rope_dims * ElementCost::kRope;
  rope.bytes.kv_write = rows * bytes_per_position(LatentState{0, 0, spec.dims}, writer.pass().kv);
  rope.bytes.activation_read = rows * (spec.q_rows() + spec.dims) * WorkWriter::kFloat;
  rope.bytes.activation_write = rows * spec.q_rows() * WorkWriter::kFloat;
}

/// Scores and choice.
inline void indexer_choice_work(const IndexerSpec& spec, WorkWriter& writer) {
  const PassOptions& pass = writer.pass();
  const auto sequences = static_cast<double>(pass.sequences);
  const IndexedRows indexed = indexed_rows(spec, pass);
  if (indexed.rows == 0) return;
  OpWork& work = writer.add(Op::index);
  const double pairs = indexed.pairs * sequences, read = positions_read(0, pass) * sequences;
  work.operations.f32 = pairs * (spec.heads * (2.0 * spec.dims + ElementCost::kIndex) + ElementCost::kChoose);
  work.bytes.kv_read = read * bytes_per_position(LatentState{0, 0, spec.dims}, pass.kv);
  if (pass.kv != DType::f32) work.operations.unpack = read * spec.dims;
  work.bytes.activation_read = indexed.rows * sequences * (spec.q_rows() + spec.heads) * WorkWriter::kFloat;
  work.bytes.activation_write = pairs * WorkWriter::kFloat;
  writer.meet(2 * static_cast<int>(std::ceil(indexed.rows * sequences / kScoredRows)));
}

// -- run (indexer_run.hpp) --------------------------------------------------------------------------------------------

inline void indexer_scratch(const IndexerSpec& spec, ScratchSizes& sizes) {
  sizes.index.q = std::max(sizes.index.q, spec.q_rows());
  sizes.index.k = std::max(sizes.index.k, spec.dims);
  sizes.index.heads = std::max(sizes.index.heads, spec.heads);
  sizes.index.top = std::max(sizes.index.top, spec.top);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for an indexer that makes no sense.
inline void indexer_check(const IndexerSpec& spec, int ropes, const SpecChecker& check) {
  check.in_range("indexer.heads", spec.heads, 1, SpecLimits::kHeads);
  check.in_range("indexer.dims", spec.dims, 1, SpecLimits::kHeadDim);
  check.in_range("indexer.top", spec.top, 1, SpecLimits::kContext);
  check.in_range("indexer.rope", spec.rope, -1, ropes - 1);
  norm_check(spec.norm, "indexer.norm", check);
}

}  // namespace plumb
