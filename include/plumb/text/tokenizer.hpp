#pragma once
/// @file
/// Text to tokens and back.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/text/token.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to read text.
struct EncodeOptions {
  bool add_special = true;     ///< put bos in front and eos at the end, where the vocabulary asks for them
  bool add_end = true;         ///< with add_special: also at the end; false for a text that shall be continued
  bool parse_special = false;  ///< the spelling of a control token ("<|im_end|>") is that token, not text.
                               ///< Leave it off for text from strangers. User-defined tokens are always matched.
};

/// How to write tokens.
struct DecodeOptions {
  bool render_special = true;    ///< control tokens appear as their spelling; otherwise as nothing
  bool skip_bos_eos = false;     ///< the tokens that encode() adds at either end appear as nothing
  bool clean_up_spaces = false;  ///< drop spaces before . , ? ! 's 'm 're 've, as some families' reference decoders do;
                                 ///< decoding then no longer gives the text back. Not for streams, which ignore it.
};

/// Which tokens of a tokenizer.json are what: other files of its folder say. Spellings; empty: not said.
struct SpecialTokens {
  std::string bos, eos, padding, unknown;
  std::vector<Token> ends;       ///< tokens that end a generation, by id; those outside of the vocabulary do not count
  bool clean_up_spaces = false;  ///< Vocabulary::clean_up_spaces
  std::optional<bool> add_bos = {}, add_eos = {};  ///< of a tokenizer.model; a tokenizer.json has a post-processor
};

/// An immutable tokenizer. Cheap to copy (copies share the tables), safe to use from any number of threads.
class PLUMB_API Tokenizer {
 public:
  /// Builds the tables. @throws Error{bad_tokenizer, out_of_range, unsupported_tokenizer} naming source and field.
  explicit Tokenizer(Vocabulary vocabulary);
  /// From the `tokenizer.ggml.*` keys of a model file. @throws Error as vocabulary_from_file().
  static Tokenizer from_file(const ModelFile& file);
  /// From the text of a tokenizer.json; `source` names it in messages. The results are those of Hugging Face's
  /// tokenizers library, but that `truncation` and `padding` are left out: EncodeOptions::add_special applies the
  /// post-processor, and without parse_special the spelling of a special token is text.
  /// @throws Error{bad_value, wrong_type, missing_key, duplicate, out_of_range} for malformed or contradictory fields,
  /// {bad_tokenizer} for merges and tables that contradict the vocabulary, {unsupported_tokenizer} naming a part that
  /// is not known, {unsupported_version}.
  static Tokenizer from_json(std::string_view json, const std::string& source = "tokenizer.json",
                             const SpecialTokens& special = {});

  /// Tokens of a text. Any bytes are accepted: what is no valid UTF-8 is spelled with byte tokens where the vocabulary
  /// has them. Time grows nearly linearly with the text.
  /// @throws Error{bad_tokenizer} where a tokenizer.json has no token for what the text needs, or one of its patterns
  /// would take too long; Error{invalid_argument} for texts beyond 2^29 bytes.
  std::vector<Token> encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// Bytes of a token sequence. encode() then decode() gives the text back when the vocabulary can spell every byte.
  /// Where the vocabulary adds a space prefix, the first space of the sequence is dropped.
  /// @throws Error{out_of_range} for an id outside the vocabulary; to a tokenizer.json such an id is nothing.
  std::string decode(std::span<const Token> tokens, const DecodeOptions& options = {}) const;
  /// Bytes of one token, as they stand inside a text: no leading space is dropped. May be part of a code point.
  /// @throws Error{out_of_range}.
  std::string_view decode(Token token) const;

  /// The vocabulary's own spelling of a token: "▁the", "Ġthe", "<0x0A>". @throws Error{out_of_range}.
  std::string_view spelling(Token token) const;
  /// The token with this spelling, or kNoToken.
  Token find(std::string_view spelling) const;
  /// @throws Error{out_of_range}.
  TokenType type(Token token) const;

  std::int64_t size() const;
  const Vocabulary& vocabulary() const;
  Token bos() const;  ///< beginning of sequence, or kNoToken
  Token eos() const;  ///< end of sequence, or kNoToken
  Token eot() const;  ///< end of turn, or kNoToken
  /// Whether generation stops at this token: end of sequence, of turn or of message. False for ids outside.
  bool is_end(Token token) const;
  /// All tokens for which is_end() holds, ascending.
  std::span<const Token> ends() const;

 private:
  friend class StreamDecoder;
  struct Tables;
  explicit Tokenizer(std::shared_ptr<const Tables> tables);
  void check(Token token) const;
  /// What a token adds to a text; `at_start` says whether anything was added before, and is updated.
  std::string_view render(Token token, const DecodeOptions& options, bool& at_start) const;

  std::shared_ptr<const Tables> tables_;
};

/// Turns a stream of tokens into a stream of text. What push() returns is always whole, valid UTF-8; an unfinished code
/// point waits for its remaining bytes, and bytes that can never become one appear as U+FFFD.
class PLUMB_API StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, DecodeOptions options = {});

  /// The text that this token completes, possibly empty. Valid until the next call. Allocates nothing once the buffer
  /// has grown to the longest token. @throws Error{out_of_range}.
  std::string_view push(Token token);
  /// What was held back, as U+FFFD. Afterwards the decoder is as new.
  std::string_view flush();

 private:
  Tokenizer tokenizer_;
  DecodeOptions options_;
  bool at_start_ = true;  // nothing was decoded yet: a space prefix is still to be dropped
  std::string pending_;   // the beginning of a code point, at most 3 bytes
  std::string ready_;     // what the last call returned
};

}  // namespace plumb
