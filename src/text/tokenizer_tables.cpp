#include "tokenizer_tables.hpp"

#include <algorithm>
#include <utility>

#include "end_tokens.hpp"
#include "vocabulary_check.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kAsciiSpaces = " \t\n\v\f\r";

void replace_marks(std::string_view spelling, std::string& out) {
  for (std::size_t at = 0; at < spelling.size();) {
    if (spelling.substr(at, kSpaceMark.size()) == kSpaceMark) {
      out += ' ';
      at += kSpaceMark.size();
    } else {
      out += spelling[at++];
    }
  }
}

/// Appends what a token stands for in a text.
void append_decoded(const Vocabulary& vocabulary, TokenType type, std::string_view spelling, std::string& out) {
  if (type == TokenType::byte) {
    out += static_cast<char>(byte_of_spelling(spelling));
  } else if (type == TokenType::control || type == TokenType::unknown) {
    out += spelling;
  } else if (vocabulary.model != TokenizerModel::bpe) {
    replace_marks(spelling, out);
  } else if (type == TokenType::user_defined) {
    out += spelling;  // added to a byte-level vocabulary as plain text
  } else {
    out += decode_byte_spelling(spelling);
  }
}

/// Runs of spaces become one, those at either end vanish.
std::string without_extra_spaces(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

Tokenizer::Tables::Tables(Vocabulary v) : vocabulary(std::move(v)), index(vocabulary.pieces) {
  check_vocabulary(vocabulary, index);
  mark_control_tokens(vocabulary, index);
  if (vocabulary.eot == kNoToken) vocabulary.eot = find_end_of_turn(index);
  ends = find_end_tokens(vocabulary, index);
  if (vocabulary.model == TokenizerModel::spm)
    spm.emplace(vocabulary, index);
  else if (vocabulary.model == TokenizerModel::bpe)
    bpe.emplace(vocabulary, index);
  else
    wordpiece.emplace(vocabulary, index);
  vocabulary.merges = {};

  std::vector<Token> user, special;
  decoded_begin.reserve(vocabulary.pieces.size() + 1);
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const TokenType kind = type(token);
    decoded_begin.push_back(decoded.size());
    append_decoded(vocabulary, kind, vocabulary.pieces[static_cast<std::size_t>(token)], decoded);
    if (kind == TokenType::user_defined) user.push_back(token);
    if (kind == TokenType::user_defined || kind == TokenType::control || kind == TokenType::unknown)
      special.push_back(token);
  }
  decoded_begin.push_back(decoded.size());
  user_defined = SpecialMatcher(vocabulary.pieces, std::move(user));
  all_special = SpecialMatcher(vocabulary.pieces, std::move(special));
}

bool Tokenizer::Tables::strips_right(Token special) const {
  return vocabulary.strip_right_of_special && special != vocabulary.bos && special != vocabulary.unknown &&
         vocabulary.pieces[static_cast<std::size_t>(special)] != "<|endoftext|>";
}

void Tokenizer::Tables::encode_text(std::string_view text, bool at_word_start, std::vector<Token>& out) const {
  if (bpe) return bpe->encode(text, out);
  if (wordpiece) return wordpiece->encode(text, out);
  std::string changed;
  if (vocabulary.remove_extra_whitespaces) {
    changed = without_extra_spaces(text);
    text = changed;
  }
  if (vocabulary.add_space_prefix && at_word_start) {
    changed = " " + std::string(text);
    text = changed;
  }
  spm->encode(text, out);
}

void Tokenizer::Tables::encode_parts(std::string_view text, const SpecialMatcher& matcher,
                                     std::vector<Token>& out) const {
  bool after_special = true;  // the beginning of a text counts as such
  while (!text.empty()) {
    const SpecialMatch match = matcher.find(text, 0);
    const std::size_t plain = match.token == kNoToken ? text.size() : match.begin;
    if (plain > 0) encode_text(text.substr(0, plain), after_special, out);
    if (match.token == kNoToken) return;
    out.push_back(match.token);
    after_special = true;
    text.remove_prefix(match.begin + match.length);
    if (strips_right(match.token)) text.remove_prefix(std::min(text.find_first_not_of(kAsciiSpaces), text.size()));
  }
}

}  // namespace plumb
