#pragma once
/// @file
/// How a gated short convolution is run: workers share its channels.

#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/short_conv.hpp"

namespace plumb::inline PLUMB_ABI {

class ShortConvRun {
 public:
  /// `first`: of the block's values among those that the layer remembers.
  ShortConvRun(const Pass& pass, const ShortConvSpec& spec, const ShortConvWeights& weights, int layer,
               std::int64_t first)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        s_(pass.scratch()),
        channels_(spec.channels),
        history_(pass.state().recurrent(layer, first)) {}

  ops::ActivationForms forms() const { return pass_.products().forms({&w_.in}); }
  const Linear& first() const { return w_.in; }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.out.w); }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& input, const BranchOutput& output) {
    pass_.products().run(worker, input, {{Op::mix_in, Products::into(w_.in, s_.mixed)}});
    worker.barrier();
    convolve(worker);
    worker.barrier();
    const ops::Activations heads = pass_.activations(s_.heads, channels_, pass_.form_for(worker, s_.inner_form));
    pass_.prepare(worker, heads, w_.out, pass_.products().forms({&w_.out}), [](Range) {});
    pass_.products().run(worker, heads, {{Op::attn_out, output.task(w_.out)}});
  }

 private:
  /// heads = c * conv(b * u).
  void convolve(const Worker& worker) {
    worker.enter(Op::convolution);
    const Range mine = worker.share(channels_, kStateLanes);
    if (mine.empty()) return;
    const auto columns = [&](std::int64_t first) {
      return RowsIn{s_.mixed.data() + first + mine.begin, s_.mixed.stride()};
    };
    Convolution call;
    call.gate = columns(0);
    call.times = columns(channels_);
    call.x = columns(2 * channels_);
    call.out = {s_.heads.data() + mine.begin, s_.heads.stride()};
    call.weight = {w_.taps.data() + mine.begin, channels_};
    call.channels = mine.size();
    call.kernel = spec_.kernel;
    for (const SequenceRows& own : pass_.sequences()) {
      call.rows = own.index();
      call.history = {history_.of(own.sequence) + mine.begin, channels_};
      pass_.kernels().recurrent.convolve(call);
    }
  }

  const Pass& pass_;
  const ShortConvSpec& spec_;
  const ShortConvWeights& w_;
  Scratch& s_;
  std::int64_t channels_;
  RecurrentLayer history_;
};

}  // namespace plumb
