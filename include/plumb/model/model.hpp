#pragma once
/// @file
/// A model: description, weights, tokenizer. Immutable, cheap to copy, shared by any number of sessions.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/model/spec.hpp"
#include "plumb/quantize/quantize.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

class ModelFile;
struct ChatTemplates;
struct Checkpoint;
struct Transformer;

/// How to load a model. The library never prints: what there is to say goes to the callbacks, from the calling thread.
struct LoadOptions {
  bool exact = false;     ///< keep activations in f32 in every product: slower, the same numbers as a plain evaluation
  bool repack = true;     ///< interleave the weights for the kernels and give the file's pages back; false: in place
  bool tokenizer = true;  ///< read the file's tokenizer, if it has one
  /// llama2.c: the vocabulary's file, if it is not `tokenizer.bin` beside the checkpoint.
  std::optional<std::filesystem::path> vocabulary = {};
  /// Types to turn a file's matrices into, by the name of a recipe such as "int4g64"; empty: as the file has them.
  std::string weights = {};
  QuantMethod method = QuantMethod::search;  ///< how scales are chosen then
  /// Something works but not as well as it might, or stands in the file and is not run.
  std::function<void(std::string_view message)> warning = {};
  std::function<void(double fraction)> progress = {};  ///< 0 to 1
  std::stop_token cancel = {};                         ///< ends loading within a megabyte of weights: Error{cancelled}
};

/// How to make a random model.
struct RandomOptions {
  bool exact = false;                                  ///< as in LoadOptions; the weights then stay in rows
  bool repack = true;                                  ///< make the weights in panels; false: in rows
  std::function<void(double fraction)> progress = {};  ///< 0 to 1, from the calling thread
};

/// Handle to an immutable model; copies share it.
class PLUMB_API Model {
 public:
  /// Opens, checks and binds a model file (GGUF, or a llama2.c checkpoint). The file stays mapped while any copy lives.
  /// @throws Error with the codes of open_checkpoint, check_runnable, bind_weights, Tokenizer::from_file,
  /// weight_types_by_name and prepare_weights; Error{cancelled}.
  static Model load(const std::filesystem::path& path, const LoadOptions& options = {});
  /// The same for a file that is already open.
  static Model from_file(const ModelFile& file, const LoadOptions& options = {});
  /// The same for any checkpoint.
  static Model from_checkpoint(const Checkpoint& checkpoint, const LoadOptions& options = {});
  /// A model of this description with random weights of one type (a DType converts) or of a mix, made in packed form.
  /// See random_tensors for their sizes, which keep the logits as sane as those of a trained model. The same seed gives
  /// the same weights. Without tokenizer. @throws Error{bad_value, overflow, unsupported_architecture} as
  /// check_runnable, {unsupported_type}, {out_of_memory}.
  static Model random(const ModelSpec& spec, const WeightTypes& types, std::uint64_t seed = 0,
                      const RandomOptions& options = {});

  const ModelSpec& spec() const;
  /// Bytes of all matrices and vectors; a tied head counts once.
  std::size_t weight_bytes() const;
  /// What a forward pass reads (model/forward_pass.hpp).
  const Transformer& transformer() const;
  /// Where it came from, for messages: a path, "random".
  const std::string& source() const;
  /// A number that tells models apart: of the description, of the type and shape of every tensor, and of bytes here and
  /// there in each. Computed once.
  std::uint64_t fingerprint() const;
  bool has_tokenizer() const;
  /// @throws Error{missing_key} when the model has none.
  const Tokenizer& tokenizer() const;
  /// Those of the file or folder, or none.
  const ChatTemplates& chat_templates() const;

 private:
  struct Parts;
  explicit Model(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

}  // namespace plumb
