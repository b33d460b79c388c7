#pragma once
/// @file
/// How the feed-forward block that every row visits is run.

#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/pass.hpp"

namespace plumb::inline PLUMB_ABI {

class DenseRun {
 public:
  DenseRun(const Pass& pass, const DenseSpec& spec, const DenseWeights& weights)
      : pass_(pass), spec_(spec), w_(weights), s_(pass.scratch()) {}

  ops::ActivationForms forms() const {
    return spec_.gated ? pass_.products().forms({&w_.gate, &w_.up}) : pass_.products().forms({&w_.up});
  }
  const Linear& first() const { return spec_.gated ? w_.gate : w_.up; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.down.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    spread(worker, input);
    Products::meet(worker, w_.down.w);
    pass_.products().run(worker, inner(), {{Op::down, output.task(w_.down)}});
  }

  /// inner = act(gate x) * up x, prepared for down: each worker its columns. A barrier must follow.
  void spread(const Worker& worker, const ops::Activations& x) const {
    const Products& products = pass_.products();
    const Products::Named gate{Op::gate, Products::into(w_.gate, s_.ffn_gate)};
    const Products::Named up{Op::up, Products::into(w_.up, spec_.gated ? s_.ffn_up : s_.ffn_gate)};
    if (spec_.gated) products.observe(worker, gate, x);
    products.observe(worker, up, x);
    products.activated(worker, spec_.activation, x, spec_.gated ? &gate : nullptr, up, inner(),
                       products.forms({&w_.down}));
  }

  /// The input of down.
  ops::Activations inner() const { return pass_.activations(s_.ffn_gate, spec_.inner, s_.inner_form); }

 private:
  const Pass& pass_;
  const DenseSpec& spec_;
  const DenseWeights& w_;
  Scratch& s_;
};

}  // namespace plumb
