#pragma once
/// @file
/// The matrix products of one pass: which form of its input each takes, whose time it is, and who watches.

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "plumb/blocks/observer.hpp"
#include "plumb/blocks/op.hpp"
#include "plumb/blocks/scratch.hpp"
#include "plumb/blocks/tensors.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/ops/activation_functions.hpp"
#include "plumb/ops/matmul.hpp"

namespace plumb::inline PLUMB_ABI {

/// What the products of a pass share.
class Products {
 public:
  /// `head`: the matrix that makes logits. `exact`: never quantize activations. `observer` may be null.
  Products(const ops::WeightMatrix& head, const KernelTable& kernels, bool exact, ops::MatmulScratch& scratch,
           const ActivationObserver* observer)
      : head_(head), kernels_(kernels), exact_(exact), scratch_(scratch), observer_(observer) {}

  /// A product and its name in traces.
  struct Named {
    Op op;
    ops::MatmulTask task;
  };
  /// Every worker: products with the same prepared input.
  void run(const Worker& worker, const ops::Activations& x, std::initializer_list<Named> products) const {
    for (const Named& named : products) observe(worker, named, x);
    for (const Named& named : products) multiply(worker, x, named, takes_f32(*named.task.weights));
  }
  /// A product whose input nobody watches, and whether that input is f32 whatever the weights.
  void multiply(const Worker& worker, const ops::Activations& x, const Named& named, bool in_f32) const {
    multiply(worker, x, named, in_f32, ops::matmul_rows(worker, *named.task.weights));
  }
  /// The same, rows [rows.begin, rows.end) of the matrix, which begin at a multiple of 16.
  void multiply(const Worker& worker, const ops::Activations& x, const Named& named, bool in_f32, Range rows) const {
    worker.enter(named.op);
    ops::matmul(worker, {&kernels_, &scratch_, in_f32}, named.task, x, rows);
  }

  /// inner = act(gate x) * up x, or act(up x) without a gate, prepared for the next product, in the columns that are
  /// this worker's; nobody watches x. `inner` lies where the first of the products goes. Of many rows 128 columns at a
  /// time: the products are then read again while they are near.
  void activated(const Worker& worker, const ActivationFunction& function, const ops::Activations& x, const Named* gate,
                 const Named& up, const ops::Activations& inner, ops::ActivationForms forms) const {
    const Range mine = ops::matmul_rows(worker, *up.task.weights);
    const std::int64_t at_once = x.streamed() ? mine.size() : ops::kBlockPanels * kPanelRows;
    for (std::int64_t begin = mine.begin; begin < mine.end; begin += at_once) {
      const Range columns = {begin, std::min(begin + at_once, mine.end)};
      if (gate) multiply(worker, x, *gate, takes_f32(*gate->task.weights), columns);
      multiply(worker, x, up, takes_f32(*up.task.weights), columns);
      activate(worker, function, gate ? gate->task : up.task, gate ? &up.task : nullptr, inner, forms, columns);
    }
  }

  /// inner = act(gate x) * by, of rows that are there already: what `activated` does without a second product.
  void activated_by(const Worker& worker, Activation kind, const ops::Activations& x, const Named& gate,
                    const ops::MatmulTask& by, const ops::Activations& inner, ops::ActivationForms forms) const {
    const Range mine = ops::matmul_rows(worker, *gate.task.weights);
    if (mine.empty()) return;
    multiply(worker, x, gate, takes_f32(*gate.task.weights), mine);
    activate(worker, kind, gate.task, &by, inner, forms, mine);
  }
  /// The second half of `activated`, for products that are there already. `cutoffs` [rows]: of each row of the gate;
  /// what is below counts as zero, what is above as its distance.
  void activate_above(const Worker& worker, const ActivationFunction& function, const float* cutoffs,
                      const ops::MatmulTask& gate, const ops::MatmulTask& up, const ops::Activations& inner,
                      ops::ActivationForms forms) const {
    const Range mine = ops::matmul_rows(worker, *gate.weights);
    worker.enter(Op::activation);
    for (std::int64_t n = 0; n < inner.rows; ++n) {
      float* const row = gate.out + n * gate.out_stride;
      for (std::int64_t i = mine.begin; i < mine.end; ++i) row[i] = std::max(row[i] - cutoffs[n], 0.0f);
    }
    if (!mine.empty()) activate(worker, function, gate, &up, inner, forms, mine);
  }

  /// Shows the input of matrix `matrix` of a stack to whoever watches.
  void observe(const Worker& worker, const ops::WeightMatrix& weights, std::int64_t matrix,
               const ops::Activations& x) const {
    if (watched(worker)) (*observer_)(weights, matrix, x);
  }
  void observe(const Worker& worker, const Named& named, const ops::Activations& x) const {
    observe(worker, *named.task.weights, 0, x);
  }
  bool watched(const Worker& worker) const { return observer_ != nullptr && worker.first(); }

  /// Forms of the input that products with `consumers` take.
  ops::ActivationForms forms(std::initializer_list<const Linear*> consumers) const {
    ops::ActivationForms forms;
    for (const Linear* linear : consumers)
      forms |= ops::ActivationForms::of(kernels_, {&linear->w}, takes_f32(linear->w));
    return forms;
  }
  /// Whether products with `w` take f32 activations. The head does where its weights are bfloat16: nothing after it
  /// evens its rounding out, and it runs for the rows that ask only.
  bool takes_f32(const ops::WeightMatrix& w) const { return exact_ || (&w == &head_ && w.type == DType::bf16); }
  bool exact() const { return exact_; }
  const KernelTable& kernels() const { return kernels_; }
  ops::MatmulScratch& scratch() const { return scratch_; }

  static ops::MatmulTask into(const Linear& linear, Rows& out) { return into(linear, out.data(), out.stride()); }
  static ops::MatmulTask into(const Linear& linear, float* out, std::int64_t stride) {
    return {&linear.w, out, stride, linear.bias_data(), false};
  }
  /// A barrier before a product with `next`, whose first weights are on their way meanwhile.
  static void meet(const Worker& worker, const ops::WeightMatrix& next) {
    ops::prefetch_product(worker, next);
    worker.barrier();
  }

 private:
  /// gate = act(gate) * up (or without up, where there is none), and inner's prepared form of it.
  void activate(const Worker& worker, const ActivationFunction& function, const ops::MatmulTask& gate,
                const ops::MatmulTask* up, const ops::Activations& inner, ops::ActivationForms forms,
                Range columns) const {
    for (int t = 0; t < inner.tiles(); ++t) {
      worker.enter(Op::activation);
      if (!inner.streamed()) ops::claim_tile(inner, forms, t, columns);
      const Range rows = inner.tile(t);
      for (std::int64_t n = rows.begin; n < rows.end; ++n)
        ops::activate(kernels_, function, gate.out + n * gate.out_stride + columns.begin,
                      up ? up->out + n * up->out_stride + columns.begin : nullptr, columns.size());
      worker.enter(Op::quantize);
      ops::prepare_tile(kernels_, inner, forms, t, columns);
    }
  }

  const ops::WeightMatrix& head_;
  const KernelTable& kernels_;
  bool exact_;
  ops::MatmulScratch& scratch_;
  const ActivationObserver* observer_;
};

}  // namespace plumb
