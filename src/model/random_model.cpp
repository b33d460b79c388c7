#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/tensor_names.hpp"
#include "src/model/random_matrix.hpp"

namespace plumb {
namespace {

/// Memory that the weights of a random model point into.
struct OwnedTensors {
  std::vector<AlignedBuffer> matrices;
  std::vector<float> ones, zeros;
};

/// Binds names to tensors as a file would; matrices are announced without data and made afterwards.
Weights bind_announced(const ModelConfig& config, const WeightTypes& types, const OwnedTensors& owned) {
  std::map<std::string, TensorSpec, std::less<>> specs;
  for_each_tensor(config, [&](const TensorSpec& spec) { specs.emplace(gguf_tensor_name(spec), spec); });
  const auto find = [&](std::string_view name) -> std::optional<ConstTensorView> {
    const auto found = specs.find(name);
    if (found == specs.end()) return std::nullopt;
    const TensorSpec& spec = found->second;
    const std::vector<float>& values = spec.bias ? owned.zeros : owned.ones;
    const std::byte* const data = spec.is_matrix() ? nullptr : reinterpret_cast<const std::byte*>(values.data());
    return ConstTensorView(data, types.of(spec), spec.shape);
  };
  return bind_weights(config, {"random model", find});
}

std::vector<ops::WeightMatrix*> layer_matrices(LayerWeights& layer) {
  std::vector<ops::WeightMatrix*> matrices;
  for (Linear* linear : {&layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.gate, &layer.up, &layer.down})
    if (!linear->empty()) matrices.push_back(&linear->w);
  return matrices;
}

}  // namespace

Model Model::random(const ModelConfig& config, const WeightTypes& types, std::uint64_t seed,
                    const LoadOptions& options) {
  ModelConfig plain = config;
  plain.rope_factors = false;  // a table of constants, which changes neither bytes nor operations
  check_runnable(plain, "random model");
  auto owned = std::make_shared<OwnedTensors>();
  const int longest = std::max({plain.width, plain.q_dim(), plain.ffn_dim, plain.vocab_size});
  owned->ones.assign(static_cast<std::size_t>(longest), 1.0f);
  owned->zeros.assign(static_cast<std::size_t>(longest), 0.0f);

  auto parts = std::make_shared<Parts>();
  parts->source = "random model";
  Transformer& transformer = parts->transformer;
  Weights& weights = transformer.weights;
  weights = bind_announced(plain, types, *owned);

  const bool packed = options.repack && !options.exact;
  RandomMatrices matrices(seed);
  const auto make_rows = [&](ops::WeightMatrix& w) {
    owned->matrices.push_back(matrices.make(w.type, w.rows, w.cols, false));
    w.file = {owned->matrices.back().data(), w.type, Shape{w.rows, w.cols}};
  };
  const auto make = [&](ops::WeightMatrix& w) {
    if (!packed) return make_rows(w);
    weights.packed.push_back(matrices.make(w.type, w.rows, w.cols, true));
    w.panels = weights.packed.back().data();
    w.file = {};
  };
  make_rows(weights.embedding);  // its rows are looked up one by one
  int done = 0;
  for (LayerWeights& layer : weights.layers) {
    for (ops::WeightMatrix* w : layer_matrices(layer)) make(*w);
    if (options.progress) options.progress(++done / (plain.n_layers + 1.0));
  }
  if (!plain.tied_head) {
    make(weights.head.w);
  } else {
    weights.head.w = weights.embedding;
    if (packed) {
      weights.packed.push_back(pack_matrix(weights.embedding));
      weights.head.w.panels = weights.packed.back().data();
    }
  }
  if (options.progress) options.progress(1.0);

  weights.owner = std::move(owned);
  transformer.config = plain;
  transformer.exact = options.exact;
  transformer.kernels = &active_kernels();
  transformer.rope = ops::make_rope_table(plain.rope, plain.head_dim);
  return Model(std::move(parts));
}

}  // namespace plumb
