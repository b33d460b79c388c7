#pragma once
/// @file
/// How the time mixing of RWKV 7 is run. Columns of the states are what workers share: all rows of a sequence go
/// through a worker's columns in their order, so that a text may be cut anywhere.

#include <array>

#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/rwkv.hpp"
#include "plumb/blocks/token_shift_run.hpp"
#include "plumb/ops/activation_functions.hpp"

namespace plumb::inline PLUMB_ABI {

class RwkvRun {
 public:
  /// `first`: of the block's values among those that the layer remembers.
  RwkvRun(const Pass& pass, const RwkvSpec& spec, const RwkvWeights& weights, int layer, std::int64_t first)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        steps_(spec),
        values_(spec.first_rank > 0 ? s_.v : s_.first_values),
        shift_(pass, weights.shares, kRwkvInputs, pass.state().recurrent(layer, first)),
        states_(pass.state().recurrent(layer, first + token_shift_state(weights.receptance.w.cols))) {}

  /// None: what products read are mixtures of the input.
  ops::ActivationForms forms() const { return {}; }
  const Linear& first() const { return w_.receptance; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the input rows [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    const Products& products = pass_.products();
    ops::prefetch_product(worker, w_.receptance.w);
    shift_.mix(worker, input,
               std::array{products.forms({&w_.receptance}), products.forms({&w_.decay_down}), products.forms({&w_.key}),
                          value_forms(), products.forms({&w_.rate_down}), products.forms({&w_.gate_down})});
    project(worker);
    worker.barrier();
    shift_.remember(worker, input);
    project_ranks(worker);
    worker.barrier();
    finish_keys(worker);
    worker.barrier();
    remember(worker);
    worker.barrier();
    put_out(worker, output);
  }

 private:
  ops::ActivationForms value_forms() const {
    ops::ActivationForms forms = pass_.products().forms({&w_.value});
    if (spec_.first_rank > 0) forms |= pass_.products().forms({&w_.first_down});
    return forms;
  }
  /// Columns of the low-rank products.
  int rate_rank_at() const { return spec_.decay_rank; }
  int first_rank_at() const { return rate_rank_at() + spec_.rate_rank; }
  int gate_rank_at() const { return first_rank_at() + spec_.first_rank; }

  void project(const Worker& worker) {
    const auto product = [&](RwkvInput of, const Linear& linear, Rows& out, std::int64_t column) {
      pass_.products().run(worker, shift_.input(worker, static_cast<int>(of)),
                           {{Op::mix_in, Products::into(linear, out.data() + column, out.stride())}});
    };
    product(RwkvInput::receptance, w_.receptance, s_.q, 0);
    product(RwkvInput::key, w_.key, s_.k, 0);
    product(RwkvInput::value, w_.value, values_, 0);
    if (spec_.first_rank > 0) product(RwkvInput::value, w_.first_down, s_.ranks, first_rank_at());
    product(RwkvInput::rate, w_.rate_down, s_.ranks, rate_rank_at());
    product(RwkvInput::decay, w_.decay_down, s_.ranks, 0);
    each_row(worker, w_.decay_down, Op::mix_in, s_.ranks, 0,
             [&](float* x, std::int64_t n) { pass_.kernels().vector.tanh(x, x, n); });
    product(RwkvInput::gate, w_.gate_down, s_.ranks, gate_rank_at());
    each_row(worker, w_.gate_down, Op::activation, s_.ranks, gate_rank_at(),
             [&](float* x, std::int64_t n) { ops::sigmoid(pass_.kernels(), x, n); });
  }
  /// change(x, n) for the columns of a product that this worker has computed, in every row.
  template <class Change>
  void each_row(const Worker& worker, const Linear& product, Op op, Rows& out, std::int64_t column,
                const Change& change) const {
    const Range mine = ops::matmul_rows(worker, product.w);
    if (mine.empty()) return;
    worker.enter(op);
    for (std::int64_t n = 0; n < pass_.n(); ++n) change(out.row(n) + column + mine.begin, mine.size());
  }

  /// The second halves of low-rank products, and what they are made into.
  void project_ranks(const Worker& worker) {
    std::array<ops::ActivationBuffer, kLowRanks>& forms = pass_.shifted(worker).ranks;
    const auto low = [&](std::int64_t column, int rank, std::size_t form) {
      return ops::Activations{s_.ranks.row(0) + column, pass_.n(), rank, s_.ranks.stride(), &forms[form]};
    };
    const ops::Activations decay = low(0, spec_.decay_rank, 0), rate = low(rate_rank_at(), spec_.rate_rank, 1);
    const ops::Activations first = low(first_rank_at(), spec_.first_rank, 2);
    const ops::Activations gate = low(gate_rank_at(), spec_.gate_rank, 3);
    prepare(worker, decay, w_.decay_up);
    prepare(worker, rate, w_.rate_up);
    if (spec_.first_rank > 0) prepare(worker, first, w_.first_up);
    prepare(worker, gate, w_.gate_up);
    if (!Pass::own(pass_.n())) worker.barrier();

    const auto product = [&](const ops::Activations& x, const Linear& linear, Rows& out, std::int64_t column) {
      pass_.products().run(worker, x, {{Op::mix_in, Products::into(linear, out.data() + column, out.stride())}});
    };
    const auto sigmoid = [&](float* x, std::int64_t n) { ops::sigmoid(pass_.kernels(), x, n); };
    product(decay, w_.decay_up, s_.steps, steps_.decay);
    each_row(worker, w_.decay_up, Op::recurrence, s_.steps, steps_.decay, [&](float* x, std::int64_t n) {
      ops::sigmoid(pass_.kernels(), x, n);
      for (std::int64_t i = 0; i < n; ++i) x[i] *= -kRwkvDecay;
      pass_.kernels().vector.exp(x, x, n);
    });
    product(rate, w_.rate_up, s_.steps, steps_.rate);
    each_row(worker, w_.rate_up, Op::recurrence, s_.steps, steps_.rate, sigmoid);
    if (spec_.first_rank > 0) {
      product(first, w_.first_up, s_.steps, steps_.first);
      each_row(worker, w_.first_up, Op::recurrence, s_.steps, steps_.first, sigmoid);
    }
    product(gate, w_.gate_up, s_.gates, 0);
  }
  /// This worker's share of the tiles, or all where they are few.
  void prepare(const Worker& worker, const ops::Activations& x, const Linear& next) const {
    worker.enter(Op::quantize);
    const Range mine = Pass::own(x.rows) ? Range{0, x.tiles()} : worker.share(x.tiles());
    for (std::int64_t t = mine.begin; t < mine.end; ++t)
      ops::prepare_tile(pass_.kernels(), x, pass_.products().forms({&next}), static_cast<int>(t), {0, x.cols});
  }

  /// Keys to recall by, to replace and to write; values with those of the earlier layer. A task is a head of a row.
  void finish_keys(const Worker& worker) {
    worker.enter(Op::convolution);
    const std::int64_t dim = spec_.head_dim;
    const Range mine = worker.share(pass_.n() * spec_.heads);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / spec_.heads, c = task % spec_.heads * dim;
      float* const key = s_.k.row(n) + c;
      float *const recall = s_.steps.row(n) + steps_.recall + c, *const rate = s_.steps.row(n) + steps_.rate + c;
      const float *const scale = w_.key_scale.data() + c, *const rated = w_.key_rate.data() + c;
      for (std::int64_t i = 0; i < dim; ++i) recall[i] = key[i] * scale[i];
      pass_.kernels().recurrent.l2_norm(recall, kRwkvLength, 1.0f, recall, dim);
      for (std::int64_t i = 0; i < dim; ++i) {
        const float part = key[i] * rated[i];
        key[i] += rate[i] * part - part;
        rate[i] *= recall[i];
      }
      if (spec_.first_rank > 0) take_values(n, c);
    }
  }
  void take_values(std::int64_t n, std::int64_t c) {
    float* const value = s_.v.row(n) + c;
    const float *const first = s_.first_values.row(n) + c, *const share = s_.steps.row(n) + steps_.first + c;
    for (std::int64_t i = 0; i < spec_.head_dim; ++i) value[i] += (first[i] - value[i]) * share[i];
  }

  /// heads = the delta rule. Tasks are blocks of 16 columns of a head.
  void remember(const Worker& worker) {
    worker.enter(Op::recurrence);
    const std::int64_t dim = spec_.head_dim, blocks = ceil_div<std::int64_t>(dim, kStateLanes);
    const Range mine = worker.share(spec_.heads * blocks);
    for (std::int64_t at = mine.begin; at < mine.end;) {
      const std::int64_t head = at / blocks, first = at % blocks;
      const std::int64_t last = std::min(blocks, mine.end - head * blocks);
      apply_rule(head, first * kStateLanes, std::min(last * kStateLanes, dim));
      at = head * blocks + last;
    }
  }
  /// Columns [first, end) of a head, of all sequences.
  void apply_rule(std::int64_t head, std::int64_t first, std::int64_t end) {
    const std::int64_t key = head * spec_.head_dim, value = key + first;
    const auto steps = [&](int column) { return RowsIn{s_.steps.data() + column + key, s_.steps.stride()}; };
    DeltaRule rule;
    rule.q = {s_.q.data() + key, s_.q.stride()};
    rule.k = {s_.k.data() + key, s_.k.stride()};
    rule.v = {values_.data() + value, values_.stride()};
    rule.decay = steps(steps_.decay);
    rule.recall = steps(steps_.recall);
    rule.replace = steps(steps_.rate);
    rule.out = {s_.heads.data() + value, s_.heads.stride()};
    rule.k_dim = spec_.head_dim;
    rule.columns = end - first;
    for (const SequenceRows& own : pass_.sequences()) {
      rule.rows = own.index();
      rule.state = states_.of(own.sequence) + head * rwkv_head_state(spec_) + first * spec_.head_dim;
      pass_.kernels().recurrent.delta_rule_keys(rule);
    }
  }

  void put_out(const Worker& worker, const BranchOutput& output) {
    const ops::Activations heads =
        pass_.finish(worker, s_.heads, spec_.channels(), s_.inner_form, w_.out, pass_.products().forms({&w_.out}),
                     [&](std::int64_t n, const float* from, float* to) {
                       worker.enter(Op::attn_norm);
                       for (std::int64_t c = 0; c < spec_.channels(); c += spec_.head_dim)
                         norm_row(pass_.kernels(), spec_.norm, w_.norm, from + c, to + c, spec_.head_dim, c);
                       worker.enter(Op::attn_out);
                       for (std::int64_t c = 0; c < spec_.channels(); c += spec_.head_dim) add_own(n, c, to + c);
                     });
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }
  /// What a position sees of itself, and the gate.
  void add_own(std::int64_t n, std::int64_t c, float* out) {
    const float *const r = s_.q.row(n) + c, *const k = s_.k.row(n) + c, *const u = w_.bonus.data() + c;
    const float *const value = values_.row(n) + c, *const gate = s_.gates.row(n) + c;
    float own = 0;
    for (std::int64_t i = 0; i < spec_.head_dim; ++i) own += r[i] * k[i] * u[i];
    for (std::int64_t i = 0; i < spec_.head_dim; ++i) out[i] = (out[i] + value[i] * own) * gate[i];
  }

  const Pass& pass_;
  const RwkvSpec& spec_;
  const RwkvWeights& w_;
  Scratch& s_;
  RwkvSteps steps_;
  Rows& values_;
  TokenShiftRun shift_;
  RecurrentLayer states_;
};

}  // namespace plumb
