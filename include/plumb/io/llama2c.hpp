#pragma once
/// @file
/// llama2.c checkpoints: a header of seven integers and f32 weights, with the vocabulary in a file of its own.
/// Layout: llama2.c, run.c (`Config`, `memory_map_weights`, `build_tokenizer`) and export.py (version 0).

#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "plumb/io/model_file.hpp"

namespace plumb::inline PLUMB_ABI {

/// Where a checkpoint's vocabulary comes from.
struct Llama2cVocabulary {
  std::optional<std::filesystem::path> path = {};  ///< if it is not `tokenizer.bin` beside the checkpoint
  bool read = true;                                ///< false: no vocabulary is read
};

/// A llama2.c checkpoint under the keys and tensor names that GGUF files use, so that one loader takes both. The
/// weights stay where they are in the mapped file. Both formats rotate neighbouring dimensions, so nothing is permuted.
///
/// The header, all int32: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; a negative vocab_size
/// says that the head is a matrix of its own. Norm epsilon (1e-5) and rope base (10000) are constants of the format.
class Llama2cFile : public ModelFile {
 public:
  /// @param tokenizer the vocabulary file; without one, `tokenizer.bin` beside the checkpoint is taken if it exists,
  /// else
  ///   the file has no tokenizer keys.
  /// @throws Error{io, truncated, bad_value, unsupported_version, overflow} for the checkpoint, and
  ///   Error{io, truncated, bad_tokenizer} for the vocabulary.
  static Llama2cFile open(const std::filesystem::path& path,
                          const std::optional<std::filesystem::path>& tokenizer = std::nullopt,
                          FileMapping::Mode mode = FileMapping::Mode::map);

  /// The same for a file that is mapped already; `path` is where to look for `tokenizer.bin`.
  static Llama2cFile open(const std::shared_ptr<const FileMapping>& mapping, const std::filesystem::path& path,
                          const Llama2cVocabulary& vocabulary = {});

  /// Whether a file could be a checkpoint: the format has no magic, so this asks whether the seven numbers make sense
  /// and the size of the file is exactly what they say.
  static bool recognises(std::span<const std::byte> bytes);

 private:
  using ModelFile::ModelFile;
};

}  // namespace plumb
