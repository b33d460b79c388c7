#pragma once
/// @file
/// A product of every head with a matrix of its own: out[n, h] = W[h] x[n, h], where W is a stack. The line of all
/// (head, 32 rows of W) is dealt to workers in equal parts, so that each streams one run of the stack.

#include <cstdint>

#include "plumb/blocks/pass.hpp"

namespace plumb::inline PLUMB_ABI {

/// Rows of heads: head h of row n begins at values[n * row_stride + h * head_stride].
struct HeadRows {
  float* values = nullptr;
  std::int64_t row_stride = 0, head_stride = 0;
};

class HeadProducts {
 public:
  HeadProducts(const Pass& pass, const Linear& stack, Op op, const HeadRows& in, const HeadRows& out)
      : pass_(pass), products_(pass.products()), stack_(stack.w), op_(op), in_(in), out_(out) {}

  /// By every worker; a barrier must follow. Contains one for more than a few rows.
  void run(const Worker& worker) const {
    const ops::ActivationForms forms = ops::ActivationForms::of(pass_.kernels(), {&stack_}, products_.exact());
    const bool own = Pass::own(pass_.n());
    if (products_.watched(worker))
      for (std::int64_t h = 0; h < stack_.count; ++h) products_.observe(worker, stack_, h, head(h, nullptr, 0));
    if (!own) {
      worker.enter(Op::quantize);
      const std::int64_t tiles = shared(0).tiles();
      const Range mine = worker.share(stack_.count * tiles);
      for (std::int64_t task = mine.begin; task < mine.end; ++task)
        ops::prepare_tile(pass_.kernels(), shared(task / tiles), forms, static_cast<int>(task % tiles),
                          {0, stack_.cols});
      worker.barrier();
    }
    std::int64_t place = 0;
    each_head(worker, [&](std::int64_t h, Range rows) {
      const ops::Activations x =
          own ? head(h, &pass_.scratch().latent.own[index(worker)].heads, place++ * pass_.n()) : shared(h);
      if (own) {
        worker.enter(Op::quantize);
        for (int t = 0; t < x.tiles(); ++t) ops::prepare_tile(pass_.kernels(), x, forms, t, {0, x.cols});
      }
      const ops::WeightMatrix w = ops::matrix_of(stack_, h);
      const ops::MatmulTask task{&w, out_.values + h * out_.head_stride, out_.row_stride, nullptr, false};
      products_.multiply(worker, x, {op_, task}, products_.exact(), rows);
    });
  }

  /// Asks for the first weights that this worker will read: call it before the barrier that precedes `run`.
  void prefetch(const Worker& worker) const {
    bool first = true;
    each_head(worker, [&](std::int64_t h, Range rows) {
      if (first) ops::prefetch_rows(ops::matrix_of(stack_, h), rows);
      first = false;
    });
  }

 private:
  static std::size_t index(const Worker& worker) { return static_cast<std::size_t>(worker.index); }
  ops::Activations head(std::int64_t h, ops::ActivationBuffer* form, std::int64_t first) const {
    return {in_.values + h * in_.head_stride, pass_.n(), stack_.cols, in_.row_stride, form, first};
  }
  ops::Activations shared(std::int64_t h) const { return head(h, &pass_.scratch().latent.heads_form, h * pass_.n()); }

  /// visit(h, rows of W[h]) for the worker's part of the line.
  template <class Visit>
  void each_head(const Worker& worker, const Visit& visit) const {
    const std::int64_t units = ceil_div(stack_.rows, ops::kRowsPerShare);
    const Range mine = worker.share(stack_.count * units);
    for (std::int64_t at = mine.begin; at < mine.end;) {
      const std::int64_t h = at / units, end = std::min(mine.end, (h + 1) * units);
      visit(h, Range{(at - h * units) * ops::kRowsPerShare,
                     std::min(stack_.rows, (end - h * units) * ops::kRowsPerShare)});
      at = end;
    }
  }

  const Pass& pass_;
  const Products& products_;
  const ops::WeightMatrix& stack_;
  Op op_;
  HeadRows in_, out_;
};

}  // namespace plumb
