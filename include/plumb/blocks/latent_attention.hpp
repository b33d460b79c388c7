#pragma once
/// @file
/// Multi-head latent attention (DeepSeek-AI 2024), with H heads. Keys and values of all heads are made of one vector of
/// r + t elements a position, which is all that is kept. With x the normed row:
///
///     c         = norm(Wc x)                                 [q_rank], or c = x
///     q[h], u[h] = Wq c                                      [nope], [t] of each head
///     k, v      = (norm(l), rope(m)), norm(l)  of  l, m = Wl x      [r + t], [r]; kept, the same for all heads
///     s[h, p]   = scale * (Wk[h] q[h], rope(u[h])) . k[p]    Wk [r, nope] of each head
///     y         = Wo (Wv[h] sum_p softmax_p(s[h]) v[p])      Wv [v_dims, r] of each head
///
/// This is the absorbed form: Wk acts on queries and Wv on weighted values rather than on every kept position. It is
/// the only one. The other, which expands keys and values of every head, multiplies (nope + t + v_dims) / (2 r + t) of
/// it per score, 0.29 in the published models, but r (nope + v_dims) more per head and position in every pass; for a
/// prompt read at once it needs fewer operations from 340 tokens on, for a token of a long context 100 times as many.
/// Its sums round differently, so that a row would depend on the batch in which it is read.
///
/// A row may attend to a choice of positions only: indexer.hpp. How it is run: latent_attention_run.hpp.

#include <cmath>
#include <cstdint>

#include "plumb/blocks/indexer.hpp"
#include "plumb/ops/attention_plan.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct LatentAttentionSpec {
  int n_heads = 0;         ///< H
  int q_rank = 0;          ///< rank of the query compression; 0 = full matrix
  int kv_rank = 0;         ///< r, rank of the key/value compression
  int rope_dims = 0;       ///< t, uncompressed key dimensions shared by all heads, rotated if there is a rotation
  int nope_dims = 0;       ///< other query/key dimensions per head
  int v_dims = 0;          ///< value dimensions per head
  bool out_bias = false;   ///< D parameters
  NormSpec norm = {};      ///< of the compressed vectors
  int rope = 0;            ///< index into ModelSpec::ropes; -1: no rotation
  float scale = 0.0f;      ///< multiplies q.k; 0: 1 / sqrt(nope_dims + rope_dims)
  bool down_bias = false;  ///< of both compressions: q_rank + r + t parameters
  IndexerSpec indexer = {};

  int head_dim() const { return nope_dims + rope_dims; }
  int q_rows() const { return n_heads * head_dim(); }
  int latent() const { return kv_rank + rope_dims; }
  int out_cols() const { return n_heads * v_dims; }
  bool operator==(const LatentAttentionSpec&) const = default;
};

/// Groups of heads that workers share out among themselves, though all heads read the same vectors: of 8 to 32 heads
/// where their number divides so.
inline int latent_groups(int n_heads) {
  for (int size = std::min(n_heads, 32); size >= 8; --size)
    if (n_heads % size == 0) return n_heads / size;
  return 1;
}

// -- tensors ----------------------------------------------------------------------------------------------------------

struct LatentAttentionWeights {
  Linear q_down, q_up, kv_down, out;
  Linear k_up, v_up;  // of each head a matrix: [r, nope] and [v_dims, r]
  NormWeights q_norm, kv_norm;
  IndexerWeights indexer;
};

/// What the matrix that makes queries is called in files: like that of other attention where it is the only one.
constexpr TensorRole latent_query_role(const LatentAttentionSpec& spec) {
  return spec.q_rank > 0 ? TensorRole::mla_q_up : TensorRole::attn_q;
}

inline void latent_attention_tensors(const LatentAttentionSpec& spec, int width, LatentAttentionWeights& w,
                                     const TensorList& list) {
  const int q_cols = spec.q_rank > 0 ? spec.q_rank : width;
  if (spec.q_rank > 0) {
    list.matrix(TensorRole::mla_q_down, w.q_down, spec.q_rank, width, spec.down_bias);
    norm_tensors(spec.norm, TensorRole::mla_q_norm, Shape{spec.q_rank}, w.q_norm, list);
  }
  list.matrix(latent_query_role(spec), w.q_up, spec.q_rows(), q_cols);
  list.matrix(TensorRole::mla_kv_down, w.kv_down, spec.latent(), width, spec.down_bias);
  norm_tensors(spec.norm, TensorRole::mla_kv_norm, Shape{spec.kv_rank}, w.kv_norm, list);
  if (spec.indexer.exists()) indexer_tensors(spec.indexer, width, q_cols, w.indexer, list);
  list.stack(TensorRole::mla_k_up, w.k_up, spec.n_heads, spec.kv_rank, spec.nope_dims);
  list.stack(TensorRole::mla_v_up, w.v_up, spec.n_heads, spec.v_dims, spec.kv_rank);
  list.matrix(TensorRole::attn_out, w.out, width, spec.out_cols(), spec.out_bias);
}

// -- state ------------------------------------------------------------------------------------------------------------

/// One vector a position, and the key of an indexer.
inline LatentState latent_attention_state(const LatentAttentionSpec& spec) {
  return {spec.kv_rank, spec.rope_dims, spec.indexer.exists() ? spec.indexer.dims : 0};
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Scores, softmax and weighted values.
inline void attend_latent_work(const LatentAttentionSpec& spec, WorkWriter& writer) {
  const PassOptions& pass = writer.pass();
  const auto sequences = static_cast<double>(pass.sequences);
  const double rows = writer.rows(), heads = spec.n_heads, groups = latent_groups(spec.n_heads);
  const int most = spec.indexer.exists() ? spec.indexer.top : 0;
  const double pairs = positions_scored(most, pass) * sequences, scored = pairs * heads;
  const double read = (most > 0 ? positions_chosen(spec.indexer, pass) : positions_read(0, pass)) * sequences;
  OpWork& work = writer.add(Op::attention);
  work.attention = {pass.kv,        (spec.latent() + spec.kv_rank) / 2.0, groups,
                    heads / groups, static_cast<double>(pass.tokens),     pairs};
  work.operations.f32 = scored * (2.0 * (spec.latent() + spec.kv_rank) + ElementCost::kSoftmax);
  work.bytes.kv_read = read * bytes_per_position(LatentState{spec.kv_rank, spec.rope_dims, 0}, pass.kv);
  if (pass.kv != DType::f32) work.operations.unpack = read * groups * spec.latent();
  work.bytes.activation_read = rows * heads * spec.latent() * WorkWriter::kFloat;
  work.bytes.activation_write = rows * heads * spec.kv_rank * WorkWriter::kFloat;
}

/// Barriers between the phases of latent_attention_run.hpp, and one more where queries are compressed.
inline constexpr int kLatentAttentionBarriers = 4;

/// `rope_dims`: rotated dimensions of a head; `index_dims`: of an indexer's head.
inline void latent_attention_work(const LatentAttentionSpec& spec, int width, int rope_dims, int index_dims,
                                  WorkWriter& writer) {
  constexpr double kFloat = WorkWriter::kFloat;
  const double rows = writer.rows(), heads = spec.n_heads;
  const int q_cols = spec.q_rank > 0 ? spec.q_rank : width;
  const TensorRole query = latent_query_role(spec);
  writer.meet(kLatentAttentionBarriers);
  writer.quantize_for(TensorRole::mla_kv_down, spec.latent(), width, rows);
  if (spec.q_rank > 0) {
    writer.matmul(Op::q, TensorRole::mla_q_down, spec.q_rank, width, rows, 1, spec.down_bias);
    norm_work(spec.norm, Op::attn_norm, rows, spec.q_rank, writer);
    writer.meet(1);
    writer.meet_prepared(rows);
    writer.quantize_for(query, spec.q_rows(), spec.q_rank, rows);
  }
  writer.matmul(Op::q, query, spec.q_rows(), q_cols, rows);
  writer.matmul(Op::k, TensorRole::mla_kv_down, spec.latent(), width, rows, 1, spec.down_bias);
  norm_work(spec.norm, Op::attn_norm, rows, spec.kv_rank, writer);
  if (spec.indexer.exists()) indexer_projections_work(spec.indexer, width, q_cols, index_dims, writer);

  OpWork& rope = writer.add(Op::rope);
  if (spec.rope >= 0) rope.operations.f32 = rows * (heads + 1) * rope_dims * ElementCost::kRope;
  const LatentState latent{spec.kv_rank, spec.rope_dims, 0};
  rope.bytes.kv_write = rows * bytes_per_position(latent, writer.pass().kv);
  rope.bytes.activation_read = rows * (heads * spec.rope_dims + spec.latent()) * kFloat;
  rope.bytes.activation_write = rows * heads * spec.rope_dims * kFloat;

  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::mla_k_up, spec.kv_rank, spec.nope_dims, rows * heads);
  writer.matmul(Op::q, TensorRole::mla_k_up, spec.kv_rank, spec.nope_dims, rows, heads);
  if (spec.indexer.exists()) indexer_choice_work(spec.indexer, writer);
  attend_latent_work(spec, writer);
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::mla_v_up, spec.v_dims, spec.kv_rank, rows * heads);
  writer.matmul(Op::v, TensorRole::mla_v_up, spec.v_dims, spec.kv_rank, rows, heads);
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::attn_out, width, spec.out_cols(), rows);
  writer.matmul(Op::attn_out, TensorRole::attn_out, width, spec.out_cols(), rows, 1, spec.out_bias);
}

// -- run (latent_attention_run.hpp) -----------------------------------------------------------------------------------

/// What ops::attention needs to know of the layer.
inline ops::AttentionShape latent_attention_shape(const LatentAttentionSpec& spec) {
  ops::AttentionShape shape;
  shape.n_heads = spec.n_heads;
  shape.n_kv_heads = latent_groups(spec.n_heads);
  shape.k_dim = spec.latent();
  shape.v_dim = spec.kv_rank;
  shape.scale = spec.scale > 0 ? spec.scale : 1.0f / std::sqrt(static_cast<float>(spec.head_dim()));
  shape.latent = true;
  if (spec.indexer.exists()) shape.chosen = spec.indexer.top;
  return shape;
}

inline void latent_attention_scratch(const LatentAttentionSpec& spec, ScratchSizes& sizes) {
  sizes.q = std::max(sizes.q, spec.q_rows());
  sizes.heads = std::max(sizes.heads, spec.out_cols());
  LatentSizes& own = sizes.latent;
  own.heads = std::max(own.heads, spec.n_heads);
  own.compressed = std::max(own.compressed, spec.q_rank);
  own.latent = std::max(own.latent, spec.latent());
  own.absorbed = std::max(own.absorbed, std::int64_t{spec.n_heads} * spec.latent());
  own.weighted = std::max(own.weighted, std::int64_t{spec.n_heads} * spec.kv_rank);
  own.head_inputs = std::max({own.head_inputs, spec.nope_dims, spec.kv_rank});
  sizes.attention.push_back(latent_attention_shape(spec));
  if (spec.indexer.exists()) indexer_scratch(spec.indexer, sizes);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value} for a specification that describes no attention. `ropes`: tables of the model.
inline void latent_attention_check(const LatentAttentionSpec& spec, int ropes, const SpecChecker& check) {
  check.in_range("n_heads", spec.n_heads, 1, SpecLimits::kHeads);
  check.in_range("mla.kv_rank", spec.kv_rank, 1, SpecLimits::kWidth);
  check.in_range("mla.q_rank", spec.q_rank, 0, SpecLimits::kWidth);
  check.in_range("mla.rope_dims", spec.rope_dims, 0, SpecLimits::kHeadDim);
  check.in_range("mla.nope_dims", spec.nope_dims, 1, SpecLimits::kHeadDim);
  check.in_range("mla.v_dims", spec.v_dims, 1, SpecLimits::kHeadDim);
  check.in_range("rope", spec.rope, -1, ropes - 1);
  check.finite("scale", spec.scale, false);
  norm_check(spec.norm, "mla.norm", check);
  if (spec.rope_dims % 2 != 0)
    check.fail(ErrorCode::bad_value,
               "mla.rope_dims is " + std::to_string(spec.rope_dims) + ", expected an even number");
  if (spec.indexer == IndexerSpec{}) return;
  indexer_check(spec.indexer, ropes, check);
  if (spec.q_rank == 0)
    check.fail(ErrorCode::bad_value, "an indexer and no compressed queries, expected mla.q_rank above zero");
}

/// All of the above is run, over f32, f16 and int8 caches.
inline Refusal latent_attention_refuses(const LatentAttentionSpec&) { return {}; }

}  // namespace plumb
