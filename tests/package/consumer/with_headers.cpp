/// The numerical core alone: a forward pass on portable kernels, with nothing linked but OpenMP. Exit code 0 means that
/// reading five tokens at once and one by one gives the same logits, and that the ledger counts the weights of this
/// model.

#include <plumb/core/parallel.hpp>
#include <plumb/headers_only.hpp>
#include <plumb/model/forward_pass.hpp>
#include <plumb/model/llama_spec.hpp>
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

plumb::ModelSpec tiny() {
  return plumb::llama_spec({.vocab = 37,
                            .width = 24,
                            .layers = 1,
                            .heads = 3,
                            .kv_heads = 1,
                            .head_dim = 8,
                            .ffn = 40,
                            .context = 8,
                            .tied = true});
}

plumb::Weights weights_of(const plumb::ModelSpec& spec, Maker& maker) {
  plumb::Weights weights;
  weights.layers.resize(spec.layers.size());
  plumb::for_each_slot(spec, weights, [&](const plumb::TensorSlot& slot) {
    const plumb::Shape& shape = slot.spec.shape;
    if (slot.matrix)
      *slot.matrix = maker.matrix(static_cast<int>(shape.rows()), static_cast<int>(shape.cols()));
    else
      slot.vector->assign(static_cast<std::size_t>(shape.elements()), 1.0f);
  });
  weights.head.w = weights.embedding.w;  // tied
  return weights;
}

/// Logits of the last of five tokens, read `at_once` at a time.
std::vector<float> logits_after_five(const plumb::Transformer& model, int at_once) {
  plumb::SessionState state(plumb::layer_states(model.spec), {.context = 8, .batch = at_once});
  plumb::Scratch scratch(plumb::scratch_sizes(model.spec), at_once, 8, 2);
  const std::vector<plumb::ops::RopeTable> ropes = plumb::make_rope_tables(model, 8);
  scratch.reserve_logits(1, model.spec.vocab_size);
  for (int first = 0; first < 5; first += at_once) {
    std::vector<plumb::BatchRow> rows;
    for (int i = first; i < first + at_once && i < 5; ++i) rows.push_back({7 * i, i, 0, i == 4});
    plumb::ForwardPass pass(model, ropes, state, scratch, rows);
    plumb::run_parallel(2, [&](const plumb::Worker& worker) { pass.run(worker); });
    state.extend(0, rows.back().position + 1);
  }
  return {scratch.logits.row(0), scratch.logits.row(0) + model.spec.vocab_size};
}

}  // namespace

int main() {
  Maker maker;
  plumb::Transformer model;
  model.spec = tiny();
  model.weights = weights_of(model.spec, maker);
  model.kernels = &plumb::active_kernels();

  const std::vector<float> together = logits_after_five(model, 5), one_by_one = logits_after_five(model, 1);
  if (together != one_by_one || !std::isfinite(together[0]) || together[0] == together[1]) return 1;

  const plumb::Ledger ledger = plumb::pass_work(model.spec, {.weights = plumb::DType::f32});
  std::printf("%s kernels, logit %.4f, %.0f operations a token\n", model.kernels->name,
              static_cast<double>(together[0]), ledger.operations().total());
  return ledger.operations().total() > 2.0 * 24 * (24 + 8 + 8 + 24 + 3 * 40 + 37) ? 0 : 1;
}
