#include "plumb/model/model.hpp"

#include <map>
#include <utility>

#include "plumb/io/open_model.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/pack_weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Tells of matrices that products meet in another form than their fast kernels read.
void warn_of_slow_paths(const Transformer& transformer, const std::function<void(std::string_view)>& warning) {
  std::map<DType, int> slow;
  const auto look = [&](const ops::WeightMatrix& w) {
    if (!w.packed() && ops::mostly_padding(w)) return;  // too few rows to matter
    if (!w.packed() || !transformer.kernels->matmul_for(w.type).available()) ++slow[w.type];
  };
  for_each_matrix(transformer.weights, [&](const std::string&, const ops::WeightMatrix& w) {
    if (&w != &transformer.weights.embedding) look(w);  // rows of the embedding are looked up, not multiplied with
  });
  if (transformer.config.tied_head) look(transformer.weights.head.w);
  for (const auto& [type, count] : slow)
    warning(std::to_string(count) + (count == 1 ? " matrix" : " matrices") + " of type " +
            std::string(dtype_name(type)) + " without a fast path: rows are interleaved anew in every product");
}

}  // namespace

Model Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  return from_file(open_model_file(path), options);
}

Model Model::from_file(const ModelFile& file, const LoadOptions& options) {
  auto parts = std::make_shared<Parts>();
  parts->source = file.path();
  Transformer& transformer = parts->transformer;
  transformer.config = config_from_file(file);
  transformer.exact = options.exact;
  const TensorSource source{file.path(), [&file](std::string_view name) -> std::optional<ConstTensorView> {
                              const GgufTensor* tensor = file.find_tensor(name);
                              if (!tensor) return std::nullopt;
                              return tensor->view;
                            }};
  transformer.weights = bind_weights(transformer.config, source);
  transformer.weights.owner = std::make_shared<ModelFile>(file);
  // Before packing, which takes the time: a bad vocabulary is told at once.
  if (options.tokenizer && file.find("tokenizer.ggml.model"))
    parts->tokenizer = std::make_unique<const Tokenizer>(Tokenizer::from_file(file));
  transformer.kernels = &active_kernels();
  if (!options.weights.empty())
    set_types(transformer.weights, transformer.config,
              weight_types_by_name(options.weights, transformer.config,
                                   stored_types(transformer.config, transformer.weights)));
  prepare_weights(transformer.weights, file, {options.repack && !options.exact, options.method, options.progress});
  if (options.warning && !options.exact) warn_of_slow_paths(transformer, options.warning);
  transformer.rope =
      ops::make_rope_table(transformer.config.rope, transformer.config.head_dim, transformer.weights.rope_factors);
  if (options.progress) options.progress(1.0);
  return Model(std::move(parts));
}

const Tokenizer& Model::tokenizer() const {
  if (!parts_->tokenizer) throw Error(ErrorCode::missing_key, parts_->source + ": the model has no tokenizer");
  return *parts_->tokenizer;
}

}  // namespace plumb
