#pragma once
/// @file
/// A model: configuration, weights, tokenizer. Immutable, cheap to copy, shared by any number of sessions.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "plumb/core/dtype.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/transformer.hpp"
#include "plumb/model/weight_types.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb {

/// How to load a model. The library never prints: what there is to say goes to the callbacks, from the calling thread.
struct LoadOptions {
  bool exact = false;     ///< keep activations in f32 in every product: slower, the same numbers as a plain evaluation
  bool repack = true;     ///< interleave the weights for the kernels and give the file's pages back; false: in place
  bool tokenizer = true;  ///< read the file's tokenizer, if it has one
  std::function<void(std::string_view message)> warning = {};  ///< something works but not as well as it might
  std::function<void(double fraction)> progress = {};          ///< 0 to 1
};

/// Handle to an immutable model; copies share it.
class Model {
 public:
  /// Opens, checks and binds a model file (GGUF, or a llama2.c checkpoint). The file stays mapped while any copy lives.
  /// @throws Error with the codes of open_model_file, config_from_file, bind_weights and Tokenizer::from_file.
  static Model load(const std::filesystem::path& path, const LoadOptions& options = {});
  /// The same for a file that is already open.
  static Model from_file(const ModelFile& file, const LoadOptions& options = {});
  /// A model of this shape with random weights; norms are 1, biases 0, and the variance of every matrix keeps the
  /// residual stream near unit size, so that logits are as sane as those of a trained model. `types` may be one type
  /// for all matrices; those whose rows do not fill its blocks become F16. Made directly in the kernels' layout unless
  /// the options say otherwise. The same seed gives the same weights. Without tokenizer.
  /// @throws Error{bad_value, overflow, unsupported_architecture} for a configuration that cannot run,
  /// Error{unsupported_type, out_of_memory}.
  static Model random(const ModelConfig& config, const WeightTypes& types, std::uint64_t seed = 0,
                      const LoadOptions& options = {});

  const ModelConfig& config() const { return parts_->transformer.config; }
  const Weights& weights() const { return parts_->transformer.weights; }
  const Transformer& transformer() const { return parts_->transformer; }
  /// Where it came from, for messages: a path, "random".
  const std::string& source() const { return parts_->source; }
  bool has_tokenizer() const { return parts_->tokenizer != nullptr; }
  /// @throws Error{missing_key} when the model has none.
  const Tokenizer& tokenizer() const;

 private:
  struct Parts {
    std::string source;
    Transformer transformer;
    std::unique_ptr<const Tokenizer> tokenizer;
  };
  explicit Model(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

}  // namespace plumb
