#pragma once
/// @file
/// A model: configuration, weights, tokenizer. Immutable, cheap to copy, shared by any number of sessions.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "plumb/io/model_file.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/transformer.hpp"
#include "plumb/model/weight_types.hpp"
#include "plumb/quantize/quantize.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to load a model. The library never prints: what there is to say goes to the callbacks, from the calling thread.
struct LoadOptions {
  bool exact = false;     ///< keep activations in f32 in every product: slower, the same numbers as a plain evaluation
  bool repack = true;     ///< interleave the weights for the kernels and give the file's pages back; false: in place
  bool tokenizer = true;  ///< read the file's tokenizer, if it has one
  /// Types to turn a file's matrices into, by a name of weight_mixes() such as "int4g64"; empty: as the file has them.
  std::string weights = {};
  QuantMethod method = QuantMethod::search;                    ///< how scales are chosen then
  std::function<void(std::string_view message)> warning = {};  ///< something works but not as well as it might
  std::function<void(double fraction)> progress = {};          ///< 0 to 1
};

/// Handle to an immutable model; copies share it.
class Model {
 public:
  /// Opens, checks and binds a model file (GGUF, or a llama2.c checkpoint). The file stays mapped while any copy lives.
  /// @throws Error with the codes of open_model_file, config_from_file, bind_weights, Tokenizer::from_file,
  /// weight_types_by_name and prepare_weights.
  static Model load(const std::filesystem::path& path, const LoadOptions& options = {});
  /// The same for a file that is already open.
  static Model from_file(const ModelFile& file, const LoadOptions& options = {});
  /// A model of this shape with random weights of one type (a DType converts) or of a mix, made in packed form. See
  /// random_tensors for their sizes, which keep the logits as sane as those of a trained model. The same seed gives the
  /// same weights. Matrices whose rows do not fill the blocks of their type become F16. Without tokenizer.
  /// @throws Error{bad_value, overflow} for a bad configuration, {unsupported_architecture} for one without a forward
  /// pass, {unsupported_type}, {out_of_memory}.
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
