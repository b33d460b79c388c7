#pragma once
/// @file
/// SentencePiece's own files: tokenizer.model, a protocol buffer.

#include <string>
#include <string_view>

#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// Pieces, scores, types, special ids, and how text is normalized. `source` names the file in messages.
/// @throws Error{truncated} for a message that ends before what it announces, {bad_value} for a malformed number,
/// {bad_tokenizer} for a field of a wrong kind or a file without pieces, {unsupported_tokenizer} for models of words or
/// characters and for spaces behind words, {out_of_range} for special ids beyond the pieces.
Vocabulary vocabulary_from_sentencepiece(std::string_view bytes, const std::string& source);

}  // namespace plumb
