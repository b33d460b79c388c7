#pragma once
/// @file
/// How inputs are mixed with those of the position before. All mixtures of a batch are made at once.

#include <algorithm>
#include <span>

#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/token_shift.hpp"

namespace plumb::inline PLUMB_ABI {

class TokenShiftRun {
 public:
  /// `shares` [inputs, D]: how much of the position before each takes. `last`: what sequences remember.
  TokenShiftRun(const Pass& pass, const Vector& shares, int inputs, const RecurrentLayer& last)
      : pass_(pass), shares_(shares), width_(static_cast<std::int64_t>(shares.size()) / inputs), last_(last) {}

  /// Mixture i [n, D], once it is made.
  ops::Activations input(const Worker& worker, std::int64_t i) const {
    ShiftedInputs& own = pass_.shifted(worker);
    const std::int64_t n = pass_.n();
    return {own.rows.row(i * n), n, width_, own.rows.stride(), &own.form, i * n};
  }

  /// Makes all mixtures of the rows `x`, by every worker, and prepares each in its forms. Afterwards every worker may
  /// multiply.
  void mix(const Worker& worker, const ops::Activations& x, std::span<const ops::ActivationForms> forms) const {
    const auto inputs = static_cast<std::int64_t>(forms.size());
    const std::int64_t tasks = inputs * input(worker, 0).tiles();
    const Range mine = Pass::own(pass_.n()) ? Range{0, tasks} : worker.share(tasks);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t i = task % inputs;
      const auto tile = static_cast<int>(task / inputs);
      const ops::Activations own = input(worker, i);
      worker.enter(Op::convolution);
      const Range rows = own.tile(tile);
      for (std::int64_t n = rows.begin; n < rows.end; ++n)
        mix_row(x, n, i, pass_.shifted(worker).rows.row(i * pass_.n() + n));
      worker.enter(Op::quantize);
      ops::prepare_tile(pass_.kernels(), own, forms[static_cast<std::size_t>(i)], tile, {0, width_});
    }
    if (!Pass::own(pass_.n())) worker.barrier();
  }

  /// The last row of each sequence becomes the one before the next: each worker its columns, after a barrier that
  /// follows the mixtures.
  void remember(const Worker& worker, const ops::Activations& x) const {
    worker.enter(Op::convolution);
    const Range mine = worker.share(width_, kStateLanes);
    for (const SequenceRows& own : pass_.sequences())
      std::copy_n(x.values + own[own.size() - 1] * x.stride + mine.begin, mine.size(),
                  last_.of(own.sequence) + mine.begin);
  }

 private:
  void mix_row(const ops::Activations& x, std::int64_t n, std::int64_t input, float* out) const {
    const std::int32_t row = pass_.before(n);
    const float* const now = x.values + n * x.stride;
    const float* const before =
        row < 0 ? last_.of(pass_.rows()[static_cast<std::size_t>(n)].sequence) : x.values + row * x.stride;
    const float* const shares = shares_.data() + input * width_;
    for (std::int64_t c = 0; c < width_; ++c) out[c] = now[c] + shares[c] * (before[c] - now[c]);
  }

  const Pass& pass_;
  const Vector& shares_;
  std::int64_t width_;
  RecurrentLayer last_;
};

}  // namespace plumb
