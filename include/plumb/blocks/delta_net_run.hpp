#pragma once
/// @file
/// How a gated delta net is run. Heads of the convolution, then columns of the states, are what workers share: all rows
/// of a sequence go through a worker's columns in their order, so one sequence keeps every worker busy and a text may
/// be cut anywhere.

#include <cmath>

#include "plumb/blocks/delta_net.hpp"
#include "plumb/blocks/pass.hpp"
#include "plumb/ops/activation_functions.hpp"

namespace plumb::inline PLUMB_ABI {

class DeltaNetRun {
 public:
  /// `first`: of the block's values among those that the layer remembers.
  DeltaNetRun(const Pass& pass, const DeltaNetSpec& spec, const DeltaNetWeights& weights, int layer, std::int64_t first)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        steps_(spec),
        history_(pass.state().recurrent(layer, first)),
        states_(pass.state().recurrent(layer, first + convolution_state(spec.kernel, spec.channels()))) {}

  ops::ActivationForms forms() const {
    ops::ActivationForms forms;
    for (const Linear* linear :
         {&w_.qkv, &w_.q, &w_.k, &w_.v, &w_.beta, &w_.alpha, &w_.steps, &w_.decay_down, &w_.gate, &w_.gate_down})
      if (!linear->empty()) forms |= pass_.products().forms({linear});
    return forms;
  }
  const Linear& first() const { return spec_.fused ? w_.qkv : w_.q; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    project(worker, input);
    worker.barrier();
    if (spec_.by_channel() || spec_.gate_rank > 0) {
      project_ranks(worker);
      worker.barrier();
    }
    convolve(worker);
    finish_steps(worker);
    worker.barrier();
    remember(worker);
    worker.barrier();
    put_out(worker, output);
  }

 private:
  void project(const Worker& worker, const ops::Activations& input) {
    const auto product = [&](const Linear& linear, Rows& out, std::int64_t column) {
      if (linear.empty()) return;
      pass_.products().run(worker, input, {{Op::mix_in, Products::into(linear, out.data() + column, out.stride())}});
    };
    product(w_.qkv, s_.mixed, 0);
    product(w_.q, s_.mixed, 0);
    product(w_.k, s_.mixed, spec_.q_cols());
    product(w_.v, s_.mixed, 2 * spec_.q_cols());
    product(w_.steps, s_.steps, 0);
    product(w_.beta, s_.steps, 0);
    product(w_.alpha, s_.steps, spec_.v_heads);
    product(w_.decay_down, s_.ranks, 0);
    product(w_.gate_down, s_.ranks, spec_.decay_rank);
    product(w_.gate, s_.gates, 0);
    if (!w_.gate.empty()) open_gates(worker, w_.gate);
  }

  /// The second halves of low-rank products.
  void project_ranks(const Worker& worker) {
    const auto product = [&](const Linear& linear, int rank, std::int64_t column, std::int64_t place, Rows& out,
                             std::int64_t to) {
      ops::Activations x{
          s_.ranks.row(0) + column, pass_.n(), rank, s_.ranks.stride(), &pass_.form_for(worker, s_.inner_form), place};
      pass_.prepare(worker, x, linear, pass_.products().forms({&linear}), [](Range) {});
      pass_.products().run(worker, x, {{Op::mix_in, Products::into(linear, out.data() + to, out.stride())}});
    };
    if (spec_.by_channel()) product(w_.decay_up, spec_.decay_rank, 0, 0, s_.steps, spec_.v_heads);
    if (spec_.gate_rank == 0) return;
    const std::int64_t behind = pass_.n() * ceil_div<std::int64_t>(spec_.decay_rank, spec_.gate_rank);
    product(w_.gate_up, spec_.gate_rank, spec_.decay_rank, behind, s_.gates, 0);
    open_gates(worker, w_.gate_up);
  }

  /// gates = silu or sigmoid of them, each worker its columns.
  void open_gates(const Worker& worker, const Linear& gate) {
    const Range mine = ops::matmul_rows(worker, gate.w);
    if (mine.empty()) return;
    worker.enter(Op::activation);
    for (std::int64_t n = 0; n < pass_.n(); ++n) {
      float* const gates = s_.gates.row(n) + mine.begin;
      if (spec_.sigmoid_gate)
        ops::sigmoid(pass_.kernels(), gates, mine.size());
      else
        pass_.kernels().vector.silu(gates, nullptr, mine.size());
    }
  }

  /// convolved = silu(conv(mixed)), and q and k at length 1. Tasks are heads of q, of k, of v.
  void convolve(const Worker& worker) {
    worker.enter(Op::convolution);
    const Range mine = worker.share(2 * spec_.k_heads + spec_.v_heads);
    const float scale = 1.0f / std::sqrt(static_cast<float>(spec_.k_dim));
    for (std::int64_t head = mine.begin; head < mine.end; ++head) {
      const std::int64_t keys = 2 * spec_.k_heads, all = spec_.channels();
      const bool value = head >= keys;
      const std::int64_t dim = value ? spec_.v_dim : spec_.k_dim;
      const std::int64_t first = value ? 2 * spec_.q_cols() + (head - keys) * dim : head * dim;
      Convolution call;
      call.weight = {w_.taps.data() + first, all};
      call.x = {s_.mixed.data() + first, s_.mixed.stride()};
      call.out = {s_.convolved.data() + first, s_.convolved.stride()};
      call.channels = dim;
      call.kernel = spec_.kernel;
      call.silu = true;
      for (const SequenceRows& own : pass_.sequences()) {
        call.rows = own.index();
        call.history = {history_.of(own.sequence) + first, all};
        pass_.kernels().recurrent.convolve(call);
      }
      if (value) continue;
      for (std::int64_t n = 0; n < pass_.n(); ++n) {
        float* const x = s_.convolved.row(n) + first;
        pass_.kernels().recurrent.l2_norm(x, spec_.norm.eps, head < spec_.k_heads ? scale : 1.0f, x, dim);
      }
    }
  }

  /// beta = sigmoid, decay = exp(a softplus(. + dt)). A task is a group of heads in a row, or a head whose channels
  /// decay each by itself.
  void finish_steps(const Worker& worker) {
    worker.enter(Op::recurrence);
    const auto decay = pass_.kernels().recurrent.decay;
    const int parts = spec_.by_channel() ? spec_.v_heads : steps_.groups;
    const Range mine = worker.share(pass_.n() * parts);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      float* const row = s_.steps.row(task / parts);
      const auto part = static_cast<int>(task % parts);
      if (spec_.by_channel()) {
        const std::int64_t first = std::int64_t{part} * spec_.k_dim;
        ops::sigmoid(pass_.kernels(), row + part, 1);
        decay(row + spec_.v_heads + first, w_.dt.data() + first, w_.rates.data() + part, 0, spec_.k_dim);
      } else {
        const int head = part * steps_.per;
        ops::sigmoid(pass_.kernels(), row + steps_.beta(head), steps_.per);
        decay(row + steps_.decay(head), w_.dt.data() + head, w_.rates.data() + head, 1, steps_.per);
      }
    }
  }

  /// heads = the delta rule. Tasks are blocks of 16 columns of a value head.
  void remember(const Worker& worker) {
    worker.enter(Op::recurrence);
    const std::int64_t blocks = ceil_div<std::int64_t>(spec_.v_dim, kStateLanes);
    const Range mine = worker.share(spec_.v_heads * blocks);
    for (std::int64_t at = mine.begin; at < mine.end;) {
      const std::int64_t head = at / blocks, first = at % blocks;
      const std::int64_t last = std::min(blocks, mine.end - head * blocks);
      apply_rule(static_cast<int>(head), first * kStateLanes, std::min<std::int64_t>(last * kStateLanes, spec_.v_dim));
      at = head * blocks + last;
    }
  }

  /// Columns [first, end) of a head, of all sequences.
  void apply_rule(int head, std::int64_t first, std::int64_t end) {
    const std::int64_t key = std::int64_t{spec_.key_head(head)} * spec_.k_dim;
    const std::int64_t value = std::int64_t{head} * spec_.v_dim + first, stride = s_.convolved.stride();
    const std::int64_t decay =
        spec_.by_channel() ? spec_.v_heads + std::int64_t{head} * spec_.k_dim : steps_.decay(head);
    DeltaRule rule;
    rule.q = {s_.convolved.data() + key, stride};
    rule.k = {s_.convolved.data() + spec_.q_cols() + key, stride};
    rule.v = {s_.convolved.data() + 2 * spec_.q_cols() + value, stride};
    rule.decay = {s_.steps.data() + decay, s_.steps.stride()};
    rule.beta = {s_.steps.data() + (spec_.by_channel() ? head : steps_.beta(head)), s_.steps.stride()};
    rule.out = {s_.heads.data() + value, s_.heads.stride()};
    rule.k_dim = spec_.k_dim;
    rule.columns = end - first;
    const RecurrentKernels& kernels = pass_.kernels().recurrent;
    for (const SequenceRows& own : pass_.sequences()) {
      rule.rows = own.index();
      rule.state = states_.of(own.sequence) + head * delta_head_state(spec_) + first * spec_.k_dim;
      (spec_.by_channel() ? kernels.delta_rule_channels : kernels.delta_rule)(rule);
    }
  }

  void put_out(const Worker& worker, const BranchOutput& output) {
    const ops::Activations heads = pass_.finish(
        worker, s_.heads, spec_.v_cols(), s_.inner_form, w_.out, pass_.products().forms({&w_.out}),
        [&](std::int64_t n, const float* from, float* to) {
          worker.enter(Op::attn_norm);
          const float* const gates = s_.gates.row(n);
          for (int h = 0; h < spec_.v_heads; ++h)
            norm_row(pass_.kernels(), spec_.norm, w_.norm, from + h * spec_.v_dim, to + h * spec_.v_dim, spec_.v_dim);
          worker.enter(Op::attn_out);
          for (int i = 0; i < spec_.v_cols(); ++i) to[i] *= gates[i];
        });
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }

  const Pass& pass_;
  const DeltaNetSpec& spec_;
  const DeltaNetWeights& w_;
  Scratch& s_;
  DeltaSteps steps_;
  RecurrentLayer history_, states_;
};

}  // namespace plumb
