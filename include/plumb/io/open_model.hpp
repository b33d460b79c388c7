#pragma once
/// @file
/// Opens a model file of any format that plumb reads.

#include <filesystem>
#include <optional>

#include "plumb/io/model_file.hpp"

namespace plumb::inline PLUMB_ABI {

struct OpenModelOptions {
  FileMapping::Mode mode = FileMapping::Mode::map;
  std::optional<std::filesystem::path>
      tokenizer{};         ///< llama2.c: the vocabulary, if it is not `tokenizer.bin` beside it
  bool vocabulary = true;  ///< llama2.c: false: none is read
};

/// GGUF by its magic, with all its parts if it is the first of several; llama2.c by its size, or by the extension
/// `.bin` where it does not begin with letters; a folder with a config.json and safetensors as open_model_folder does.
/// Whatever else is opened as GGUF, whose reader says what is wrong with it, but for files of other kinds that are
/// often taken for models, which are named. @throws Error as these and GgufFile::open and Llama2cFile::open.
PLUMB_API ModelFile open_model_file(const std::filesystem::path& path, const OpenModelOptions& options = {});

/// Whether this is a folder with a config.json.
PLUMB_API bool is_model_folder(const std::filesystem::path& path);

/// A Hugging Face folder: config.json, and safetensors in one file or several. Its keys and tensors are those of the
/// GGUF file that it converts to; tensors that its files hold otherwise are made when they are asked for. The families
/// of models (plumb/model/family.hpp), which know how, define this.
/// @throws Error as spec_from_json_file and Safetensors::open_folder; {missing_key, bad_shape, unsupported_type} for
/// tensors that are not as config.json says, naming folder, tensor, what was found and what was expected.
ModelFile open_model_folder(const std::filesystem::path& folder, FileMapping::Mode mode = FileMapping::Mode::map);

}  // namespace plumb
