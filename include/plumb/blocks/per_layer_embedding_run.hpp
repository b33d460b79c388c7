#pragma once
/// @file
/// How per-layer embeddings are run: the values of all layers at the beginning of a pass, and the branch after a layer.

#include <cmath>
#include <numeric>

#include "plumb/blocks/pass.hpp"
#include "plumb/blocks/per_layer_embedding.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI {

class PerLayerRun {
 public:
  PerLayerRun(const Pass& pass, const PerLayerEmbeddingSpec& spec, std::int64_t width)
      : pass_(pass), spec_(spec), width_(width), s_(pass.scratch()) {}

  /// The values of all layers, from the embeddings in the stream. By every worker, after a barrier. They are ready
  /// after the next barrier.
  void begin(const Worker& worker, const PerLayerEmbeddingWeights& w) const {
    ops::Activations x = pass_.normed(worker, pass_.n(), width_);
    x.values = s_.residual.row(0);
    x.stride = s_.residual.stride();
    pass_.prepare(worker, x, w.inputs, pass_.products().forms({&w.inputs}), [](Range) {});
    pass_.products().run(worker, x, {{Op::per_layer, Products::into(w.inputs, s_.per_layer)}});
    worker.barrier();
    join(worker, w);
  }

  /// The branch of layer l. read(n, out) gives what its gate reads of row n; where it needs no copying, `input` has the
  /// rows and `read` is not called. put(n, x) takes what comes back to the stream, [D] of row n. By every worker, after
  /// a barrier, and ends with one.
  template <class Read, class Put>
  void branch(const Worker& worker, const PerLayerBranchWeights& w, int l, const Rows* input, const Read& read,
              const Put& put) const {
    const Products& products = pass_.products();
    ops::Activations x = pass_.normed(worker, pass_.n(), width_);
    if (input) {
      x.values = input->row(0);
      x.stride = input->stride();
    }
    Rows& copies = pass_.normed_rows(worker, pass_.n());
    pass_.prepare(worker, x, w.gate, products.forms({&w.gate}), [&](Range rows) {
      for (std::int64_t n = rows.begin; !input && n < rows.end; ++n) read(n, copies.row(n));
    });
    const Products::Named gate{Op::per_layer, Products::into(w.gate, s_.ffn_gate)};
    const ops::MatmulTask own{nullptr, s_.per_layer.data() + std::int64_t{l} * spec_.width, s_.per_layer.stride()};
    const ops::Activations inner = pass_.activations(s_.ffn_gate, spec_.width, s_.inner_form);
    products.observe(worker, gate, x);
    products.activated_by(worker, spec_.activation, x, gate, own, inner, products.forms({&w.out}));
    Products::meet(worker, w.out.w);
    products.run(worker, inner, {{Op::per_layer, Products::into(w.out, s_.branch[0])}});
    worker.barrier();
    worker.enter(Op::ffn_norm);
    const Range mine = worker.share(pass_.n());
    for (std::int64_t n = mine.begin; n < mine.end; ++n) {
      float* const back = s_.branch[0].row(n);
      norm_row(pass_.kernels(), spec_.norm, w.norm, back, back, width_);
      put(n, back);
    }
    worker.barrier();
  }

 private:
  /// per_layer = the norm of every layer's part, joined with the token's row of the table. A task is a row and as many
  /// layers as end with a block of the table.
  void join(const Worker& worker, const PerLayerEmbeddingWeights& w) const {
    worker.enter(Op::embedding);
    const ops::WeightMatrix& table = w.table.w;
    const DTypeInfo& type = dtype_info(table.type);
    const std::int64_t chunk = type.in_memory() ? table.cols : std::lcm<std::int64_t>(type.block_elements, spec_.width);
    const std::int64_t chunks = table.cols / chunk;
    const float half = std::sqrt(0.5f), before = 1.0f / std::sqrt(static_cast<float>(width_));
    const float of_table = half * std::sqrt(static_cast<float>(spec_.width));
    float* const looked_up = pass_.products().scratch().rows(worker);
    const Range mine = worker.share(pass_.n() * chunks);
    for (std::int64_t task = mine.begin; task < mine.end; ++task) {
      const std::int64_t n = task / chunks, at = task % chunks * chunk;
      const Token token = pass_.rows()[static_cast<std::size_t>(n)].token;
      const std::byte* const row = table.file.row(token < table.rows ? token : 0);
      dequantize_row(table.type, row + row_bytes(table.type, at), looked_up, chunk);
      for (std::int64_t k = 0; k < chunk; k += spec_.width) {
        float* const values = s_.per_layer.row(n) + at + k;
        for (std::int64_t i = 0; i < spec_.width; ++i) values[i] *= before;
        norm_row(pass_.kernels(), spec_.norm, w.norm, values, values, spec_.width);
        for (std::int64_t i = 0; i < spec_.width; ++i) values[i] = half * values[i] + of_table * looked_up[k + i];
      }
    }
  }

  const Pass& pass_;
  const PerLayerEmbeddingSpec& spec_;
  std::int64_t width_;
  Scratch& s_;
};

}  // namespace plumb
