#pragma once
/// @file
/// How the feed-forward block that every row visits is run.

#include <array>
#include <cmath>

#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/token_shift_run.hpp"

namespace plumb::inline PLUMB_ABI {

class DenseRun {
 public:
  /// `last`: the last rows of sequences, where the block mixes them in.
  DenseRun(const Pass& pass, const DenseSpec& spec, const DenseWeights& weights, const RecurrentLayer& last = {})
      : pass_(pass), spec_(spec), w_(weights), s_(pass.scratch()), shift_(pass, weights.shares, 1, last) {}

  /// Of its input; none where products read a mixture of it.
  ops::ActivationForms forms() const { return spec_.shift ? ops::ActivationForms{} : product_forms(); }
  const Linear& first() const { return spec_.gated ? w_.gate : w_.up; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.down.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    if (spec_.shift) shift_.mix(worker, input, std::array{product_forms()});
    spread(worker, spec_.shift ? shift_.input(worker, 0) : input);
    Products::meet(worker, w_.down.w);
    if (spec_.shift) shift_.remember(worker, input);
    pass_.products().run(worker, spec_.down_norm ? normed(worker) : inner(), {{Op::down, output.task(w_.down)}});
  }

  /// inner = act(gate x) * up x, prepared for down unless that is normed: each worker its columns. A barrier must
  /// follow.
  void spread(const Worker& worker, const ops::Activations& x) const {
    const Products& products = pass_.products();
    const Products::Named gate{Op::gate, Products::into(w_.gate, s_.ffn_gate)};
    const Products::Named up{Op::up, Products::into(w_.up, spec_.gated ? s_.ffn_up : s_.ffn_gate)};
    if (spec_.gated) products.observe(worker, gate, x);
    products.observe(worker, up, x);
    if (spec_.sparsity > 0) return spread_sparse(worker, x, gate, up);
    products.activated(worker, spec_.function(), x, spec_.gated ? &gate : nullptr, up, inner(),
                       spec_.down_norm ? ops::ActivationForms{} : products.forms({&w_.down}));
  }

  /// The input of down.
  ops::Activations inner() const { return pass_.activations(s_.ffn_gate, spec_.inner, s_.inner_form); }

 private:
  ops::ActivationForms product_forms() const {
    return spec_.gated ? pass_.products().forms({&w_.gate, &w_.up}) : pass_.products().forms({&w_.up});
  }
  /// inner, normed and prepared for down.
  ops::Activations normed(const Worker& worker) const {
    return pass_.finish(worker, s_.ffn_gate, spec_.inner, s_.inner_form, w_.down, pass_.products().forms({&w_.down}),
                        [&](std::int64_t, const float* from, float* to) {
                          worker.enter(Op::ffn_norm);
                          norm_row(pass_.kernels(), *spec_.down_norm, w_.down_norm, from, to, spec_.inner);
                        });
  }

  /// The same with a sparse gate.
  void spread_sparse(const Worker& worker, const ops::Activations& x, const Products::Named& gate,
                     const Products::Named& up) const {
    const Products& products = pass_.products();
    for (const Products::Named* named : {&gate, &up})
      products.multiply(worker, x, *named, products.takes_f32(*named->task.weights));
    worker.barrier();
    worker.enter(Op::activation);
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n)
      s_.cutoff[static_cast<std::size_t>(n)] = cutoff(s_.ffn_gate.row(n));
    worker.barrier();
    products.activate_above(worker, spec_.function(), s_.cutoff.data(), gate.task, up.task, inner(),
                            products.forms({&w_.down}));
  }
  /// mean + sparsity * sigma of a row of the gate.
  float cutoff(const float* gate) const {
    const double n = spec_.inner;
    double sum = 0, squares = 0;
    for (int i = 0; i < spec_.inner; ++i) sum += static_cast<double>(gate[i]);
    const double mean = sum / n;
    for (int i = 0; i < spec_.inner; ++i) {
      const double off = static_cast<double>(gate[i]) - mean;
      squares += off * off;
    }
    return static_cast<float>(mean + static_cast<double>(spec_.sparsity) * std::sqrt(squares / (n - 1)));
  }

  const Pass& pass_;
  const DenseSpec& spec_;
  const DenseWeights& w_;
  Scratch& s_;
  TokenShiftRun shift_;
};

}  // namespace plumb
