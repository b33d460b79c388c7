#include "plumb/model/model.hpp"

#include <utility>

#include "plumb/io/open_model.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/pack_weights.hpp"

namespace plumb {

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
  if (options.repack && !options.exact) pack_weights(transformer.weights, file, options.progress);
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
