#pragma once
/// @file
/// A vocabulary as a plain struct: what a file says about its tokens, before any algorithm. Tests and tools make them
/// by hand; vocabulary_from_file() reads them from the `tokenizer.ggml.*` keys of a model file (GGUF specification).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// How text becomes tokens.
enum class TokenizerModel {
  spm,        ///< SentencePiece BPE: adjacent pieces are joined while the result is a piece, best score first ("llama")
  bpe,        ///< byte-level BPE: a pre-tokenizer cuts words, then listed pairs are merged, lowest rank first ("gpt2")
  wordpiece,  ///< a word is cut into the longest pieces from the left ("bert")
  unigram,    ///< the pieces with the best sum of scores ("t5")
  rwkv,       ///< the longest pieces from the left, over bytes ("rwkv")
  wordlevel,  ///< a word is a piece or unknown; only from a tokenizer.json
};

/// What a token is for. Values are the ids that GGUF files use in `tokenizer.ggml.token_type`.
enum class TokenType : std::int32_t {
  undefined = 0,
  normal = 1,        ///< text
  unknown = 2,       ///< stands for what the vocabulary cannot spell: <unk>
  control = 3,       ///< steers the model and has no text of its own: <s>, <|im_end|>
  user_defined = 4,  ///< added text that is matched before anything else is cut
  unused = 5,
  byte = 6,  ///< one byte, spelled <0x0A>
};

/// Everything a tokenizer is made from.
struct Vocabulary {
  std::string source = "vocabulary";  ///< names the vocabulary in error messages: a path
  TokenizerModel model = TokenizerModel::spm;
  std::string pre;  ///< `tokenizer.ggml.pre`: which pre-tokenizer; bpe only; empty means "default"
  std::vector<std::string>
      pieces;                    ///< [size] spelling of each token; byte-level BPE spells bytes as visible characters
  std::vector<float> scores;     ///< [size], or empty for all zero; spm: larger is joined first
  std::vector<TokenType> types;  ///< [size], or empty for all normal
  std::string charsmap;  ///< unigram, spm: SentencePiece's table of replacements, as the file has it; empty: none
  std::vector<std::string> merges;  ///< "left right", best first; bpe only

  Token bos = kNoToken;           ///< beginning of sequence
  Token eos = kNoToken;           ///< end of sequence
  Token eot = kNoToken;           ///< end of turn
  Token eom = kNoToken;           ///< end of message
  Token unknown = kNoToken;       ///< replaces what cannot be spelled
  Token separator = kNoToken;     ///< between sentences
  Token padding = kNoToken;       ///< fills batches of other engines; never produced here
  std::vector<Token> extra_ends;  ///< more tokens that end a generation, by id

  bool add_bos = false;                   ///< encode() with add_special starts with bos
  bool add_eos = false;                   ///< encode() with add_special ends with eos
  bool add_separator = false;             ///< wordpiece: encode() with add_special ends with the separator
  bool add_space_prefix = false;          ///< spm, unigram: text begins as if a space stood before it
  bool remove_extra_whitespaces = false;  ///< spm, unigram: runs of spaces count as one, none at either end
  bool lowercase = false;                 ///< wordpiece: text is turned into lower case
  bool strip_accents = false;             ///< wordpiece: marks that have no width are left out of a text
  bool ignore_merges = false;             ///< bpe: a word that is a token as a whole is not built from merges
  bool clean_up_spaces = false;           ///< the family's reference decoder drops spaces before punctuation
  bool strip_right_of_special = false;    ///< white space after a special token in the text vanishes (phi-3)

  std::vector<std::string> notes;  ///< what a reader had to guess or leave out; for warnings

  std::int64_t size() const { return static_cast<std::int64_t>(pieces.size()); }
};

/// Reads the `tokenizer.ggml.*` keys, with each family's defaults where the file is silent.
/// @throws Error{missing_key, wrong_type} for absent or mistyped keys, {unsupported_tokenizer} naming a tokenizer model
/// or pre-tokenizer that is not known, {out_of_range} for special ids beyond the vocabulary, {bad_tokenizer} for arrays
/// whose lengths differ.
PLUMB_API Vocabulary vocabulary_from_file(const ModelFile& file);

/// Leaves out the tokens from `rows` on: a model with so many rows cannot read them. Texts that spell them are read as
/// other text, merges that make them are gone, special tokens among them do not exist. Says so in `notes`.
PLUMB_API void cut_vocabulary(Vocabulary& vocabulary, std::int64_t rows);

}  // namespace plumb
