#pragma once
/// @file
/// How a layer's latent attention is run: what every worker does, phase by phase, with a barrier between a phase and
/// the next one that reads what other workers wrote.

#include "plumb/blocks/head_products.hpp"
#include "plumb/blocks/indexer_run.hpp"
#include "plumb/blocks/latent_attention.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/rope.hpp"

namespace plumb::inline PLUMB_ABI {

class LatentAttentionRun {
 public:
  LatentAttentionRun(const Pass& pass, const LatentAttentionSpec& spec, const LatentAttentionWeights& weights,
                     int layer)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        own_(s_.latent),
        kv_(pass.state().kv(layer)),
        indexer_(pass, spec.indexer, weights.indexer, layer),
        absorb_(pass, w_.k_up, Op::q, {s_.q.data(), s_.q.stride(), spec.head_dim()},
                {own_.absorbed.data(), own_.absorbed.stride(), spec.latent()}),
        expand_(pass, w_.v_up, Op::v, {own_.weighted.data(), own_.weighted.stride(), spec.kv_rank},
                {s_.heads.data(), s_.heads.stride(), spec.v_dims}) {}

  /// The forms that it takes of its input, and the first product with it.
  ops::ActivationForms forms() const {
    ops::ActivationForms forms = pass_.products().forms({&first(), &w_.kv_down});
    if (spec_.indexer.exists()) forms |= indexer_.input_forms();
    return forms;
  }
  const Linear& first() const { return compresses() ? w_.q_down : w_.q_up; }
  /// The columns of the output that a worker writes.
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    project(worker, input);
    if (compresses()) {
      Products::meet(worker, w_.q_up.w);
      expand_queries(worker);
    }
    absorb_.prefetch(worker);
    worker.barrier();
    rotate_and_store(worker);
    absorb_.run(worker);
    worker.barrier();
    if (spec_.indexer.exists()) indexer_.choose(worker);
    attend(worker);
    expand_.prefetch(worker);
    worker.barrier();
    expand_.run(worker);
    Products::meet(worker, w_.out.w);
    put_out(worker, output);
  }

 private:
  bool compresses() const { return spec_.q_rank > 0; }

  void project(const Worker& worker, const ops::Activations& input) {
    pass_.products().run(worker, input,
                         {{Op::q, Products::into(first(), compresses() ? own_.compressed : s_.q)},
                          {Op::k, Products::into(w_.kv_down, own_.latent)}});
    if (spec_.indexer.exists()) indexer_.project(worker, input);
  }

  /// Queries of all heads from the normed compressed ones.
  void expand_queries(const Worker& worker) {
    const bool few = Pass::own(pass_.n());
    OwnLatents& mine = own_.own[static_cast<std::size_t>(worker.index)];
    Rows& normed = few ? mine.normed : own_.compressed;
    const ops::Activations x = pass_.activations(normed, spec_.q_rank, few ? mine.compressed : own_.compressed_form);
    ops::ActivationForms forms = pass_.products().forms({&w_.q_up});
    if (spec_.indexer.exists()) forms |= indexer_.query_forms();
    pass_.prepare(worker, x, w_.q_up, forms, [&](Range rows) {
      worker.enter(Op::attn_norm);
      for (std::int64_t n = rows.begin; n < rows.end; ++n)
        norm_row(pass_.kernels(), spec_.norm, w_.q_norm, own_.compressed.row(n), normed.row(n), spec_.q_rank);
    });
    pass_.products().run(worker, x, {{Op::q, Products::into(w_.q_up, s_.q)}});
    if (spec_.indexer.exists()) indexer_.project_queries(worker, x);
  }

  /// Rotates the last dimensions of queries into the place where they meet those of keys, and puts the latent vectors
  /// into the state. Tasks are (row, head), and a row's vector.
  void rotate_and_store(const Worker& worker) {
    worker.enter(Op::rope);
    const std::int64_t tasks = spec_.n_heads + 1;
    const Range mine = worker.share(pass_.n() * tasks);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / tasks, head = task % tasks;
      if (head == spec_.n_heads)
        store(n);
      else if (spec_.rope_dims > 0)
        rotate_query(n, head);
    }
    if (spec_.indexer.exists()) indexer_.rotate_and_store(worker);
  }

  void rotate_query(std::int64_t n, std::int64_t head) {
    float* const turned = own_.absorbed.row(n) + head * spec_.latent() + spec_.kv_rank;
    std::copy_n(s_.q.row(n) + head * spec_.head_dim() + spec_.nope_dims, spec_.rope_dims, turned);
    rotate(n, turned);
  }

  void store(std::int64_t n) {
    const BatchRow& row = pass_.rows()[static_cast<std::size_t>(n)];
    float* const latent = own_.latent.row(n);
    norm_row(pass_.kernels(), spec_.norm, w_.kv_norm, latent, latent, spec_.kv_rank);
    rotate(n, latent + spec_.kv_rank);
    ops::store_latent(pass_.kernels(), kv_, row.sequence, row.position, latent, latent + spec_.kv_rank,
                      spec_.rope_dims);
  }

  void rotate(std::int64_t n, float* dims) {
    if (spec_.rope < 0) return;
    const auto table = static_cast<std::size_t>(spec_.rope);
    ops::rotate_head(pass_.kernels(), pass_.ropes()[table], s_.angles[table].row(n), dims);
  }

  /// weighted = softmax(q k) v of every head, over the latent vectors.
  void attend(const Worker& worker) {
    worker.enter(Op::attention);
    const ops::AttentionShape shape = latent_attention_shape(spec_);
    ops::AttentionCall call{&pass_.kernels(), &shape, &kv_, pass_.asking()};
    call.q = own_.absorbed.data();
    call.q_stride = own_.absorbed.stride();
    call.out = own_.weighted.data();
    call.out_stride = own_.weighted.stride();
    if (spec_.indexer.exists()) call.chosen = indexer_.chosen();
    ops::attention(worker, call, s_.attention);
  }

  void put_out(const Worker& worker, const BranchOutput& output) {
    const ops::Activations heads = pass_.activations(s_.heads, spec_.out_cols(), pass_.form_for(worker, s_.inner_form));
    pass_.prepare(worker, heads, w_.out, pass_.products().forms({&w_.out}), [](Range) {});
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }

  const Pass& pass_;
  const LatentAttentionSpec& spec_;
  const LatentAttentionWeights& w_;
  Scratch& s_;
  LatentScratch& own_;
  ops::KvLayer kv_;
  IndexerRun indexer_;
  HeadProducts absorb_, expand_;
};

}  // namespace plumb
