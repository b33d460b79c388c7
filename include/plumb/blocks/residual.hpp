#pragma once
/// @file
/// How a part of a layer reads the stream and puts its output back.
///
///     read   x = norm(residual), or the residual as it is, ready for products
///     write  residual += scale * post_norm(output), and then residual = stream_norm(residual)
///
/// A plain sum costs nothing of its own: the last product of the part adds to the stream. What is normed or scaled
/// before, and the first of two parallel parts, goes through a buffer.

#include "plumb/blocks/layer.hpp"
#include "plumb/blocks/pass.hpp"

namespace plumb::inline PLUMB_ABI {

/// One part's connection to the stream.
class Residual {
 public:
  /// `buffer`: where output waits that is not added right away. `defer`: it waits in any case, since another part
  /// still has to read the stream.
  Residual(const Pass& pass, const BranchSpec& spec, float scale, Rows& buffer, bool defer)
      : pass_(pass), spec_(spec), scale_(scale), buffer_(buffer), direct_(!defer && !spec.post_norm && scale == 1.0f) {}

  /// The rows of the stream, normed by `norm` with `weights`, ready for products, the first of them with `next`. For
  /// all workers; contains a barrier for more than a few rows.
  ops::Activations read(const Worker& worker, Op op, const std::optional<NormSpec>& norm, const NormWeights& weights,
                        std::int64_t width, const Linear& next, ops::ActivationForms forms) const {
    const Rows& residual = pass_.scratch().residual;
    ops::Activations x = pass_.normed(worker, pass_.n(), width);
    if (!norm) {
      x.values = residual.row(0);
      x.stride = residual.stride();
      pass_.prepare(worker, x, next, forms, [](Range) {});
      return x;
    }
    Rows& normed = pass_.normed_rows(worker, pass_.n());
    pass_.prepare(worker, x, next, forms, [&](Range rows) {
      worker.enter(op);
      for (std::int64_t n = rows.begin; n < rows.end; ++n)
        norm_row(pass_.kernels(), *norm, weights, residual.row(n), normed.row(n), width);
    });
    return x;
  }

  /// Where the part puts its output.
  BranchOutput output() const {
    if (direct_) return {&pass_.scratch().residual, true};
    return {&buffer_, false};
  }

  /// Adds what waits in the buffer, multiplies the sum by `all` and norms the stream. `columns`: those of the output
  /// that this worker has written, in every row.
  void write(const Worker& worker, Op op, const NormWeights& post, const NormWeights& stream, std::int64_t width,
             Range columns, float all = 1.0f) const {
    if (direct_ && !spec_.stream_norm && all == 1.0f) return;
    worker.enter(op);
    Range rows{0, pass_.n()};
    if (spec_.post_norm || spec_.stream_norm) {
      worker.barrier();  // a norm takes whole rows
      rows = worker.share(pass_.n());
      columns = {0, width};
    }
    for (std::int64_t n = rows.begin; n < rows.end; ++n) {
      float* const residual = pass_.scratch().residual.row(n);
      if (spec_.post_norm) norm_row(pass_.kernels(), *spec_.post_norm, post, buffer_.row(n), buffer_.row(n), width);
      if (!direct_)
        for (std::int64_t i = columns.begin; i < columns.end; ++i)
          residual[i] = (residual[i] + scale_ * buffer_.row(n)[i]) * all;
      else if (all != 1.0f)
        for (std::int64_t i = columns.begin; i < columns.end; ++i) residual[i] *= all;
      if (spec_.stream_norm) norm_row(pass_.kernels(), *spec_.stream_norm, stream, residual, residual, width);
    }
  }

 private:
  const Pass& pass_;
  const BranchSpec& spec_;
  float scale_;
  Rows& buffer_;
  bool direct_;
};

}  // namespace plumb
