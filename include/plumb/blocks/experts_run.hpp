#pragma once
/// @file
/// How a layer's experts are run. Rows are gathered by expert (ops/routing.hpp): a batch reads the weights of each
/// expert that it visits once, a single row those of its k experts. Sums run over experts in rising order, so a row's
/// result does not depend on the batch it is in.

#include <cmath>
#include <cstdint>

#include "plumb/blocks/experts.hpp"
#include "plumb/blocks/feed_forward_run.hpp"
#include "plumb/blocks/pass.hpp"
#include "plumb/ops/routing.hpp"

namespace plumb::inline PLUMB_ABI {

class ExpertsRun {
 public:
  ExpertsRun(const Pass& pass, const ExpertsSpec& spec, const ExpertsWeights& weights)
      : pass_(pass),
        spec_(spec),
        w_(weights),
        products_(pass.products()),
        s_(pass.scratch().experts),
        shared_(pass, spec.shared, weights.shared) {}

  /// The forms that it takes of its input as a whole, and the first product with it.
  ops::ActivationForms forms() const {
    ops::ActivationForms forms;
    if (spec_.has_shared()) forms = shared_.forms();
    forms.f32 = forms.f32 || (!spec_.apart && !spec_.route_early);  // routers
    return forms;
  }
  const Linear& first() const {
    return spec_.apart || (spec_.route_early && spec_.has_shared()) ? shared_.first() : w_.router;
  }
  Range columns(const Worker& worker) const { return ops::matmul_rows(worker, w_.down.w); }

  /// By every worker before the layer's mixer, where the router reads the stream as it is then: scores of `stream`
  /// [n, D]. The scores are complete behind the next barrier.
  void score_early(const Worker& worker, const Rows& stream) {
    ops::Activations x = pass_.normed(worker, pass_.n(), w_.router.w.cols);
    x.values = stream.row(0);
    x.stride = stream.stride();
    pass_.prepare(worker, x, w_.router, {.f32 = true}, [](Range) {});
    score(worker, x);
    if (!Pass::own(pass_.n())) worker.barrier();  // what was prepared is still being read
  }

  /// By every worker, on the prepared input [n, D].
  void run(const Worker& worker, const ops::Activations& x, const BranchOutput& output) {
    const ops::Activations own = spec_.apart ? read_apart(worker) : x;
    if (!spec_.route_early) {
      score(worker, own);
      worker.barrier();
    }
    const ops::Routing& routing = route(worker);
    gather(worker, spec_.apart ? pass_.activations(s_.apart, x.cols, s_.scored_form) : x, routing);
    meet(worker, routing, spec_.expert.gated ? w_.gate.w : w_.up.w);
    spread(worker, routing);
    if (spec_.has_shared()) shared_.spread(worker, x);
    meet(worker, routing, w_.down.w);
    contract(worker, routing);
    if (spec_.has_shared())
      products_.run(worker, shared_.inner(), {{Op::down, Products::into(w_.shared.down, s_.shared_out)}});
    if (spec_.apart)
      combine_apart(worker, routing, output);
    else
      combine(worker, routing, output);
  }

 private:
  /// scores[n] = router x, then shared_router x. In f32: a near tie decides which weights a row meets.
  void score(const Worker& worker, const ops::Activations& x) {
    float* const scores = s_.scores.data();
    const std::int64_t stride = s_.scores.stride();
    products_.multiply(worker, x, {Op::router, Products::into(w_.router, scores, stride)}, true);
    if (!spec_.shared_gate) return;
    const ops::MatmulTask share = Products::into(w_.shared_router, scores + spec_.count, stride);
    products_.multiply(worker, x, {Op::router, share}, true);
  }

  const ops::Routing& route(const Worker& worker) {
    worker.enter(Op::router);
    ops::Routing& routing = s_.routing[static_cast<std::size_t>(worker.index)];
    const float* const bias = spec_.choice_bias ? w_.choice_bias.data() : nullptr;
    routing.route(products_.kernels(), {spec_.count, spec_.used, spec_.routing, bias}, s_.scores.data(),
                  s_.scores.stride(), pass_.n());
    return routing;
  }

  /// The inputs of every expert, prepared for its gate and up. A task is a column tile of one expert.
  void gather(const Worker& worker, const ops::Activations& all, const ops::Routing& routing) {
    worker.enter(Op::quantize);
    const ops::ActivationForms forms =
        spec_.expert.gated ? products_.forms({&w_.gate, &w_.up}) : products_.forms({&w_.up});
    float* const gathered = products_.scratch().rows(worker);
    std::int64_t tiles = 0;
    each_expert(routing, [&](int, Range slots) { tiles += inputs(slots).tiles(); });
    const Range mine = worker.share(tiles);
    std::int64_t task = 0;
    each_expert(routing, [&](int e, Range slots) {
      const ops::Activations x = inputs(slots);
      for (int t = 0; t < x.tiles(); ++t, ++task) {
        if (task >= mine.begin && task < mine.end)
          ops::prepare_gathered_tile(products_.kernels(), x, forms, t, all.values, all.stride, routing.rows(slots),
                                     spec_.weigh_input ? routing.weights(slots) : nullptr, gathered);
        if (products_.watched(worker)) show(worker, all, e, x, t, routing, slots, gathered);
      }
    });
  }
  /// The rows of one tile, to whoever watches.
  void show(const Worker& worker, const ops::Activations& all, int e, const ops::Activations& x, int t,
            const ops::Routing& routing, Range slots, float* gathered) {
    const Range tile = x.tile(t);
    ops::gather_rows(all.values, all.stride, x.cols, routing.rows(slots),
                     spec_.weigh_input ? routing.weights(slots) : nullptr, tile, gathered);
    for (const Linear* linear : {&w_.gate, &w_.up})
      if (!linear->empty()) products_.observe(worker, linear->w, e, {gathered, tile.size(), x.cols, x.cols, nullptr});
  }

  /// gate[slot] = act(gate_e x) * up_e x, prepared for down_e: each worker its columns.
  void spread(const Worker& worker, const ops::Routing& routing) {
    const ops::ActivationForms forms = products_.forms({&w_.down});
    each_expert(routing, [&](int e, Range slots) {
      const ops::WeightMatrix gate = ops::matrix_of(w_.gate.w, e), up = ops::matrix_of(w_.up.w, e);
      const Products::Named gated{Op::gate, into(gate, w_.gate, e, s_.gate, slots)};
      const Products::Named upped{Op::up, into(up, w_.up, e, spec_.expert.gated ? s_.up : s_.gate, slots)};
      products_.activated(worker, spec_.expert.function(), inputs(slots), spec_.expert.gated ? &gated : nullptr, upped,
                          inner(slots), forms);
    });
  }

  /// out[slot] = down_e gate[slot].
  void contract(const Worker& worker, const ops::Routing& routing) {
    each_expert(routing, [&](int e, Range slots) {
      const ops::Activations x = inner(slots);
      products_.observe(worker, w_.down.w, e, x);
      const ops::WeightMatrix down = ops::matrix_of(w_.down.w, e);
      products_.multiply(worker, x, {Op::down, into(down, w_.down, e, s_.out, slots)}, products_.exact());
    });
  }

  /// output += the weighted outputs of a row's experts, in the columns that this worker has computed.
  void combine(const Worker& worker, const ops::Routing& routing, const BranchOutput& output) {
    worker.enter(Op::router);
    const Range mine = columns(worker);
    for (std::int64_t n = 0; n < pass_.n(); ++n) {
      WeightedRows sum(products_.kernels(), output.rows->row(n), mine, output.accumulate);
      for (const ops::Routing::Visit& visit : routing.visits(n)) sum.add(weight(visit), s_.out.row(visit.slot));
      if (spec_.has_shared() && !spec_.apart) sum.add(shared_weight(n), s_.shared_out.row(n));
    }
  }
  /// Some columns of a sum of rows, each times its weight; the sum is there when this goes out of scope.
  class WeightedRows {
   public:
    WeightedRows(const KernelTable& kernels, float* sum, Range columns, bool accumulate)
        : kernels_(kernels), sum_(sum + columns.begin), columns_(columns), accumulate_(accumulate) {}
    WeightedRows(const WeightedRows&) = delete;
    WeightedRows& operator=(const WeightedRows&) = delete;
    ~WeightedRows() { flush(); }

    void add(float weight, const float* row) {
      if (count_ == kMost) flush();
      weights_[count_] = weight;
      rows_[count_++] = row + columns_.begin;
    }

   private:
    static constexpr int kMost = 16;  // rows read side by side
    void flush() {
      kernels_.vector.weighted_sum(rows_, weights_, count_, accumulate_, sum_, columns_.size());
      accumulate_ = true;
      count_ = 0;
    }
    const KernelTable& kernels_;
    float* sum_;
    Range columns_;
    bool accumulate_;
    int count_ = 0;
    const float* rows_[kMost];
    float weights_[kMost];
  };
  float weight(const ops::Routing::Visit& visit) const {
    const float routed = spec_.weigh_input ? 1.0f : visit.weight;
    if (!spec_.expert_scale) return routed;
    return routed * w_.expert_scale[static_cast<std::size_t>(visit.expert)];
  }
  float shared_weight(std::int64_t n) const {
    if (!spec_.shared_gate) return 1.0f;
    return 1.0f / (1.0f + std::exp(-s_.scores.row(n)[spec_.count]));
  }
  /// What experts apart from the shared one and their router read of the stream: this worker's column tiles of both,
  /// each normed. Returns the router's.
  ops::Activations read_apart(const Worker& worker) {
    const std::int64_t width = w_.router.w.cols;
    const Rows& stream = pass_.scratch().residual;
    const ops::Activations x = pass_.activations(s_.scored, width, s_.scored_form);
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    const Range mine = worker.share(x.tiles());
    for (std::int64_t t = mine.begin; t < mine.end; ++t) {
      worker.enter(Op::ffn_norm);
      const Range tile = x.tile(static_cast<int>(t));
      for (std::int64_t n = tile.begin; n < tile.end; ++n) {
        norm_row(products_.kernels(), *spec_.apart, w_.norm, stream.row(n), s_.apart.row(n), width);
        float* const scored = s_.scored.row(n);
        norm_row(products_.kernels(), *spec_.apart, w_.router_norm, stream.row(n), scored, width);
        for (std::int64_t k = 0; k < width; ++k) scored[k] *= scale;
      }
      worker.enter(Op::quantize);
      ops::prepare_tile(products_.kernels(), x, {.f32 = true}, static_cast<int>(t), {0, width});
    }
    worker.barrier();
    return x;
  }
  /// output = the norm of the sum of a row's experts + the norm of the shared one's output, by rows.
  void combine_apart(const Worker& worker, const ops::Routing& routing, const BranchOutput& output) {
    Rows& sums = s_.scored;  // read by nobody since the scores
    combine(worker, routing, {&sums, false});
    worker.barrier();
    worker.enter(Op::ffn_norm);
    const std::int64_t width = w_.router.w.cols;
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      float *const sum = sums.row(n), *const shared = s_.shared_out.row(n), *const out = output.rows->row(n);
      norm_row(products_.kernels(), *spec_.apart, w_.post_norm, sum, sum, width);
      norm_row(products_.kernels(), *spec_.apart, w_.shared_post_norm, shared, shared, width);
      for (std::int64_t k = 0; k < width; ++k) out[k] = sum[k] + shared[k];
    }
  }

  /// visit(e, slots) for every expert that some row visits.
  template <class Visit>
  static void each_expert(const ops::Routing& routing, const Visit& visit) {
    for (int e = 0; e < routing.count(); ++e)
      if (const Range slots = routing.slots(e); !slots.empty()) visit(e, slots);
  }
  /// A barrier before products with a stack.
  static void meet(const Worker& worker, const ops::Routing& routing, const ops::WeightMatrix& stack) {
    Products::meet(worker, ops::matrix_of(stack, routing.visits(0).front().expert));
  }
  /// The product of expert e's matrix with the rows of its slots.
  static ops::MatmulTask into(const ops::WeightMatrix& expert, const Linear& stack, int e, Rows& out, Range slots) {
    const float* const bias = stack.bias.empty() ? nullptr : stack.bias.data() + e * expert.rows;
    return {&expert, out.row(slots.begin), out.stride(), bias, false};
  }
  /// Gathered rows of some slots: prepared, and nowhere else.
  ops::Activations inputs(Range slots) const {
    return {nullptr, slots.size(), w_.up.w.cols, 0, &s_.input_form, slots.begin};
  }
  ops::Activations inner(Range slots) const {
    return {s_.gate.row(slots.begin), slots.size(), spec_.expert.inner, s_.gate.stride(), &s_.inner_form, slots.begin};
  }

  const Pass& pass_;
  const ExpertsSpec& spec_;
  const ExpertsWeights& w_;
  const Products& products_;
  ExpertsScratch& s_;
  DenseRun shared_;
};

}  // namespace plumb
