#pragma once
/// @file
/// The products that some models have after the pooling: y = dense_3 (dense_2 x), each where the model has it.

#include "plumb/blocks/products.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/forward_pass.hpp"

namespace plumb::inline PLUMB_ABI {

/// `pooled` [n, D] becomes [n, ModelSpec::embedding_width()]. @throws Error{overflow, out_of_memory}.
inline void project_embeddings(const Transformer& model, int threads, Rows& pooled) {
  int width = model.spec.width;
  for (const Linear* dense : {&model.weights.dense_2, &model.weights.dense_3}) {
    if (dense->empty()) continue;
    Rows out(pooled.rows(), dense->w.rows);
    ops::ActivationBuffer form(pooled.rows(), width);
    ops::MatmulScratch scratch(width, threads);
    const Products products(dense->w, *model.kernels, model.exact, scratch, nullptr);
    const ops::Activations x{pooled.row(0), pooled.rows(), width, pooled.stride(), &form};
    run_parallel(threads, [&](const Worker& worker) {
      ops::prepare_rows(worker, *model.kernels, x, products.forms({dense}));
      worker.barrier();
      products.run(worker, x, {{Op::head, Products::into(*dense, out)}});
    });
    pooled = std::move(out);
    width = static_cast<int>(dense->w.rows);
  }
}

}  // namespace plumb
