#pragma once
/// @file
/// How a layer's attention is run: what every worker does, phase by phase, with a barrier between a phase and the next
/// one that reads what other workers wrote.

#include "plumb/blocks/attention.hpp"
#include "plumb/blocks/pass.hpp"
#include "plumb/ops/activation_functions.hpp"
#include "plumb/ops/attention.hpp"
#include "plumb/ops/rope.hpp"

namespace plumb::inline PLUMB_ABI {

class AttentionRun {
 public:
  AttentionRun(const Pass& pass, const AttentionSpec& spec, const AttentionWeights& weights, int layer)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        kv_(pass.state().kv(spec.own_kv() ? layer : spec.kv_from)) {}

  /// The forms that it takes of its input, and the first product with it.
  ops::ActivationForms forms() const {
    ops::ActivationForms forms = pass_.products().forms({&w_.q, &w_.k, &w_.v});
    if (!w_.gate.empty()) forms |= pass_.products().forms({&w_.gate});
    return forms;
  }
  const Linear& first() const { return w_.q; }
  /// The columns of the output that a worker writes.
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    project(worker, input);
    worker.barrier();
    rotate_and_store(worker);
    worker.barrier();
    attend(worker);
    worker.barrier();
    put_out(worker, output);
  }

 private:
  bool gates_in_queries() const { return spec_.output_gate == OutputGate::in_queries; }

  void project(const Worker& worker, const ops::Activations& input) {
    const Products& products = pass_.products();
    const Products::Named q{Op::q, Products::into(w_.q, gates_in_queries() ? s_.mixed : s_.q)};
    const Products::Named k{Op::k, Products::into(w_.k, s_.k)};
    if (!spec_.own_kv())
      products.run(worker, input, {q});
    else if (spec_.values_are_keys)
      products.run(worker, input, {q, k});
    else
      products.run(worker, input, {q, k, {Op::v, Products::into(w_.v, s_.v)}});
    if (!w_.gate.empty()) open_gates(worker, input);
  }

  /// gates = sigmoid(Wg x), each worker its columns.
  void open_gates(const Worker& worker, const ops::Activations& input) {
    pass_.products().run(worker, input, {{Op::q, Products::into(w_.gate, s_.gates)}});
    const Range mine = ops::matmul_rows(worker, w_.gate.w);
    if (mine.empty()) return;
    for (std::int64_t n = 0; n < pass_.n(); ++n)
      ops::sigmoid(pass_.kernels(), s_.gates.row(n) + mine.begin, mine.size());
  }

  /// Clips, norms and rotates q and k, and puts k and v into the state. Tasks are (row, head), so that one row still
  /// feeds every worker: query heads, then KV heads of the layer's own. A norm over all heads makes a row one task for
  /// each of q and k.
  void rotate_and_store(const Worker& worker) {
    worker.enter(Op::rope);
    const bool whole = spec_.qk_norm_over == QkNormOver::all_heads;
    const std::int64_t q_heads = whole ? 1 : spec_.n_heads;
    const std::int64_t kv_heads = !spec_.own_kv() ? 0 : whole ? 1 : spec_.n_kv_heads;
    const int at_once_q = whole ? spec_.n_heads : 1, at_once_kv = whole ? spec_.n_kv_heads : 1;
    const Range mine = worker.share(pass_.n() * (q_heads + kv_heads));
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / (q_heads + kv_heads), head = task % (q_heads + kv_heads);
      if (head < q_heads)
        finish_queries(n, head, at_once_q);
      else
        store(n, head - q_heads, at_once_kv);
    }
  }

  /// Query heads [first, first + count) of row n.
  void finish_queries(std::int64_t n, std::int64_t first, int count) {
    float* const heads = s_.q.row(n) + first * spec_.head_dim;
    if (gates_in_queries()) take_apart(n, first, count);
    finish_heads(w_.q_norm, n, first, count, heads);
    if (spec_.temperature.scale == 0) return;
    scale(heads, std::int64_t{count} * spec_.head_dim,
          spec_.temperature.at(pass_.rows()[static_cast<std::size_t>(n)].position));
  }
  /// Queries and gates of these heads, which lie one after the other in each.
  void take_apart(std::int64_t n, std::int64_t first, int count) {
    const int dim = spec_.head_dim;
    for (std::int64_t h = first; h < first + count; ++h) {
      const float* const both = s_.mixed.row(n) + 2 * h * dim;
      float* const gates = s_.gates.row(n) + h * dim;
      std::copy_n(both, dim, s_.q.row(n) + h * dim);
      std::copy_n(both + dim, dim, gates);
      ops::sigmoid(pass_.kernels(), gates, dim);
    }
  }
  static void scale(float* values, std::int64_t n, float factor) {
    for (std::int64_t i = 0; i < n; ++i) values[i] *= factor;
  }

  /// Keys and values [first, first + count) of row n.
  void store(std::int64_t n, std::int64_t first, int count) {
    const BatchRow& row = pass_.rows()[static_cast<std::size_t>(n)];
    float* const keys = s_.k.row(n) + first * spec_.head_dim;
    float* const values = s_.v.row(n) + first * spec_.v_dim();
    if (spec_.values_are_keys) std::copy_n(keys, std::int64_t{count} * spec_.head_dim, values);
    finish_heads(w_.k_norm, n, first, count, keys);
    clip(values, std::int64_t{count} * spec_.v_dim());
    for (int g = 0; spec_.value_norm && g < count; ++g)
      ops::rms_norm(pass_.kernels(), values + g * spec_.v_dim(), nullptr, spec_.value_norm_eps,
                    values + g * spec_.v_dim(), spec_.v_dim());
    if (spec_.value_scale != 1.0f) scale(values, std::int64_t{count} * spec_.v_dim(), spec_.value_scale);
    for (int g = 0; g < count; ++g)
      ops::store_kv(pass_.kernels(), kv_, row.sequence, first + g, row.position, keys + g * spec_.head_dim,
                    values + g * spec_.v_dim());
  }

  /// Clip, norm and rotation (where the layer has them) of heads [first, first + count) of q or k in row n.
  void finish_heads(const NormWeights& norm, std::int64_t n, std::int64_t first, int count, float* heads) {
    clip(heads, std::int64_t{count} * spec_.head_dim);
    if (!spec_.qk_norm_after_rope) norm_heads(norm, first, count, heads);
    if (spec_.rope >= 0) {
      const auto table = static_cast<std::size_t>(spec_.rope);
      for (int h = 0; h < count; ++h)
        ops::rotate_head(pass_.kernels(), pass_.ropes()[table], s_.angles[table].row(n), heads + h * spec_.head_dim);
    }
    if (spec_.qk_norm_after_rope) norm_heads(norm, first, count, heads);
  }

  void norm_heads(const NormWeights& norm, std::int64_t first, int count, float* heads) {
    switch (spec_.qk_norm_over) {
      case QkNormOver::none: return;
      case QkNormOver::head: return norm_row(pass_.kernels(), spec_.qk_norm, norm, heads, heads, spec_.head_dim);
      case QkNormOver::each_head:
        return norm_row(pass_.kernels(), spec_.qk_norm, norm, heads, heads, spec_.head_dim, first * spec_.head_dim);
      case QkNormOver::all_heads:
        return norm_row(pass_.kernels(), spec_.qk_norm, norm, heads, heads, std::int64_t{count} * spec_.head_dim);
    }
  }

  void clip(float* values, std::int64_t n) const {
    if (spec_.clip <= 0) return;
    for (std::int64_t i = 0; i < n; ++i) values[i] = std::clamp(values[i], -spec_.clip, spec_.clip);
  }

  /// heads = softmax(q K) V of every head.
  void attend(const Worker& worker) {
    worker.enter(Op::attention);
    const ops::AttentionShape shape = attention_shape(spec_);
    ops::AttentionCall call{&pass_.kernels(), &shape, &kv_, pass_.asking()};
    call.q = s_.q.data();
    call.q_stride = s_.q.stride();
    call.out = s_.heads.data();
    call.out_stride = s_.heads.stride();
    call.rounded = !pass_.products().forms({&w_.q}).f32;
    call.slopes = w_.slopes.empty() ? nullptr : w_.slopes.data();
    call.sinks = w_.sinks.empty() ? nullptr : w_.sinks.data();
    ops::attention(worker, call, s_.attention);
  }

  void put_out(const Worker& worker, const BranchOutput& output) {
    const ops::ActivationForms forms = pass_.products().forms({&w_.out});
    ops::Activations heads;
    if (spec_.gates() > 0 || spec_.out_norm) {
      heads = pass_.finish(
          worker, s_.heads, spec_.out_cols(), s_.inner_form, w_.out, forms,
          [&](std::int64_t n, const float* from, float* to) { gate_and_norm(worker, s_.gates.row(n), from, to); });
    } else {
      heads = pass_.activations(s_.heads, spec_.out_cols(), pass_.form_for(worker, s_.inner_form));
      pass_.prepare(worker, heads, w_.out, forms, [](Range) {});
    }
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }

  /// to = norm(gates * from) of one row, either of the two or both.
  void gate_and_norm(const Worker& worker, const float* gates, const float* from, float* to) const {
    if (spec_.gates() > 0) {
      worker.enter(Op::attn_out);
      const int each = spec_.output_gate == OutputGate::head ? spec_.v_dim() : 1;  // values that share a gate
      for (int g = 0; g < spec_.gates(); ++g)
        for (int i = g * each; i < (g + 1) * each; ++i) to[i] = from[i] * gates[g];
      from = to;
    }
    if (!spec_.out_norm) return;
    worker.enter(Op::attn_norm);
    norm_row(pass_.kernels(), *spec_.out_norm, w_.out_norm, from, to, spec_.out_cols());
  }

  const Pass& pass_;
  const AttentionSpec& spec_;
  const AttentionWeights& w_;
  Scratch& s_;
  ops::KvLayer kv_;
};

}  // namespace plumb
