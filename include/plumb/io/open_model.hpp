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
      tokenizer{};  ///< llama2.c: the vocabulary, if it is not `tokenizer.bin` beside it
};

/// GGUF by its magic, with all its parts if it is the first of several; llama2.c by its size or by the extension
/// `.bin`. Whatever else is opened as GGUF, whose reader says what is wrong with it. @throws Error as GgufFile::open
/// and Llama2cFile::open.
PLUMB_API ModelFile open_model_file(const std::filesystem::path& path, const OpenModelOptions& options = {});

}  // namespace plumb
