#pragma once
/// @file
/// Tokenizers from the files of a Hugging Face folder.

#include <filesystem>

#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// The tokenizer of a folder: its tokenizer.json, or else its tokenizer.model (SentencePiece), with what
/// `tokenizer_config.json`, `special_tokens_map.json` and `generation_config.json` say of bos, eos, padding and the
/// tokens that end a generation, where they exist.
/// @throws Error{io} where there is neither, and as Tokenizer::from_json and tokenizer_from_sentencepiece_file.
PLUMB_API Tokenizer tokenizer_from_folder(const std::filesystem::path& folder);

/// A tokenizer.json alone. @throws Error{io} and as Tokenizer::from_json.
PLUMB_API Tokenizer tokenizer_from_json_file(const std::filesystem::path& path);

/// A tokenizer.model of SentencePiece alone: BPE or Unigram. @throws Error{io, truncated, bad_value, bad_tokenizer,
/// unsupported_tokenizer, out_of_range}.
PLUMB_API Tokenizer tokenizer_from_sentencepiece_file(const std::filesystem::path& path);

}  // namespace plumb
