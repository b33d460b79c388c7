#pragma once
/// @file
/// What the blocks of one forward pass share: the batch, the scratch, products, state; and how rows are made ready for
/// products.

#include <cstdint>
#include <span>

#include "plumb/blocks/batch.hpp"
#include "plumb/blocks/products.hpp"
#include "plumb/blocks/scratch.hpp"
#include "plumb/blocks/state.hpp"

namespace plumb::inline PLUMB_ABI {

/// Where the output of a part of a layer goes: straight onto the stream, or into a buffer.
struct BranchOutput {
  Rows* rows = nullptr;  // [n, D]
  bool accumulate = false;

  /// The product of `linear` with a prepared input, put there.
  ops::MatmulTask task(const Linear& linear) const {
    return {&linear.w, rows->data(), rows->stride(), linear.bias_data(), accumulate};
  }
};

/// One pass over `rows`, seen by one of its workers or by all.
class Pass {
 public:
  /// `by_sequence`: the rows are grouped though nothing is remembered by recurrence.
  Pass(const Products& products, std::span<const ops::RopeTable> ropes, SessionState& state, Scratch& scratch,
       std::span<const BatchRow> rows, bool by_sequence = false)
      : products_(products), ropes_(ropes), state_(state), scratch_(scratch), rows_(rows) {
    if (state.recurrent() || by_sequence) sequences_ = scratch.by_sequence.group(rows);
  }

  const Products& products() const { return products_; }
  const KernelTable& kernels() const { return products_.kernels(); }
  std::span<const ops::RopeTable> ropes() const { return ropes_; }
  SessionState& state() const { return state_; }
  Scratch& scratch() const { return scratch_; }
  std::span<const BatchRow> rows() const { return rows_; }
  /// The sequences of the batch with their rows, where the model remembers by recurrence or rows see later ones.
  std::span<const SequenceRows> sequences() const { return sequences_; }
  /// The row before row n in its sequence, where sequences() has them; -1: it is the first of the batch.
  std::int32_t before(std::int64_t n) const { return scratch_.by_sequence.before(n); }
  /// Rows of the batch.
  std::int64_t n() const { return static_cast<std::int64_t>(rows_.size()); }
  std::span<const ops::AttentionRow> asking() const { return {scratch_.asking.data(), rows_.size()}; }

  /// Whether each worker prepares so many rows for itself.
  static bool own(std::int64_t rows) { return rows <= kOwnRows; }

  /// Where so many normalised rows go: the worker's own place, if they are few, or everybody's.
  Rows& normed_rows(const Worker& worker, std::int64_t rows) const {
    return own(rows) ? own_inputs(worker).normed : scratch_.normed;
  }
  /// The same with their prepared forms.
  ops::Activations normed(const Worker& worker, std::int64_t rows, std::int64_t width) const {
    ops::ActivationBuffer& form = own(rows) ? own_inputs(worker).form : scratch_.input_form;
    const Rows& values = normed_rows(worker, rows);
    return {values.row(0), rows, width, values.stride(), &form};
  }
  /// All rows of a buffer, with a place for their prepared form.
  ops::Activations activations(const Rows& rows, std::int64_t cols, ops::ActivationBuffer& form) const {
    return {rows.row(0), n(), cols, rows.stride(), &form};
  }
  /// A worker's own place for prepared heads where rows are few, `shared` otherwise. The prepared input stays.
  ops::ActivationBuffer& form_for(const Worker& worker, ops::ActivationBuffer& shared) const {
    return own(n()) ? own_inputs(worker).heads_form : shared;
  }
  /// Where mixtures with rows before go: the worker's own place, if they are few, or everybody's.
  ShiftedInputs& shifted(const Worker& worker) const {
    return own(n()) ? scratch_.own_shifts[static_cast<std::size_t>(worker.index)] : scratch_.shifted;
  }

  /// Makes x ready for products, the first of them with `next`: make(rows) computes the rows of a tile, which are
  /// prepared while they are in the worker's own cache. Afterwards every worker may multiply.
  template <class Make>
  void prepare(const Worker& worker, const ops::Activations& x, const Linear& next, ops::ActivationForms forms,
               const Make& make) const {
    ops::prefetch_product(worker, next.w);
    const Range mine = own(x.rows) ? Range{0, x.tiles()} : worker.share(x.tiles());
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      make(x.tile(static_cast<int>(t)));
      worker.enter(Op::quantize);
      ops::prepare_tile(kernels(), x, forms, static_cast<int>(t), {0, x.cols});
    }
    if (!own(x.rows)) worker.barrier();
  }

  /// Rows that a block has computed, changed once more before the product with `next` and made ready for it:
  /// change(n, from, to) writes row n. Many rows in place, from == to; a few by every worker in a place of its own.
  template <class Change>
  ops::Activations finish(const Worker& worker, Rows& rows, std::int64_t cols, ops::ActivationBuffer& shared,
                          const Linear& next, ops::ActivationForms forms, const Change& change) const {
    Rows& to = own(n()) ? own_inputs(worker).finished : rows;
    const ops::Activations x = activations(to, cols, form_for(worker, shared));
    prepare(worker, x, next, forms, [&](Range tile) {
      for (std::int64_t i = tile.begin; i < tile.end; ++i) change(i, rows.row(i), to.row(i));
    });
    return x;
  }

 private:
  OwnInputs& own_inputs(const Worker& worker) const { return scratch_.own[static_cast<std::size_t>(worker.index)]; }

  const Products& products_;
  std::span<const ops::RopeTable> ropes_;
  SessionState& state_;
  Scratch& scratch_;
  std::span<const BatchRow> rows_;
  std::span<const SequenceRows> sequences_;
};

}  // namespace plumb
