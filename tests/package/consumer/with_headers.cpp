/// The numerical core alone: a forward pass on portable kernels, with nothing linked but OpenMP. Exit code 0 means that
/// reading five tokens at once and one by one gives the same logits, and that the ledger counts the weights of this
/// model.

#include <plumb/core/parallel.hpp>
#include <plumb/headers_only.hpp>
#include <plumb/model/transformer.hpp>
#include <plumb/perf/ledger.hpp>

#include <cmath>
#include <cstdio>
#include <deque>
#include <vector>

namespace {

/// Matrices of made-up numbers, and their memory.
class Maker {
 public:
  plumb::ops::WeightMatrix matrix(int rows, int cols) {
    std::vector<float>& values = memory_.emplace_back(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    for (float& value : values) value = std::sin(static_cast<float>(++count_ % 1009));
    return plumb::ops::make_weight_matrix(
        {reinterpret_cast<const std::byte*>(values.data()), plumb::DType::f32, plumb::Shape{rows, cols}});
  }

 private:
  std::deque<std::vector<float>> memory_;
  int count_ = 0;
};

plumb::ModelConfig tiny() {
  plumb::ModelConfig config;
  config.vocab_size = 37;
  config.width = 24;
  config.n_layers = 1;
  config.n_heads = 3;
  config.n_kv_heads = 1;
  config.head_dim = 8;
  config.ffn_dim = 40;
  config.context = 8;
  config.norm_eps = 1e-5f;
  config.tied_head = true;
  return config;
}

plumb::Weights weights_of(const plumb::ModelConfig& c, Maker& maker) {
  plumb::Weights weights;
  weights.embedding = maker.matrix(c.vocab_size, c.width);
  weights.head.w = weights.embedding;
  weights.output_norm.assign(static_cast<std::size_t>(c.width), 1.0f);
  plumb::LayerWeights& layer = weights.layers.emplace_back();
  layer.attn_norm = layer.ffn_norm = weights.output_norm;
  layer.wq.w = maker.matrix(c.q_dim(), c.width);
  layer.wk.w = maker.matrix(c.kv_dim(), c.width);
  layer.wv.w = maker.matrix(c.kv_dim(), c.width);
  layer.wo.w = maker.matrix(c.width, c.q_dim());
  layer.gate.w = maker.matrix(c.ffn_dim, c.width);
  layer.up.w = maker.matrix(c.ffn_dim, c.width);
  layer.down.w = maker.matrix(c.width, c.ffn_dim);
  return weights;
}

/// Logits of the last of five tokens, read `at_once` at a time.
std::vector<float> logits_after_five(const plumb::Transformer& model, int at_once) {
  plumb::KvCache cache(model.config, 8, 1, plumb::DType::f32);
  plumb::Scratch scratch(model.config, at_once, 8, 2);
  scratch.reserve_logits(1, model.config.vocab_size);
  for (int first = 0; first < 5; first += at_once) {
    std::vector<plumb::BatchRow> rows;
    for (int i = first; i < first + at_once && i < 5; ++i) rows.push_back({7 * i, i, 0, i == 4});
    plumb::ForwardPass pass(model, cache, scratch, rows);
    plumb::run_parallel(2, [&](const plumb::Worker& worker) { pass.run(worker); });
    cache.extend(0, rows.back().position + 1);
  }
  return {scratch.logits.row(0), scratch.logits.row(0) + model.config.vocab_size};
}

}  // namespace

int main() {
  Maker maker;
  plumb::Transformer model;
  model.config = tiny();
  model.weights = weights_of(model.config, maker);
  model.rope = plumb::ops::make_rope_table(model.config.rope, model.config.head_dim);
  model.kernels = &plumb::active_kernels();

  const std::vector<float> together = logits_after_five(model, 5), one_by_one = logits_after_five(model, 1);
  if (together != one_by_one || !std::isfinite(together[0]) || together[0] == together[1]) return 1;

  const plumb::Ledger ledger = plumb::pass_work(model.config, {.weights = plumb::DType::f32});
  std::printf("%s kernels, logit %.4f, %.0f operations a token\n", model.kernels->name,
              static_cast<double>(together[0]), ledger.operations().total());
  return ledger.operations().total() > 2.0 * 24 * (24 + 8 + 8 + 24 + 3 * 40 + 37) ? 0 : 1;
}
