#pragma once
/// @file
/// The forward pass. One parallel region; every worker runs the same phases and does its share of each; a barrier
/// stands between a phase and the next one that reads what other workers wrote.

#include <cstdint>
#include <span>

#include "plumb/core/parallel.hpp"
#include "plumb/model/batch.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/kv_cache.hpp"
#include "plumb/model/moe.hpp"
#include "plumb/model/op.hpp"
#include "plumb/model/products.hpp"
#include "plumb/model/scratch.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/ops/norm.hpp"
#include "plumb/ops/rope.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {

/// What is fixed for a model: shape, weights, rotation.
struct Transformer {
  ModelConfig config;
  Weights weights;
  ops::RopeTable rope;
  const KernelTable* kernels = nullptr;
  bool exact = false;  ///< never quantize activations
};

/// One forward pass over checked rows: tokens in the vocabulary, positions in the cache and contiguous with what it
/// holds, at most scratch.max_rows() rows, room for the logits asked for.
class ForwardPass {
 public:
  ForwardPass(const Transformer& model, KvCache& cache, Scratch& scratch, std::span<const BatchRow> rows,
              const ActivationObserver* observer = nullptr)
      : model_(model),
        config_(model.config),
        cache_(cache),
        scratch_(scratch),
        rows_(rows),
        products_(model.weights, *model.kernels, model.exact, scratch.matmul, observer),
        n_(static_cast<std::int64_t>(rows.size())) {}

  /// The whole pass, by every worker of a region.
  void run(const Worker& worker) {
    embed(worker);
    worker.barrier();  // the first norm takes whole column tiles, not the rows that a worker has embedded
    for (int l = 0; l < config_.n_layers; ++l) layer(worker, l);
    head(worker);
  }

 private:
  /// residual = embedding row of each token; the angles of each position, once for all layers.
  void embed(const Worker& worker) {
    worker.enter(Op::embedding);
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

  void layer(const Worker& worker, int l) {
    const LayerWeights& w = model_.weights.layers[static_cast<std::size_t>(l)];
    attention_block(worker, w, l);
    worker.barrier();
    if (w.experts.empty())
      feed_forward(worker, w);
    else
      experts(worker, w);
    worker.barrier();
  }

  /// x += wo attention(norm(x)).
  void attention_block(const Worker& worker, const LayerWeights& w, int l) {
    Scratch& s = scratch_;
    const ops::Activations input = normed(worker, n_);
    normalise(worker, Op::attn_norm, w.attn_norm, input, w.wq, products_.forms({&w.wq, &w.wk, &w.wv}));
    products_.run(worker, input, {{Op::q, into(w.wq, s.q)}, {Op::k, into(w.wk, s.k)}, {Op::v, into(w.wv, s.v)}});
    worker.barrier();
    rotate_and_store(worker, w, l);
    worker.barrier();
    attend(worker, w, l);
    worker.barrier();
    const ops::Activations heads =
        activations(s.attn_out, config_.q_dim(), own(n_) ? s.own[index(worker)].form : s.inner_form);
    prepare(worker, heads, w.wo, products_.forms({&w.wo}), [](Range) {});
    products_.run(worker, heads, {{Op::attn_out, onto(w.wo, s.residual)}});
  }

  /// x += down(act(gate(norm(x))) * up(norm(x))).
  void feed_forward(const Worker& worker, const LayerWeights& w) {
    Scratch& s = scratch_;
    const ops::Activations input = normed(worker, n_);
    normalise(worker, Op::ffn_norm, w.ffn_norm, input, w.gate, products_.forms({&w.gate, &w.up}));
    const ops::Activations inner = activations(s.ffn_gate, config_.ffn_dim, s.inner_form);
    products_.run_gated(worker, config_.activation, input, {Op::gate, into(w.gate, s.ffn_gate)},
                        {Op::up, into(w.up, s.ffn_up)}, inner, products_.forms({&w.down}));
    Products::meet(worker, w.down.w);
    products_.run(worker, inner, {{Op::down, onto(w.down, s.residual)}});
  }

  /// x += what the experts of each row make of norm(x).
  void experts(const Worker& worker, const LayerWeights& w) {
    const ops::Activations input = normed(worker, n_);
    normalise(worker, Op::ffn_norm, w.ffn_norm, input, w.experts.router, MoeBlock::forms(products_, w));
    MoeBlock(config_, w, products_, scratch_, input).run(worker);
  }

  /// logits = head(norm(x)) for the rows that asked, in their order.
  void head(const Worker& worker) {
    std::int64_t asked = 0;
    for (const BatchRow& row : rows_) asked += row.logits ? 1 : 0;
    if (asked == 0) return;
    const ops::Activations x = normed(worker, asked);
    prepare(worker, x, model_.weights.head, products_.forms({&model_.weights.head}), [&](Range rows) {
      worker.enter(Op::head_norm);
      std::int64_t index = 0;  // of a row among those that asked
      for (std::int64_t n = 0; n < n_; ++n) {
        if (!rows_[static_cast<std::size_t>(n)].logits) continue;
        if (index >= rows.begin && index < rows.end)
          normalise_row(model_.weights.output_norm, n, normed_rows(worker, asked), index);
        ++index;
      }
    });
    products_.run(worker, x, {{Op::head, into(model_.weights.head, scratch_.logits)}});
  }

  /// Whether each worker prepares so many rows for itself.
  static bool own(std::int64_t rows) { return rows <= kOwnRows; }
  static std::size_t index(const Worker& worker) { return static_cast<std::size_t>(worker.index); }

  /// Where so many normalised rows go: the worker's own place, if they are few, or everybody's.
  Rows& normed_rows(const Worker& worker, std::int64_t rows) {
    return own(rows) ? scratch_.own[index(worker)].normed : scratch_.normed;
  }
  /// The same with their prepared forms.
  ops::Activations normed(const Worker& worker, std::int64_t rows) {
    ops::ActivationBuffer& form = own(rows) ? scratch_.own[index(worker)].form : scratch_.input_form;
    ops::Activations x = activations(normed_rows(worker, rows), config_.width, form);
    x.rows = rows;
    return x;
  }

  /// Makes x ready for products, the first of them with `next`: make(rows) computes the rows of a tile, which are
  /// prepared while they are in the worker's own cache. Afterwards every worker may multiply.
  template <class Make>
  void prepare(const Worker& worker, const ops::Activations& x, const Linear& next, ops::ActivationForms forms,
               const Make& make) {
    ops::prefetch_product(worker, next.w);
    const Range mine = own(x.rows) ? Range{0, x.tiles()} : worker.share(x.tiles());
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      make(x.tile(static_cast<int>(t)));
      worker.enter(Op::quantize);
      ops::prepare_tile(*model_.kernels, x, forms, static_cast<int>(t), {0, x.cols});
    }
    if (!own(x.rows)) worker.barrier();
  }

  /// normed = norm(residual), ready for products.
  void normalise(const Worker& worker, Op op, const Vector& weight, const ops::Activations& normed, const Linear& next,
                 ops::ActivationForms forms) {
    prepare(worker, normed, next, forms, [&](Range rows) {
      worker.enter(op);
      for (std::int64_t n = rows.begin; n < rows.end; ++n)
        normalise_row(weight, n, normed_rows(worker, normed.rows), n);
    });
  }

  /// Row `to` of normed = norm(residual[from]).
  void normalise_row(const Vector& weight, std::int64_t from, Rows& normed, std::int64_t to) {
    ops::rms_norm(*model_.kernels, scratch_.residual.row(from), weight.data(), config_.norm_eps, normed.row(to),
                  config_.width);
  }

  /// Rotates q and k by the rows' positions and puts k and v into the cache. A task is a row.
  void rotate_and_store(const Worker& worker, const LayerWeights& w, int l) {
    worker.enter(Op::rope);
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
      ops::store_kv(*model_.kernels, kv, row.sequence, g, row.position, key, scratch_.v.row(n) + g * dim);
    }
  }

  /// Norm (where the model has one) and rotation of one head of q or k.
  void finish_head(const Vector& norm, const float* angles, float* head) {
    if (!norm.empty()) ops::rms_norm(*model_.kernels, head, norm.data(), config_.norm_eps, head, config_.head_dim);
    ops::rotate_head(*model_.kernels, model_.rope, angles, head);
  }

  /// attn_out = softmax(q K) V of every head.
  void attend(const Worker& worker, const LayerWeights& w, int l) {
    worker.enter(Op::attention);
    Scratch& s = scratch_;
    const ops::AttentionShape shape = attention_shape(config_, l);
    const ops::KvLayer kv = cache_.layer(l);
    ops::attention(worker,
                   {model_.kernels, &shape, &kv, asking(), s.q.data(), s.q.stride(), s.attn_out.data(),
                    s.attn_out.stride(), !products_.forms({&w.wq}).f32},
                   s.attention);
  }

  ops::Activations activations(const Rows& rows, std::int64_t cols, ops::ActivationBuffer& form) const {
    return {rows.row(0), n_, cols, rows.stride(), &form};
  }
  static ops::MatmulTask into(const Linear& linear, Rows& out) { return Products::into(linear, out); }
  static ops::MatmulTask onto(const Linear& linear, Rows& out) { return Products::onto(linear, out); }
  std::span<const ops::AttentionRow> asking() const { return {scratch_.asking.data(), rows_.size()}; }

  const Transformer& model_;
  const ModelConfig& config_;
  KvCache& cache_;
  Scratch& scratch_;
  std::span<const BatchRow> rows_;
  Products products_;
  std::int64_t n_;  // rows of this batch
};

}  // namespace plumb
