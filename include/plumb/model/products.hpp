#pragma once
/// @file
/// The matrix products of one pass: which form of its input each takes, whose time it is, and who watches.

#include <cstdint>
#include <functional>
#include <initializer_list>

#include "plumb/core/parallel.hpp"
#include "plumb/model/op.hpp"
#include "plumb/model/scratch.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/ops/activation.hpp"
#include "plumb/ops/matmul.hpp"

namespace plumb {

/// Sees the input rows of every matrix product of a pass: what calibration collects. `weights` are the matrix, or the
/// stack whose matrix number `matrix` is multiplied. Called by one worker, in the order of the products, while the
/// others multiply; must not throw and must not keep the rows.
using ActivationObserver =
    std::function<void(const ops::WeightMatrix& weights, std::int64_t matrix, const ops::Activations& inputs)>;

/// What the products of a pass share.
class Products {
 public:
  /// `exact`: never quantize activations. `observer` may be null.
  Products(const Weights& weights, const KernelTable& kernels, bool exact, ops::MatmulScratch& scratch,
           const ActivationObserver* observer)
      : weights_(weights), kernels_(kernels), exact_(exact), scratch_(scratch), observer_(observer) {}

  /// A product and its name in traces.
  struct Named {
    Op op;
    ops::MatmulTask task;
  };
  /// Every worker: products with the same prepared input.
  void run(const Worker& worker, const ops::Activations& x, std::initializer_list<Named> products) const {
    for (const Named& named : products) observe(worker, *named.task.weights, 0, x);
    for (const Named& named : products) multiply(worker, x, named, takes_f32(*named.task.weights));
  }
  /// A product whose input nobody watches, and whether that input is f32 whatever the weights.
  void multiply(const Worker& worker, const ops::Activations& x, const Named& named, bool in_f32) const {
    worker.enter(named.op);
    ops::matmul(worker, {&kernels_, &scratch_, in_f32}, {&named.task, 1}, x);
  }

  /// gate = act(gate) * up in the rows of `inner`, which lie in `gate`, and in the columns that this worker's product
  /// with `up_weights` has just written; prepared for the next product.
  void activate(const Worker& worker, Activation kind, Rows& gate, const Rows& up, const ops::WeightMatrix& up_weights,
                const ops::Activations& inner, ops::ActivationForms forms) const {
    const Range mine = ops::matmul_rows(worker, up_weights);
    if (mine.empty()) return;
    for (int t = 0; t < inner.tiles(); ++t) {
      worker.enter(Op::activation);
      const Range rows = inner.tile(t);
      for (std::int64_t n = inner.first + rows.begin; n < inner.first + rows.end; ++n)
        ops::activate(kernels_, kind, gate.row(n) + mine.begin, up.row(n) + mine.begin, mine.size());
      worker.enter(Op::quantize);
      ops::prepare_tile(kernels_, inner, forms, t, mine);
    }
  }

  /// Shows the input of matrix `matrix` of a stack to whoever watches.
  void observe(const Worker& worker, const ops::WeightMatrix& weights, std::int64_t matrix,
               const ops::Activations& x) const {
    if (watched(worker)) (*observer_)(weights, matrix, x);
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
  bool takes_f32(const ops::WeightMatrix& w) const {
    return exact_ || (&w == &weights_.head.w && w.type == DType::bf16);
  }
  bool exact() const { return exact_; }
  const KernelTable& kernels() const { return kernels_; }
  ops::MatmulScratch& scratch() const { return scratch_; }

  static ops::MatmulTask into(const Linear& linear, Rows& out) { return into(linear, out.data(), out.stride()); }
  static ops::MatmulTask into(const Linear& linear, float* out, std::int64_t stride) {
    return {&linear.w, out, stride, linear.bias_data(), false};
  }
  static ops::MatmulTask onto(const Linear& linear, Rows& out) {
    return {&linear.w, out.data(), out.stride(), linear.bias_data(), true};
  }
  /// A barrier before a product with `next`, whose first weights are on their way meanwhile.
  static void meet(const Worker& worker, const ops::WeightMatrix& next) {
    ops::prefetch_product(worker, next);
    worker.barrier();
  }

 private:
  const Weights& weights_;
  const KernelTable& kernels_;
  bool exact_;
  ops::MatmulScratch& scratch_;
  const ActivationObserver* observer_;
};

}  // namespace plumb
