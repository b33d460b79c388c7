#pragma once
/// @file
/// How a state-space scan is run. Channels of the convolution, then blocks of columns of the state, are what workers
/// share: all rows of a sequence go through a worker's columns in their order, so one sequence keeps every worker busy
/// and a text may be cut anywhere.

#include <algorithm>

#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/state_space.hpp"

namespace plumb::inline PLUMB_ABI {

class StateSpaceRun {
 public:
  /// `first`: of the block's values among those that the layer remembers.
  StateSpaceRun(const Pass& pass, const StateSpaceSpec& spec, const StateSpaceWeights& weights, int layer,
                std::int64_t first)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        shape_(spec),
        history_(pass.state().recurrent(layer, first)),
        states_(pass.state().recurrent(layer, first + convolution_state(spec.kernel, spec.channels()))) {}

  ops::ActivationForms forms() const { return pass_.products().forms({&w_.in}); }
  const Linear& first() const { return w_.in; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    pass_.products().run(worker, input, {{Op::mix_in, Products::into(w_.in, s_.mixed)}});
    worker.barrier();
    convolve(worker);
    if (spec_.by_channel()) {
      worker.barrier();
      select(worker);
      worker.barrier();
      project_steps(worker);
    } else {
      finish_steps(worker);
    }
    worker.barrier();
    scan(worker);
    worker.barrier();
    put_out(worker, output);
  }

 private:
  /// convolved = silu(conv(mixed)).
  void convolve(const Worker& worker) {
    worker.enter(Op::convolution);
    const std::int64_t all = spec_.channels();
    const Range mine = worker.share(all, kStateLanes);
    if (mine.empty()) return;
    Convolution call;
    call.x = {s_.mixed.data() + spec_.input_at() + mine.begin, s_.mixed.stride()};
    call.out = {s_.convolved.data() + mine.begin, s_.convolved.stride()};
    call.weight = {w_.taps.data() + mine.begin, all};
    call.bias = w_.conv_bias.empty() ? nullptr : w_.conv_bias.data() + mine.begin;
    call.channels = mine.size();
    call.kernel = spec_.kernel;
    call.silu = true;
    for (const SequenceRows& own : pass_.sequences()) {
      call.rows = own.index();
      call.history = {history_.of(own.sequence) + mine.begin, all};
      pass_.kernels().recurrent.convolve(call);
    }
  }

  /// steps = softplus(. + bias) of every head, and behind them what is kept. Tasks are parts of the heads of a row.
  void finish_steps(const Worker& worker) {
    worker.enter(Op::recurrence);
    const std::int64_t parts = ceil_div<std::int64_t>(spec_.heads, kStateLanes);
    const Range mine = worker.share(pass_.n() * parts);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / parts, first = task % parts * kStateLanes;
      float* const steps = s_.steps.row(n) + first;
      pass_.kernels().recurrent.steps(s_.mixed.row(n) + spec_.steps_at() + first, w_.step_bias.data() + first,
                                      w_.rates.data() + first, steps, steps + spec_.heads,
                                      std::min<std::int64_t>(kStateLanes, spec_.heads - first));
    }
  }

  /// ranks = r, B, C of every row.
  void select(const Worker& worker) {
    const ops::Activations x = pass_.activations(s_.convolved, spec_.inner, pass_.form_for(worker, s_.inner_form));
    pass_.prepare(worker, x, w_.select, pass_.products().forms({&w_.select}), [](Range) {});
    pass_.products().run(worker, x, {{Op::mix_in, Products::into(w_.select, s_.ranks)}});
  }

  /// steps = softplus(Ws norm(r) + bias), each worker its channels; and the norms of B and C, each worker its rows.
  void project_steps(const Worker& worker) {
    if (spec_.step_norm) {
      worker.enter(Op::attn_norm);
      const Range mine = worker.share(pass_.n());
      for (std::int64_t n = mine.begin; n < mine.end; ++n) {
        float* const b = s_.ranks.row(n) + spec_.rank;
        norm_row(pass_.kernels(), *spec_.step_norm, w_.b_norm, b, b, spec_.size);
        norm_row(pass_.kernels(), *spec_.step_norm, w_.c_norm, b + spec_.size, b + spec_.size, spec_.size);
      }
    }
    const ops::Activations r =
        pass_.finish(worker, s_.ranks, spec_.rank, s_.inner_form, w_.steps, pass_.products().forms({&w_.steps}),
                     [&](std::int64_t, const float* from, float* to) {
                       worker.enter(Op::attn_norm);
                       if (spec_.step_norm)
                         norm_row(pass_.kernels(), *spec_.step_norm, w_.r_norm, from, to, spec_.rank);
                       else if (from != to)
                         std::copy_n(from, spec_.rank, to);
                     });
    pass_.products().run(worker, r, {{Op::mix_in, Products::into(w_.steps, s_.steps)}});
    const Range mine = ops::matmul_rows(worker, w_.steps.w);
    if (mine.empty()) return;
    worker.enter(Op::recurrence);
    for (std::int64_t n = 0; n < pass_.n(); ++n) {
      float* const steps = s_.steps.row(n) + mine.begin;
      pass_.kernels().recurrent.steps(steps, w_.step_bias.data() + mine.begin, nullptr, steps, nullptr, mine.size());
    }
  }

  /// heads = the scan, gated. Tasks are blocks of 16 columns.
  void scan(const Worker& worker) {
    worker.enter(Op::recurrence);
    const std::int64_t blocks = shape_.blocks();
    const Range mine = worker.share(shape_.count * blocks);
    for (std::int64_t at = mine.begin; at < mine.end;) {
      const std::int64_t head = at / blocks, first = at % blocks;
      const std::int64_t last = std::min(blocks, mine.end - head * blocks);
      scan_columns(head, first * kStateLanes, std::min(last * kStateLanes, shape_.columns));
      at = head * blocks + last;
    }
  }

  /// Columns [first, end) of a head, of all sequences.
  void scan_columns(std::int64_t head, std::int64_t first, std::int64_t end) {
    const std::int64_t column = head * shape_.columns + first;
    const bool by_channel = spec_.by_channel();
    StateScan call;
    call.x = {s_.convolved.data() + column, s_.convolved.stride()};
    call.gate = {s_.mixed.data() + spec_.gate_at() + column, s_.mixed.stride()};
    call.out = {s_.heads.data() + column, s_.heads.stride()};
    const std::int64_t step = by_channel ? column : head;
    call.step = {s_.steps.data() + step, s_.steps.stride()};
    call.skip = w_.skip.data() + step;
    if (by_channel) {
      call.b = {s_.ranks.data() + spec_.rank, s_.ranks.stride()};
      call.rate = w_.rate_blocks.data() + first * spec_.size;
    } else {
      const std::int64_t group = head / (spec_.heads / spec_.groups);
      call.b = {s_.convolved.data() + spec_.inner + group * spec_.size, s_.convolved.stride()};
      call.keep = {s_.steps.data() + spec_.heads + head, s_.steps.stride()};
    }
    call.c = {call.b.base + spec_.group_cols(), call.b.stride};
    call.size = spec_.size;
    call.columns = end - first;
    const RecurrentKernels& kernels = pass_.kernels().recurrent;
    for (const SequenceRows& own : pass_.sequences()) {
      call.rows = own.index();
      call.state = states_.of(own.sequence) + head * shape_.values(spec_.size) + first * spec_.size;
      (by_channel ? kernels.scan_channels : kernels.scan)(call);
    }
  }

  void put_out(const Worker& worker, const BranchOutput& output) {
    const ops::ActivationForms forms = pass_.products().forms({&w_.out});
    ops::Activations heads = pass_.activations(s_.heads, spec_.inner, pass_.form_for(worker, s_.inner_form));
    if (!spec_.norm) {
      pass_.prepare(worker, heads, w_.out, forms, [](Range) {});
    } else {
      const std::int64_t width = spec_.inner / spec_.groups;
      heads = pass_.finish(worker, s_.heads, spec_.inner, s_.inner_form, w_.out, forms,
                           [&](std::int64_t, const float* from, float* to) {
                             worker.enter(Op::attn_norm);
                             for (std::int64_t at = 0; at < spec_.inner; at += width)
                               norm_row(pass_.kernels(), *spec_.norm, w_.norm, from + at, to + at, width, at);
                           });
    }
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }

  const Pass& pass_;
  const StateSpaceSpec& spec_;
  const StateSpaceWeights& w_;
  Scratch& s_;
  ScanShape shape_;
  RecurrentLayer history_, states_;
};

}  // namespace plumb
