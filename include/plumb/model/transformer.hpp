#pragma once
/// @file
/// The forward pass. One parallel region; every worker runs the same phases and does its share of each; a barrier
/// stands between a phase and the next one that reads what other workers wrote.

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>

#include "plumb/core/parallel.hpp"
#include "plumb/model/batch.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/kv_cache.hpp"
#include "plumb/model/scratch.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/ops/activation.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/ops/norm.hpp"
#include "plumb/ops/rope.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb {

/// What is fixed for a model: shape, weights, rotation.
struct Transformer {
  ModelConfig config;
  Weights weights;
  ops::RopeTable rope;
  bool exact = false;  ///< never quantize activations
};

/// One forward pass over checked rows: tokens in the vocabulary, positions in the cache and contiguous with what it
/// holds, at most scratch.max_rows() rows, room for the logits asked for.
class ForwardPass {
 public:
  ForwardPass(const Transformer& model, KvCache& cache, Scratch& scratch, std::span<const BatchRow> rows)
      : model_(model),
        config_(model.config),
        cache_(cache),
        scratch_(scratch),
        rows_(rows),
        n_(static_cast<std::int64_t>(rows.size())) {}

  /// The whole pass, by every worker of a region.
  void run(const Worker& worker) {
    embed(worker);
    for (int l = 0; l < config_.n_layers; ++l) layer(worker, l);
    head(worker);
  }

 private:
  /// residual = embedding row of each token; the angles of each position, once for all layers.
  void embed(const Worker& worker) {
    const ops::WeightMatrix& embedding = model_.weights.embedding;
    const Range mine = worker.share(n_);
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      const BatchRow& row = rows_[static_cast<std::size_t>(n)];
      float* const residual = scratch_.residual.row(n);
      dequantize_row(embedding.type, embedding.file.row(row.token), residual, config_.width);
      if (config_.embedding_scale != 1.0f)
        for (int i = 0; i < config_.width; ++i) residual[i] *= config_.embedding_scale;
      ops::rope_angles(model_.rope, row.position, scratch_.angles.row(n));
      scratch_.asking[static_cast<std::size_t>(n)] = {row.position, row.sequence};
    }
  }

  /// x += wo attention(norm(x)); x += down(act(gate(norm(x))) * up(norm(x))).
  void layer(const Worker& worker, int l) {
    const LayerWeights& w = model_.weights.layers[static_cast<std::size_t>(l)];
    Scratch& s = scratch_;

    normalise(worker, w.attn_norm);
    worker.barrier();
    product(worker, s.normed, config_.width, {into(w.wq, s.q), into(w.wk, s.k), into(w.wv, s.v)});
    worker.barrier();
    rotate_and_store(worker, w, l);
    worker.barrier();
    ops::attention(worker, attention_shape(config_, l), cache_.layer(l), asking(), s.q.data(), s.q.stride(),
                   s.attn_out.data(), s.attn_out.stride(), s.attention);
    worker.barrier();
    ops::prepare(worker, activations(s.attn_out, config_.q_dim()));
    worker.barrier();
    product(worker, s.attn_out, config_.q_dim(), {onto(w.wo, s.residual)});
    worker.barrier();

    normalise(worker, w.ffn_norm);
    worker.barrier();
    product(worker, s.normed, config_.width, {into(w.gate, s.ffn_gate), into(w.up, s.ffn_up)});
    activate(worker, w);  // of the columns that this worker has just computed
    worker.barrier();
    ops::prepare(worker, activations(s.ffn_gate, config_.ffn_dim));
    worker.barrier();
    product(worker, s.ffn_gate, config_.ffn_dim, {onto(w.down, s.residual)});
    worker.barrier();
  }

  /// logits = head(norm(x)) for the rows that asked, in their order.
  void head(const Worker& worker) {
    // Every worker walks the rows and takes its share of those that asked.
    std::int64_t asked = 0;
    for (const BatchRow& row : rows_) asked += row.logits ? 1 : 0;
    if (asked == 0) return;
    const Range mine = worker.share(asked);
    std::int64_t index = 0;
    for (std::int64_t n = 0; n < n_; ++n) {
      if (!rows_[static_cast<std::size_t>(n)].logits) continue;
      if (index >= mine.begin && index < mine.end)
        ops::rms_norm(scratch_.residual.row(n), model_.weights.output_norm.data(), config_.norm_eps,
                      scratch_.normed.row(index), config_.width);
      ++index;
    }
    ops::Activations x = activations(scratch_.normed, config_.width);
    x.rows = asked;
    ops::prepare(worker, x);
    worker.barrier();
    const ops::MatmulTask task = into(model_.weights.head, scratch_.logits);
    ops::matmul(worker, {&task, 1}, x);
  }

  /// normed = norm(residual), ready for products, each worker its share of the rows.
  void normalise(const Worker& worker, const Vector& weight) {
    const Range mine = worker.share(n_);
    for (std::int64_t n = mine.begin; n < mine.end; ++n)
      ops::rms_norm(scratch_.residual.row(n), weight.data(), config_.norm_eps, scratch_.normed.row(n), config_.width);
    ops::prepare(worker, activations(scratch_.normed, config_.width));
  }

  /// Rotates q and k by the rows' positions and puts k and v into the cache. A task is a row.
  void rotate_and_store(const Worker& worker, const LayerWeights& w, int l) {
    const ops::KvLayer kv = cache_.layer(l);
    const int dim = config_.head_dim;
    // Tasks are (row, head), so that one row still feeds every worker: query heads, then KV heads.
    const std::int64_t heads = config_.n_heads + config_.n_kv_heads;
    const Range mine = worker.share(n_ * heads);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / heads, head = task % heads;
      const float* const angles = scratch_.angles.row(n);
      if (head < config_.n_heads) {
        finish_head(w.q_norm, angles, scratch_.q.row(n) + head * dim);
        continue;
      }
      const std::int64_t g = head - config_.n_heads;
      const BatchRow& row = rows_[static_cast<std::size_t>(n)];
      float* const key = scratch_.k.row(n) + g * dim;
      finish_head(w.k_norm, angles, key);
      store(kv.type, key, kv.key(row.sequence, g, row.position), dim);
      store(kv.type, scratch_.v.row(n) + g * dim, kv.value(row.sequence, g, row.position), dim);
    }
  }

  /// Norm (where the model has one) and rotation of one head of q or k.
  void finish_head(const Vector& norm, const float* angles, float* head) {
    if (!norm.empty()) ops::rms_norm(head, norm.data(), config_.norm_eps, head, config_.head_dim);
    ops::rotate_head(model_.rope, angles, head);
  }

  static void store(DType type, const float* from, std::byte* to, int n) {
    if (type == DType::f32) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
      return;
    }
    Half* const half = reinterpret_cast<Half*>(to);
    for (int i = 0; i < n; ++i) half[i] = to_half(from[i]);
  }

  /// ffn_gate = act(ffn_gate) * ffn_up, in the columns that this worker's product wrote.
  void activate(const Worker& worker, const LayerWeights& w) {
    const Range mine = ops::matmul_rows(worker, w.up.w);
    for (std::int64_t n = 0; n < n_; ++n)
      ops::activate(config_.activation, scratch_.ffn_gate.row(n) + mine.begin, scratch_.ffn_up.row(n) + mine.begin,
                    mine.size());
  }

  void product(const Worker& worker, const Rows& input, std::int64_t cols,
               std::initializer_list<ops::MatmulTask> tasks) {
    ops::matmul(worker, {tasks.begin(), tasks.size()}, activations(input, cols));
  }
  ops::Activations activations(const Rows& rows, std::int64_t cols) {
    return {rows.row(0), n_, cols, rows.stride(), &scratch_.matmul, model_.exact};
  }
  static ops::MatmulTask into(const Linear& linear, Rows& out) {
    return {&linear.w, out.data(), out.stride(), linear.bias_data(), false};
  }
  static ops::MatmulTask onto(const Linear& linear, Rows& out) {
    return {&linear.w, out.data(), out.stride(), linear.bias_data(), true};
  }
  std::span<const ops::AttentionRow> asking() const { return {scratch_.asking.data(), rows_.size()}; }

  const Transformer& model_;
  const ModelConfig& config_;
  KvCache& cache_;
  Scratch& scratch_;
  std::span<const BatchRow> rows_;
  std::int64_t n_;  // rows of this batch
};

}  // namespace plumb
