#pragma once
/// @file
/// Multi-head latent attention (DeepSeek-AI 2024): keys and values are kept as one compressed vector per position that
/// all heads share, so that the state is kv_rank + rope_dims values per position. Described and counted, not yet run.

#include "plumb/blocks/layer_state.hpp"
#include "plumb/blocks/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct LatentAttentionSpec {
  int n_heads = 0;    ///< H
  int q_rank = 0;     ///< rank of the query compression; 0 = full matrix
  int kv_rank = 0;    ///< rank of the key/value compression
  int rope_dims = 0;  ///< rotated, uncompressed key dimensions shared by all heads
  int nope_dims = 0;  ///< unrotated query/key dimensions per head
  int v_dims = 0;     ///< value dimensions per head
  bool out_bias = false;
  NormSpec norm = {};  ///< of the compressed vectors
  int rope = 0;        ///< index into ModelSpec::ropes; -1: no rotation
  float scale = 0.0f;  ///< multiplies q.k; 0: 1 / sqrt(nope_dims + rope_dims)

  int q_rows() const { return n_heads * (nope_dims + rope_dims); }
  int latent() const { return kv_rank + rope_dims; }
  int out_cols() const { return n_heads * v_dims; }
  bool operator==(const LatentAttentionSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct LatentAttentionWeights {
  Linear q_down, q_up, kv_down, k_up, v_up, out;
  NormWeights q_norm, kv_norm;
};

template <class Visit>
void latent_attention_tensors(const LatentAttentionSpec& spec, int width, LatentAttentionWeights& w,
                              const TensorList<Visit>& list) {
  if (spec.q_rank > 0) {
    list.matrix(TensorRole::mla_q_down, w.q_down, spec.q_rank, width);
    norm_tensors(spec.norm, TensorRole::mla_q_norm, Shape{spec.q_rank}, w.q_norm, list);
  }
  list.matrix(TensorRole::mla_q_up, w.q_up, spec.q_rows(), spec.q_rank > 0 ? spec.q_rank : width);
  list.matrix(TensorRole::mla_kv_down, w.kv_down, spec.latent(), width);
  norm_tensors(spec.norm, TensorRole::mla_kv_norm, Shape{spec.kv_rank}, w.kv_norm, list);
  list.matrix(TensorRole::mla_k_up, w.k_up, std::int64_t{spec.n_heads} * spec.nope_dims, spec.kv_rank);
  list.matrix(TensorRole::mla_v_up, w.v_up, std::int64_t{spec.n_heads} * spec.v_dims, spec.kv_rank);
  list.matrix(TensorRole::attn_out, w.out, width, spec.out_cols(), spec.out_bias);
}

// -- state ------------------------------------------------------------------------------------------------------------

inline LatentState latent_attention_state(const LatentAttentionSpec& spec) { return {spec.latent()}; }

// -- work -------------------------------------------------------------------------------------------------------------

/// The latent vector serves all heads, so k_up and v_up act on queries and on weighted values rather than on every
/// cached position (the absorbed form).
inline void latent_attention_work(const LatentAttentionSpec& spec, int width, WorkWriter& writer) {
  constexpr double kFloat = WorkWriter::kFloat;
  const PassOptions& pass = writer.pass();
  const double rows = writer.rows(), heads = spec.n_heads;
  const LatentState state{spec.latent()};
  writer.quantize_for(TensorRole::mla_kv_down, spec.latent(), width, rows);
  if (spec.q_rank > 0) {
    writer.matmul(Op::q, TensorRole::mla_q_down, spec.q_rank, width, rows);
    norm_work(spec.norm, Op::attn_norm, rows, spec.q_rank, writer);
    writer.quantize_for(TensorRole::mla_q_up, spec.q_rows(), spec.q_rank, rows);
  }
  writer.matmul(Op::q, TensorRole::mla_q_up, spec.q_rows(), spec.q_rank > 0 ? spec.q_rank : width, rows);
  writer.matmul(Op::k, TensorRole::mla_kv_down, spec.latent(), width, rows);
  norm_work(spec.norm, Op::attn_norm, rows, spec.kv_rank, writer);

  OpWork& rope = writer.add(Op::rope);
  if (spec.rope >= 0) rope.operations.f32 = rows * (heads + 1) * spec.rope_dims * ElementCost::kRope;
  rope.bytes.kv_write = rows * bytes_per_position(state, pass.kv);
  rope.bytes.activation_read = rows * (heads * spec.rope_dims + spec.latent()) * kFloat;
  rope.bytes.activation_write = rows * heads * spec.rope_dims * kFloat;

  writer.matmul(Op::attention, TensorRole::mla_k_up, heads * spec.nope_dims, spec.kv_rank, rows);
  OpWork& attend = writer.add(Op::attention);
  const double scored = positions_scored(0, pass) * static_cast<double>(pass.sequences) * heads;
  attend.operations.f32 = scored * 2.0 * (spec.latent() + spec.kv_rank) + scored * ElementCost::kSoftmax;
  const double read = positions_read(0, pass) * static_cast<double>(pass.sequences);
  attend.bytes.kv_read = read * bytes_per_position(state, pass.kv);
  if (pass.kv != DType::f32) attend.operations.unpack = read * spec.latent();
  attend.bytes.activation_read = rows * heads * spec.latent() * kFloat;
  attend.bytes.activation_write = rows * heads * spec.kv_rank * kFloat;

  writer.matmul(Op::attention, TensorRole::mla_v_up, spec.out_cols(), spec.kv_rank, rows);
  writer.quantize_for(TensorRole::attn_out, width, spec.out_cols(), rows);
  writer.matmul(Op::attn_out, TensorRole::attn_out, width, spec.out_cols(), rows, 1, spec.out_bias);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

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
}

inline Refusal latent_attention_refuses(const LatentAttentionSpec&) {
  return "latent attention (MLA) has no forward pass here; supported: attention with a key and a value per KV head";
}

}  // namespace plumb
