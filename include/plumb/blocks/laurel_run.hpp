#pragma once
/// @file
/// How the low-rank branch beside a mixer is run: its first product with those of the mixer, which take the same input,
/// the rest when the mixer is done.

#include <cmath>

#include "plumb/blocks/laurel.hpp"
#include "plumb/blocks/pass.hpp"

namespace plumb::inline PLUMB_ABI {

class LaurelRun {
 public:
  LaurelRun(const Pass& pass, const LaurelSpec& spec, const LaurelWeights& weights, std::int64_t width)
      : pass_(pass), spec_(spec), w_(weights), width_(width), s_(pass.scratch()) {}

  ops::ActivationForms forms() const { return pass_.products().forms({&w_.down}); }

  /// laurel = down h. By every worker, on the mixer's prepared input; the mixer's barriers follow.
  void begin(const Worker& worker, const ops::Activations& input) const {
    pass_.products().run(worker, input, {{Op::laurel, Products::into(w_.down, s_.laurel)}});
  }

  /// By every worker, after the mixer's output was added and a barrier; ends with one. The normed rows are still where
  /// the mixer's input was prepared.
  void finish(const Worker& worker) const {
    const ops::Activations low = pass_.activations(s_.laurel, spec_.rank, pass_.form_for(worker, s_.inner_form));
    pass_.prepare(worker, low, w_.up, pass_.products().forms({&w_.up}), [](Range) {});
    pass_.products().run(worker, low, {{Op::laurel, Products::into(w_.up, s_.branch[0])}});
    worker.barrier();
    worker.enter(Op::attn_norm);
    const float half = std::sqrt(0.5f);
    const Rows& normed = pass_.normed_rows(worker, pass_.n());
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      float *const branch = s_.branch[0].row(n), *const stream = s_.residual.row(n);
      const float* const input = normed.row(n);
      norm_row(pass_.kernels(), spec_.norm, w_.norm, branch, branch, width_);
      for (std::int64_t i = 0; i < width_; ++i) stream[i] = (stream[i] + (input[i] + branch[i])) * half;
    }
    worker.barrier();
  }

 private:
  const Pass& pass_;
  const LaurelSpec& spec_;
  const LaurelWeights& w_;
  std::int64_t width_;
  Scratch& s_;
};

}  // namespace plumb
