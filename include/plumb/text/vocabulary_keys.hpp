#pragma once
/// @file
/// Vocabularies into GGUF files.

#include <cstdint>
#include <filesystem>
#include <string>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// Writes the `tokenizer.ggml.*` keys of a vocabulary: vocabulary_from_file() reads the same back, but for extra_ends,
/// what follows from the name of the pre-tokenizer, and special tokens that are kNoToken: the model's usual ids.
PLUMB_API void set_vocabulary(GgufWriter& writer, const Vocabulary& vocabulary);

/// What a GGUF file can say of a folder's tokenizer.json: byte-level BPE with a pre-tokenizer that has a name, BPE with
/// byte fallback as SentencePiece does it, or WordPiece as BERT does it. `size`: tokens that the model has; those that
/// the tokenizer lacks are unused. The result is tried on texts of many kinds; if a single id differs it is refused, or
/// with `difference` told there: what comes nearest, and empty for one that gives the same ids.
/// @throws as tokenizer_from_folder(), Error{unsupported_tokenizer} naming what a GGUF file cannot say, {out_of_range}
/// for a vocabulary of more tokens than `size`.
PLUMB_API Vocabulary gguf_vocabulary_from_folder(const std::filesystem::path& folder, std::int64_t size,
                                                 std::string* difference = nullptr);

}  // namespace plumb
