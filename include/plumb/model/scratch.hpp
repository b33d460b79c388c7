#pragma once
/// @file
/// The memory of a forward pass: made once for the largest batch, so that decoding allocates nothing.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/ops/routing.hpp"

namespace plumb::inline PLUMB_ABI {

/// A matrix of f32 rows that the passes of one session share.
class Rows {
 public:
  Rows() = default;
  /// [rows, width], each row on a cache line of its own. @throws Error{overflow, out_of_memory}.
  Rows(std::int64_t rows, std::int64_t width)
      : rows_(rows),
        stride_(round_up<std::int64_t>(width, 16)),
        memory_(static_cast<std::size_t>(
            checked_mul(checked_mul(rows, stride_, "scratch"), std::int64_t{sizeof(float)}, "scratch"))) {}
  float* row(std::int64_t n) { return memory_.as<float>() + n * stride_; }
  const float* row(std::int64_t n) const { return memory_.as<float>() + n * stride_; }
  float* data() { return row(0); }
  std::int64_t rows() const { return rows_; }
  std::int64_t stride() const { return stride_; }
  std::size_t bytes() const { return memory_.size(); }

 private:
  std::int64_t rows_ = 0, stride_ = 0;
  AlignedBuffer memory_;
};

/// Batches of up to so many rows are normalised and prepared for products by every worker for itself: their one tile
/// would be the work of a single worker anyway, and so nobody waits for it.
inline constexpr int kOwnRows = 4;

/// What one worker prepares for itself.
struct OwnInputs {
  explicit OwnInputs(const ModelConfig& config)
      : normed(kOwnRows, config.width), form(kOwnRows, std::max(config.width, config.q_dim())) {}

  Rows normed;                 // [kOwnRows, D]
  ops::ActivationBuffer form;  // normed or attn_out, prepared for products
};

/// What the experts of a layer need: a slot is a row of the batch at one of the `used` experts that it visits.
struct MoeScratch {
  MoeScratch() = default;
  MoeScratch(const ModelConfig& config, std::int64_t max_rows, int threads);

  Rows scores;                        // [max_rows, E + 1], of the experts and of the shared one
  Rows gate;                          // [slots, F'], becomes act(gate) * up, input of down
  Rows up;                            // [slots, F']
  Rows out;                           // [slots, D], outputs of the experts
  Rows shared_out;                    // [max_rows, D], output of the shared expert
  ops::ActivationBuffer input_form;   // [slots, D], normed rows by expert, prepared for products
  ops::ActivationBuffer inner_form;   // [slots, F'], act(gate) * up, prepared for products
  std::vector<ops::Routing> routing;  // one a worker

  std::size_t bytes() const;
};

/// Scratch of one session, for batches of up to `max_rows` rows and sequences of up to `context` positions.
struct Scratch {
  Scratch() = default;
  Scratch(const ModelConfig& config, int max_rows, int context, int threads);

  Rows residual;                          // [max_rows, D], the stream that every branch reads and adds to
  Rows normed;                            // [max_rows, D], input of q/k/v, of gate/up, of the head
  Rows q;                                 // [max_rows, H * head_dim]
  Rows k, v;                              // [max_rows, G * head_dim]
  Rows attn_out;                          // [max_rows, H * head_dim], all heads' weighted values, input of wo
  Rows ffn_gate;                          // [max_rows, F or S], becomes act(gate) * up, input of down
  Rows ffn_up;                            // [max_rows, F or S]
  Rows angles;                            // [max_rows, rotated dims], cos and sin of each row's position
  Rows logits;                            // [rows that asked, V]
  std::vector<ops::AttentionRow> asking;  // [max_rows], position and sequence of each row
  ops::ActivationBuffer input_form;       // normed, prepared for products
  ops::ActivationBuffer inner_form;       // attn_out, then act(gate) * up, prepared for products
  std::vector<OwnInputs> own;             // [threads], the same for batches of a few rows
  MoeScratch moe;                         // of models with experts
  ops::MatmulScratch matmul;
  ops::AttentionScratch attention;

  int max_rows() const { return static_cast<int>(residual.rows()); }
  /// Makes room for `rows` rows of logits. Allocates only when more are asked for than ever before.
  void reserve_logits(std::int64_t rows, std::int64_t vocab_size) {
    if (rows > logits.rows()) logits = Rows(rows, vocab_size);
  }
  std::size_t bytes() const;
};

/// What attention needs to know of a model.
inline ops::AttentionShape attention_shape(const ModelConfig& config, int layer) {
  ops::AttentionShape shape;
  shape.n_heads = config.n_heads;
  shape.n_kv_heads = config.n_kv_heads;
  shape.k_dim = shape.v_dim = config.head_dim;
  shape.scale = config.attn_scale > 0 ? config.attn_scale : 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  shape.softcap = config.attn_softcap;
  shape.window = config.is_windowed(layer) ? config.sliding_window : 0;
  return shape;
}

/// Inner width of the feed-forward block that every row visits: F, S beside experts, or 0.
inline int dense_ffn_dim(const ModelConfig& config) {
  return config.is_moe() ? config.moe.shared_ffn_dim : config.ffn_dim;
}

inline MoeScratch::MoeScratch(const ModelConfig& config, std::int64_t max_rows, int threads) {
  const MoeConfig& moe = config.moe;
  const std::int64_t slots = checked_mul<std::int64_t>(max_rows, moe.used, "scratch");
  scores = Rows(max_rows, moe.count + 1);
  gate = Rows(slots, moe.ffn_dim);
  up = Rows(slots, moe.ffn_dim);
  out = Rows(slots, config.width);
  if (moe.shared_ffn_dim > 0) shared_out = Rows(max_rows, config.width);
  input_form = ops::ActivationBuffer(slots, config.width);
  inner_form = ops::ActivationBuffer(slots, moe.ffn_dim);
  routing.assign(static_cast<std::size_t>(threads), ops::Routing(max_rows, moe.count, moe.used));
}

inline std::size_t MoeScratch::bytes() const {
  std::size_t total = 0;
  for (const Rows* rows : {&scores, &gate, &up, &out, &shared_out}) total += rows->bytes();
  return total + input_form.bytes() + inner_form.bytes();
}

inline Scratch::Scratch(const ModelConfig& config, int max_rows, int context, int threads)
    : residual(max_rows, config.width),
      normed(max_rows, config.width),
      q(max_rows, config.q_dim()),
      k(max_rows, config.kv_dim()),
      v(max_rows, config.kv_dim()),
      attn_out(max_rows, config.q_dim()),
      ffn_gate(max_rows, dense_ffn_dim(config)),
      ffn_up(max_rows, dense_ffn_dim(config)),
      angles(max_rows, config.head_dim),
      asking(static_cast<std::size_t>(max_rows)),
      input_form(max_rows, config.width),
      inner_form(max_rows, std::max(config.q_dim(), dense_ffn_dim(config))),
      matmul(std::max({config.width, config.q_dim(), dense_ffn_dim(config), config.moe.ffn_dim}), threads),
      attention(attention_shape(config, 0), threads, context) {
  own.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) own.emplace_back(config);
  if (config.is_moe()) moe = MoeScratch(config, max_rows, threads);
}

inline std::size_t Scratch::bytes() const {
  std::size_t total = 0;
  for (const Rows* rows : {&residual, &normed, &q, &k, &v, &attn_out, &ffn_gate, &ffn_up, &angles, &logits})
    total += rows->bytes();
  for (const OwnInputs& inputs : own) total += inputs.normed.bytes() + inputs.form.bytes();
  return total + input_form.bytes() + inner_form.bytes() + moe.bytes() + attention.bytes();
}

}  // namespace plumb
