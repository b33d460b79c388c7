#pragma once
/// @file
/// How the ledger is written: the operations of a forward pass in its order, each with what it does and moves. See
/// ledger.hpp for what is asked of it.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "plumb/ops/activations.hpp"
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/pass.hpp"
#include "plumb/perf/work.hpp"

namespace plumb::inline PLUMB_ABI {

/// Operations per element, where the arithmetic is not a product. An exponential or a division counts as one.
struct ElementCost {
  static constexpr double kRmsNorm = 4;    ///< square, add; scale, weight
  static constexpr double kLayerNorm = 7;  ///< add; subtract, square, add; scale, weight, bias
  static constexpr double kRope = 3;       ///< of each rotated element: two multiplies and an add
  static constexpr double kSoftmax = 4;    ///< of each score: scale, subtract the maximum, exponential, add
  static constexpr double kSoftcap = 3;    ///< divide, tanh, multiply
  static constexpr double kGated = 5;      ///< negate, exponential, add, divide; multiply by up
  static constexpr double kPlain = 4;      ///< the same without the gate
  static constexpr double kQuantize = 3;   ///< magnitude, multiply, round
  static constexpr double kAdd = 1;        ///< residual, bias
};

namespace detail {

/// Writes the ledger of one pass, layer by layer, in the order of the forward pass.
class LedgerWriter {
 public:
  LedgerWriter(const ModelConfig& config, const PassOptions& pass) : c_(config), pass_(pass), rows_(pass.rows()) {}

  Ledger write();

 private:
  static constexpr double kFloat = 4;  // bytes of an activation

  OpWork& add(Op op) {
    ledger_.ops.push_back(OpWork{op, layer_, {}, {}, {}});
    return ledger_.ops.back();
  }
  DType type_of(TensorRole role, double rows, double cols) const {
    return pass_.weights.of(
        {role, layer_, false, Shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)}});
  }
  bool quantizes(DType type) const { return dtype_info(type).quantized() && !pass_.exact; }

  void matmul(Op op, TensorRole role, double rows, double cols, double tokens, double count = 1, bool bias = false);
  void norm(Op op, double rows, double width);
  void quantize(DType type, double rows, double cols);
  void quantize_for(TensorRole role, double out, double cols, double rows) {
    quantize(type_of(role, out, cols), rows, cols);
  }
  void embedding();
  void attention_block();
  void mla_projections();
  void rope(double heads_rotated, double dims, double normed_elements);
  void attention();
  bool bf16_attention() const;
  void ffn_block();
  void expert_ffn();
  void dense_ffn(TensorRole gate, TensorRole up, TensorRole down, double inner, double tokens, double count);
  void head();

  const ModelConfig& c_;
  const PassOptions& pass_;
  double rows_;
  int layer_ = -1;
  Ledger ledger_;
};

/// y = W x for `tokens` columns and each of `count` matrices.
inline void LedgerWriter::matmul(Op op, TensorRole role, double rows, double cols, double tokens, double count,
                                 bool bias) {
  OpWork& work = add(op);
  const DType type = type_of(role, rows, cols);
  const double macs = rows * cols * tokens * count;
  const bool bf16_dot = type == DType::bf16 && pass_.bf16_dot && !pass_.exact && op != Op::head;
  work.matrix = {type, rows, cols, tokens, count};
  if (quantizes(type)) {
    work.operations.int8 = 2 * macs;
  } else if (bf16_dot) {
    work.operations.bf16 = 2 * macs;
  } else {
    work.operations.f32 = 2 * macs;
  }
  // Each column tile of a batch that streams packed weights unpacks them anew, in registers; so does every tile that
  // meets float weights.
  const double unpackings = tokens <= ops::kStreamedRows   ? std::ceil(tokens / kDirectCols)
                            : dtype_info(type).quantized() ? 1
                                                           : std::ceil(tokens / kTileCols);
  if (type != DType::f32 && !bf16_dot) work.operations.unpack = rows * cols * count * unpackings;
  work.bytes = weight_traffic(type, rows * count, cols);
  if (bias) {
    work.bytes.weight_payload += rows * count * kFloat;
    work.operations.f32 += rows * tokens * count * ElementCost::kAdd;
  }
  work.bytes.activation_read = tokens * count * cols * kFloat;
  work.bytes.activation_write = tokens * count * rows * kFloat;
}

inline void LedgerWriter::norm(Op op, double rows, double width) {
  OpWork& work = add(op);
  const bool layer_norm = c_.norm == NormKind::layer;
  work.operations.f32 = rows * width * (layer_norm ? ElementCost::kLayerNorm : ElementCost::kRmsNorm);
  if (c_.norm_weight) work.bytes.weight_payload = width * kFloat * (c_.norm_bias ? 2 : 1);
  work.bytes.activation_read = work.bytes.activation_write = rows * width * kFloat;
}

/// Activations into the form that products read: int8 with a scale per 32 values where the weights are quantized, else
/// f32 with the rows of a column tile side by side, which is a copy and no arithmetic.
inline void LedgerWriter::quantize(DType type, double rows, double cols) {
  OpWork& work = add(Op::quantize);
  work.matrix.type = type;  // rows and cols stay 0: no product
  work.bytes.activation_read = rows * cols * kFloat;
  work.bytes.activation_write = rows * cols * kFloat;
  if (!quantizes(type)) return;
  work.operations.f32 = rows * cols * ElementCost::kQuantize;
  work.bytes.activation_write = rows * cols * dtype_info(DType::q8_0).bits_per_weight() / 8;
}

inline void LedgerWriter::embedding() {
  OpWork& work = add(Op::embedding);
  const DType type = type_of(TensorRole::token_embedding, c_.vocab_size, c_.width);
  work.bytes = weight_traffic(type, rows_, c_.width);
  if (type != DType::f32) work.operations.unpack = rows_ * c_.width;
  if (c_.embedding_scale != 1.0f) work.operations.f32 += rows_ * c_.width;
  if (c_.learned_positions) {
    work.bytes.weight_payload += rows_ * c_.width * kFloat;
    work.operations.f32 += rows_ * c_.width * ElementCost::kAdd;
  }
  work.bytes.activation_write = rows_ * c_.width * kFloat;
}

/// Queries and the compressed keys and values. The latent vector serves all heads, so k_up and v_up act on queries and
/// on weighted values rather than on every cached position.
inline void LedgerWriter::mla_projections() {
  const MlaConfig& m = c_.mla;
  const double q_rows = static_cast<double>(c_.n_heads) * (m.nope_dims + m.rope_dims);
  if (m.q_rank > 0) {
    matmul(Op::q, TensorRole::mla_q_down, m.q_rank, c_.width, rows_);
    norm(Op::attn_norm, rows_, m.q_rank);
    quantize_for(TensorRole::mla_q_up, q_rows, m.q_rank, rows_);
  }
  matmul(Op::q, TensorRole::mla_q_up, q_rows, m.q_rank > 0 ? m.q_rank : c_.width, rows_);
  matmul(Op::k, TensorRole::mla_kv_down, m.kv_rank + m.rope_dims, c_.width, rows_);
  norm(Op::attn_norm, rows_, m.kv_rank);
  rope(c_.n_heads + 1.0, m.rope_dims, 0);
  matmul(Op::attention, TensorRole::mla_k_up, static_cast<double>(c_.n_heads) * m.nope_dims, m.kv_rank, rows_);
}

/// Head norms, rotation, and the new keys and values going to the cache.
inline void LedgerWriter::rope(double heads_rotated, double dims, double normed_elements) {
  OpWork& work = add(Op::rope);
  if (c_.rope.pairs != RopePairs::none) work.operations.f32 += rows_ * heads_rotated * dims * ElementCost::kRope;
  if (normed_elements > 0) {
    work.operations.f32 += rows_ * normed_elements * ElementCost::kRmsNorm;
    work.bytes.weight_payload += 2.0 * c_.head_dim * kFloat;
  }
  const double written = rows_ * kv_bytes_per_position(c_, pass_.kv);
  const double kv_values = rows_ * kv_bytes_per_position(c_, DType::f32) / kFloat;
  const double q_values = c_.is_mla() ? rows_ * c_.n_heads * dims : rows_ * static_cast<double>(c_.q_dim());
  work.bytes.kv_write = written;
  work.bytes.activation_read = (q_values + kv_values) * kFloat;
  work.bytes.activation_write = q_values * kFloat;
}

inline bool LedgerWriter::bf16_attention() const {
  if (!pass_.bf16_dot || pass_.exact || pass_.kv == DType::f32 || c_.is_mla() || c_.head_dim % 2 != 0) return false;
  const DType type = type_of(TensorRole::attn_q, static_cast<double>(c_.q_dim()), c_.width);
  return quantizes(type) || type == DType::bf16;
}

inline void LedgerWriter::attention() {
  OpWork& work = add(Op::attention);
  const double scored = positions_scored(c_, layer_, pass_) * static_cast<double>(pass_.sequences) * c_.n_heads;
  const double score_dims = c_.is_mla() ? c_.mla.kv_rank + c_.mla.rope_dims : c_.head_dim;
  const double value_dims = c_.is_mla() ? c_.mla.kv_rank : c_.head_dim;
  if (!c_.is_mla())
    work.attention = {pass_.kv,
                      score_dims,
                      static_cast<double>(c_.n_kv_heads),
                      static_cast<double>(c_.n_heads) / c_.n_kv_heads,
                      static_cast<double>(pass_.tokens),
                      scored / c_.n_heads};
  (bf16_attention() ? work.operations.bf16 : work.operations.f32) = scored * (2 * score_dims + 2 * value_dims);
  work.operations.f32 += scored * ElementCost::kSoftmax;
  if (c_.attn_softcap > 0) work.operations.f32 += scored * ElementCost::kSoftcap;
  const double read = positions_read(c_, layer_, pass_) * static_cast<double>(pass_.sequences);
  work.bytes.kv_read = read * kv_bytes_per_position(c_, pass_.kv);
  if (pass_.kv != DType::f32) work.operations.unpack = read * kv_bytes_per_position(c_, DType::f32) / kFloat;
  work.bytes.activation_read = rows_ * c_.n_heads * score_dims * kFloat;
  work.bytes.activation_write = rows_ * c_.n_heads * value_dims * kFloat;
}

inline void LedgerWriter::attention_block() {
  norm(Op::attn_norm, rows_, c_.width);
  if (c_.is_mla()) {
    quantize_for(TensorRole::mla_kv_down, c_.mla.kv_rank + c_.mla.rope_dims, c_.width, rows_);
    mla_projections();
    attention();
    const double v_rows = static_cast<double>(c_.n_heads) * c_.mla.v_dims;
    matmul(Op::attention, TensorRole::mla_v_up, v_rows, c_.mla.kv_rank, rows_);
    quantize_for(TensorRole::attn_out, c_.width, v_rows, rows_);
    matmul(Op::attn_out, TensorRole::attn_out, c_.width, v_rows, rows_, 1, c_.attn_out_bias);
  } else {
    quantize_for(TensorRole::attn_q, c_.q_dim(), c_.width, rows_);
    matmul(Op::q, TensorRole::attn_q, c_.q_dim(), c_.width, rows_, 1, c_.qkv_bias);
    matmul(Op::k, TensorRole::attn_k, c_.kv_dim(), c_.width, rows_, 1, c_.qkv_bias);
    matmul(Op::v, TensorRole::attn_v, c_.kv_dim(), c_.width, rows_, 1, c_.qkv_bias);
    rope(c_.n_heads + c_.n_kv_heads, c_.rope.dims > 0 ? c_.rope.dims : c_.head_dim,
         c_.qk_norm ? c_.q_dim() + c_.kv_dim() : 0);
    attention();
    quantize_for(TensorRole::attn_out, c_.width, c_.q_dim(), rows_);
    matmul(Op::attn_out, TensorRole::attn_out, c_.width, c_.q_dim(), rows_, 1, c_.attn_out_bias);
  }
  if (c_.post_norms) norm(Op::attn_norm, rows_, c_.width);
}

/// gate, up, activation, down for `tokens` columns and each of `count` blocks of inner width `inner`.
inline void LedgerWriter::dense_ffn(TensorRole gate, TensorRole up, TensorRole down, double inner, double tokens,
                                    double count) {
  const bool bias = c_.ffn_bias && up == TensorRole::ffn_up;
  if (c_.gated_ffn) matmul(Op::gate, gate, inner, c_.width, tokens, count, bias);
  matmul(Op::up, up, inner, c_.width, tokens, count, bias);
  OpWork& act = add(Op::activation);
  act.operations.f32 = tokens * count * inner * (c_.gated_ffn ? ElementCost::kGated : ElementCost::kPlain);
  act.bytes.activation_read = tokens * count * inner * kFloat * (c_.gated_ffn ? 2 : 1);
  act.bytes.activation_write = tokens * count * inner * kFloat;
  quantize_for(down, c_.width, inner, tokens * count);
  matmul(Op::down, down, c_.width, inner, tokens, count, bias);
}

/// Scores, the choice, the visited experts with their rows gathered, the shared expert, and the weighted sum of all.
inline void LedgerWriter::expert_ffn() {
  const MoeConfig& moe = c_.moe;
  const bool shared = moe.shared_ffn_dim > 0;
  const double visits = rows_ * moe.used, touched = experts_touched(moe, rows_);
  quantize(DType::f32, rows_, c_.width);
  matmul(Op::router, TensorRole::router, moe.count, c_.width, rows_);
  if (moe.shared_gate) matmul(Op::router, TensorRole::shared_router, 1, c_.width, rows_);
  quantize_for(TensorRole::expert_up, moe.ffn_dim, c_.width, visits);
  dense_ffn(TensorRole::expert_gate, TensorRole::expert_up, TensorRole::expert_down, moe.ffn_dim, visits / touched,
            touched);
  if (shared) {
    quantize_for(TensorRole::shared_up, moe.shared_ffn_dim, c_.width, rows_);
    dense_ffn(TensorRole::shared_gate, TensorRole::shared_up, TensorRole::shared_down, moe.shared_ffn_dim, rows_, 1);
  }
  const double summed = (visits + (shared ? rows_ : 0)) * c_.width;
  OpWork& choice = add(Op::router);
  choice.operations.f32 = rows_ * moe.count * ElementCost::kSoftmax + 2 * summed;
  if (moe.shared_gate) choice.operations.f32 += rows_ * ElementCost::kPlain;
  if (moe.router_bias) choice.bytes.weight_payload = moe.count * kFloat;
  choice.bytes.activation_read = (rows_ * moe.count + summed) * kFloat;
  choice.bytes.activation_write = rows_ * c_.width * kFloat;
}

inline void LedgerWriter::ffn_block() {
  if (!c_.parallel_residual || c_.norm_weight) norm(Op::ffn_norm, rows_, c_.width);
  if (!c_.is_moe_layer(layer_)) {
    quantize_for(TensorRole::ffn_up, c_.ffn_dim, c_.width, rows_);
    dense_ffn(TensorRole::ffn_gate, TensorRole::ffn_up, TensorRole::ffn_down, c_.ffn_dim, rows_, 1);
  } else {
    expert_ffn();
  }
  if (c_.post_norms) norm(Op::ffn_norm, rows_, c_.width);
}

inline void LedgerWriter::head() {
  const double asked = static_cast<double>(pass_.logits >= 0 ? pass_.logits : pass_.sequences);
  if (asked == 0) return;
  norm(Op::head_norm, asked, c_.width);
  const TensorRole role = c_.tied_head ? TensorRole::token_embedding : TensorRole::head;
  quantize_for(role, c_.vocab_size, c_.width, asked);
  matmul(Op::head, role, c_.vocab_size, c_.width, asked, 1, c_.head_bias);
}

inline Ledger LedgerWriter::write() {
  embedding();
  for (layer_ = 0; layer_ < c_.n_layers; ++layer_) {
    attention_block();
    ffn_block();
  }
  layer_ = -1;
  head();
  ledger_.rows = rows_;
  return std::move(ledger_);
}

}  // namespace detail

}  // namespace plumb
