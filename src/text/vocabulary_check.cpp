#include "vocabulary_check.hpp"

#include <cmath>
#include <limits>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "spm.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

[[noreturn]] void fail(const Vocabulary& vocabulary, ErrorCode code, std::string_view key, const std::string& problem) {
  throw Error(code, vocabulary.source + ": key 'tokenizer.ggml." + std::string(key) + "': " + problem);
}

void check_lengths(const Vocabulary& vocabulary) {
  const std::size_t size = vocabulary.pieces.size();
  if (size == 0) fail(vocabulary, ErrorCode::bad_tokenizer, "tokens", "no tokens, expected at least one");
  if (size > static_cast<std::size_t>(std::numeric_limits<Token>::max()))
    fail(vocabulary, ErrorCode::overflow, "tokens", std::to_string(size) + " tokens, ids have 31 bits");
  const auto check = [&](std::size_t found, std::string_view key) {
    if (found != 0 && found != size)
      fail(vocabulary, ErrorCode::bad_tokenizer, key,
           std::to_string(found) + " elements, expected one per token: " + std::to_string(size));
  };
  check(vocabulary.scores.size(), "scores");
  check(vocabulary.types.size(), "token_type");
}

void check_token(const Vocabulary& vocabulary, std::size_t id) {
  const std::string& piece = vocabulary.pieces[id];
  const TokenType type = vocabulary.types.empty() ? TokenType::normal : vocabulary.types[id];
  const std::string name = "token " + std::to_string(id) + " " + quote(piece);
  if (type < TokenType::undefined || type > TokenType::byte)
    fail(vocabulary, ErrorCode::bad_tokenizer, "token_type",
         name + " has type " + std::to_string(static_cast<std::int32_t>(type)) + ", expected 0 to 6");
  if (piece.empty() && type == TokenType::normal)
    fail(vocabulary, ErrorCode::bad_tokenizer, "tokens", "token " + std::to_string(id) + " is text without any");
  if (type == TokenType::byte && byte_of_spelling(piece) < 0)
    fail(vocabulary, ErrorCode::bad_tokenizer, "tokens", name + " is a byte, expected a spelling like '<0x0A>'");
  if (!vocabulary.scores.empty() && std::isnan(vocabulary.scores[id]))
    fail(vocabulary, ErrorCode::bad_tokenizer, "scores", name + " has no number as score");
}

void check_id(const Vocabulary& vocabulary, Token token, std::string_view key) {
  if (token == kNoToken || (token >= 0 && token < vocabulary.size())) return;
  fail(vocabulary, ErrorCode::out_of_range, key,
       std::to_string(token) + ", the vocabulary has " + std::to_string(vocabulary.size()) + " tokens");
}

}  // namespace

void check_vocabulary(const Vocabulary& vocabulary, const PieceIndex& index) {
  check_lengths(vocabulary);
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) check_token(vocabulary, id);
  if (const Token twin = index.first_duplicate(); twin != kNoToken) {
    const std::string& piece = vocabulary.pieces[static_cast<std::size_t>(twin)];
    fail(vocabulary, ErrorCode::duplicate, "tokens",
         "tokens " + std::to_string(index.find(piece)) + " and " + std::to_string(twin) + " are both spelled " +
             quote(piece));
  }
  check_id(vocabulary, vocabulary.bos, "bos_token_id");
  check_id(vocabulary, vocabulary.eos, "eos_token_id");
  check_id(vocabulary, vocabulary.eot, "eot_token_id");
  check_id(vocabulary, vocabulary.eom, "eom_token_id");
  check_id(vocabulary, vocabulary.unknown, "unknown_token_id");
  check_id(vocabulary, vocabulary.separator, "seperator_token_id");  // so spelled in the GGUF specification
  check_id(vocabulary, vocabulary.padding, "padding_token_id");
  for (const Token token : vocabulary.extra_ends) check_id(vocabulary, token, "fim_*_token_id");
  if (vocabulary.add_bos && vocabulary.bos == kNoToken)
    fail(vocabulary, ErrorCode::bad_tokenizer, "add_bos_token", "true, but there is no beginning-of-sequence token");
  if (vocabulary.add_eos && vocabulary.eos == kNoToken)
    fail(vocabulary, ErrorCode::bad_tokenizer, "add_eos_token", "true, but there is no end-of-sequence token");
  if (vocabulary.add_separator && vocabulary.separator == kNoToken)
    fail(vocabulary, ErrorCode::bad_tokenizer, "add_sep_token", "true, but there is no separator");
}

}  // namespace plumb
