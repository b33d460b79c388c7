#pragma once
/// @file
/// A checkpoint: the description of a model, its tensors by role, its vocabulary and its chat template, whatever it
/// came from. The one source of weights: files, random numbers and memory all become one of these, and Model::from
/// takes it.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/bind_weights.hpp"
#include "plumb/model/chat_templates.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// Tensors that are made when they are needed, and whose memory is given back when they are no longer.
class PLUMB_API LateTensors {
 public:
  using Fill = std::function<void(std::byte* out)>;
  /// `memory` shall be written by `fill`, but not before it is asked for.
  void add(AlignedBuffer memory, Fill fill);
  /// The tensor that begins there is needed. False where there is none, or where it has been filled before.
  bool fill(const std::byte* begin);
  /// It is needed no longer.
  void drop(const std::byte* begin);

 private:
  struct Tensor {
    AlignedBuffer memory;
    Fill fill;
  };
  std::map<const std::byte*, Tensor> tensors_;
};

/// What a model is made of. Tensors point into memory that `owner` keeps alive.
struct Checkpoint {
  std::string source;                 ///< for messages: a path, "random"
  ModelSpec spec;                     ///< has passed check_spec
  TensorSource tensors;               ///< by role and layer
  std::shared_ptr<const void> owner;  ///< of the tensors' memory
  /// Matrices that `tensors` found but that are still to be made; null where there are none. Kept by `owner`.
  std::shared_ptr<LateTensors> late = {};
  /// The tokenizer, or null when there is none. @throws as Tokenizer::from_file.
  std::function<std::unique_ptr<const Tokenizer>()> tokenizer = {};
  std::string no_tokenizer = {};      ///< where one was looked for, for messages: "no tokenizer.json in the folder"
  ChatTemplates chat_templates = {};  ///< or none
  /// Tells that these bytes of a tensor have been read and will not be needed again; may be empty.
  std::function<void(const std::byte* begin, std::size_t bytes)> release = {};
  /// What no pass reads (left_out), once the tensors have been bound; may be empty.
  std::function<std::vector<std::string>()> left_out = {};
};

/// The checkpoint in an open model file. @throws as spec_from_file.
PLUMB_API Checkpoint checkpoint_from_file(const ModelFile& file);

/// Opens a model file: GGUF, a llama2.c checkpoint, or a Hugging Face folder. @throws as open_model_file and
/// spec_from_file.
PLUMB_API Checkpoint open_checkpoint(const std::filesystem::path& path, const OpenModelOptions& options = {});

}  // namespace plumb
