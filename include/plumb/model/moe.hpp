#pragma once
/// @file
/// The feed-forward block of a mixture of experts. With x the normed row, E experts of which each row visits k, and
/// perhaps an expert S that all rows share:
///
///     p    = softmax(router x)                                               [E], in f32
///     x   += sum over the k largest p_e:  p_e * down_e(act(gate_e x) * up_e x)
///     x   += sigmoid(shared_router x) * down_S(act(gate_S x) * up_S x)
///
/// Rows are gathered by expert (ops/routing.hpp): a batch reads the weights of each expert that it visits once, a
/// single row those of its k experts. Sums run over experts in rising order, so a row's result does not depend on the
/// batch it is in.

#include <cmath>
#include <cstdint>
#include <vector>

#include "plumb/model/products.hpp"
#include "plumb/ops/routing.hpp"

namespace plumb::inline PLUMB_ABI {

/// One layer's pass through its experts.
class MoeBlock {
 public:
  /// `x`: the normed rows, prepared with forms(); `scratch.residual` receives the sum.
  MoeBlock(const ModelConfig& config, const LayerWeights& weights, const Products& products, Scratch& scratch,
           const ops::Activations& x)
      : config_(config),
        w_(weights),
        experts_(weights.experts),
        products_(products),
        s_(scratch),
        moe_(scratch.moe),
        x_(x) {}

  /// The forms that the block takes of its input as a whole.
  static ops::ActivationForms forms(const Products& products, const LayerWeights& weights) {
    ops::ActivationForms forms = products.forms({&weights.gate, &weights.up});
    forms.f32 = true;  // routers
    return forms;
  }

  /// Every worker, after a barrier; another must follow.
  void run(const Worker& worker) {
    score(worker);
    worker.barrier();
    const ops::Routing& routing = route(worker);
    gather(worker, routing);
    meet(worker, routing, experts_.gate.w);
    spread(worker, routing);
    const ops::Activations shared{s_.ffn_gate.data(), x_.rows, w_.down.w.cols, s_.ffn_gate.stride(), &s_.inner_form};
    if (!w_.down.empty()) spread_shared(worker, shared);
    meet(worker, routing, experts_.down.w);
    contract(worker, routing);
    if (!w_.down.empty()) products_.run(worker, shared, {{Op::down, Products::into(w_.down, moe_.shared_out)}});
    combine(worker, routing);
  }

 private:
  /// scores[n] = router x, then shared_router x. In f32: a near tie decides which weights a row meets.
  void score(const Worker& worker) {
    float* const scores = moe_.scores.data();
    const std::int64_t stride = moe_.scores.stride();
    products_.multiply(worker, x_, {Op::router, Products::into(experts_.router, scores, stride)}, true);
    if (experts_.shared_router.empty()) return;
    const ops::MatmulTask share = Products::into(experts_.shared_router, scores + config_.moe.count, stride);
    products_.multiply(worker, x_, {Op::router, share}, true);
  }

  const ops::Routing& route(const Worker& worker) {
    worker.enter(Op::router);
    ops::Routing& routing = moe_.routing[static_cast<std::size_t>(worker.index)];
    routing.route(products_.kernels(), moe_.scores.data(), moe_.scores.stride(), x_.rows, config_.moe.renormalise);
    return routing;
  }

  /// The inputs of every expert, prepared for its gate and up. A task is a column tile of one expert.
  void gather(const Worker& worker, const ops::Routing& routing) {
    worker.enter(Op::quantize);
    const ops::ActivationForms forms = products_.forms({&experts_.gate, &experts_.up});
    float* const gathered = products_.scratch().rows(worker);
    std::int64_t tiles = 0;
    each_expert(routing, [&](int, Range slots) { tiles += inputs(slots).tiles(); });
    const Range mine = worker.share(tiles);
    std::int64_t task = 0;
    each_expert(routing, [&](int e, Range slots) {
      const ops::Activations x = inputs(slots);
      for (int t = 0; t < x.tiles(); ++t, ++task) {
        if (task >= mine.begin && task < mine.end)
          ops::prepare_gathered_tile(products_.kernels(), x, forms, t, x_.values, x_.stride, routing.rows(slots),
                                     gathered);
        if (products_.watched(worker)) show(worker, e, x, t, routing.rows(slots), gathered);
      }
    });
  }
  /// The rows of one tile, to whoever watches.
  void show(const Worker& worker, int e, const ops::Activations& x, int t, const std::int64_t* row, float* gathered) {
    const Range tile = x.tile(t);
    for (std::int64_t i = 0; i < tile.size(); ++i)
      std::copy_n(x_.values + row[tile.begin + i] * x_.stride, x.cols, gathered + i * x.cols);
    for (const Linear* linear : {&experts_.gate, &experts_.up})
      products_.observe(worker, linear->w, e, {gathered, tile.size(), x.cols, x.cols, nullptr});
  }

  /// gate[slot] = act(gate_e x) * up_e x, prepared for down_e: each worker its columns.
  void spread(const Worker& worker, const ops::Routing& routing) {
    const ops::ActivationForms forms = products_.forms({&experts_.down});
    each_expert(routing, [&](int e, Range slots) {
      const ops::Activations x = inputs(slots);
      const ops::WeightMatrix gate = ops::matrix_of(experts_.gate.w, e), up = ops::matrix_of(experts_.up.w, e);
      products_.gated(worker, config_.activation, x, {Op::gate, into(gate, moe_.gate, slots)},
                      {Op::up, into(up, moe_.up, slots)}, inner(slots), forms);
    });
  }
  void spread_shared(const Worker& worker, const ops::Activations& shared) {
    products_.run_gated(worker, config_.activation, x_, {Op::gate, Products::into(w_.gate, s_.ffn_gate)},
                        {Op::up, Products::into(w_.up, s_.ffn_up)}, shared, products_.forms({&w_.down}));
  }

  /// out[slot] = down_e gate[slot].
  void contract(const Worker& worker, const ops::Routing& routing) {
    each_expert(routing, [&](int e, Range slots) {
      const ops::Activations x = inner(slots);
      products_.observe(worker, experts_.down.w, e, x);
      const ops::WeightMatrix down = ops::matrix_of(experts_.down.w, e);
      products_.multiply(worker, x, {Op::down, into(down, moe_.out, slots)}, products_.exact());
    });
  }

  /// residual += the weighted outputs of a row's experts, in the columns that this worker has computed.
  void combine(const Worker& worker, const ops::Routing& routing) {
    worker.enter(Op::router);
    const Range mine = ops::matmul_rows(worker, experts_.down.w);
    for (std::int64_t n = 0; n < x_.rows; ++n) {
      for (const ops::Routing::Visit& visit : routing.visits(n))
        add_scaled(visit.weight, moe_.out.row(visit.slot), mine, s_.residual.row(n));
      if (!w_.down.empty()) add_scaled(shared_weight(n), moe_.shared_out.row(n), mine, s_.residual.row(n));
    }
  }
  float shared_weight(std::int64_t n) const {
    if (experts_.shared_router.empty()) return 1.0f;
    return 1.0f / (1.0f + std::exp(-moe_.scores.row(n)[config_.moe.count]));
  }
  static void add_scaled(float weight, const float* from, Range columns, float* sum) {
    for (std::int64_t k = columns.begin; k < columns.end; ++k) sum[k] += weight * from[k];
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
  /// The product of an expert's matrix with the rows of its slots.
  static ops::MatmulTask into(const ops::WeightMatrix& expert, Rows& out, Range slots) {
    return {&expert, out.row(slots.begin), out.stride(), nullptr, false};
  }
  /// Gathered rows of some slots: prepared, and nowhere else.
  ops::Activations inputs(Range slots) const {
    return {nullptr, slots.size(), config_.width, 0, &moe_.input_form, slots.begin};
  }
  ops::Activations inner(Range slots) const {
    return {moe_.gate.row(slots.begin), slots.size(),     config_.moe.ffn_dim,
            moe_.gate.stride(),         &moe_.inner_form, slots.begin};
  }

  const ModelConfig& config_;
  const LayerWeights& w_;
  const ExpertWeights& experts_;
  const Products& products_;
  Scratch& s_;
  MoeScratch& moe_;
  const ops::Activations& x_;
};

}  // namespace plumb
