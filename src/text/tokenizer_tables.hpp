#pragma once
/// @file
/// What a Tokenizer is made of.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpe.hpp"
#include "piece_index.hpp"
#include "plumb/text/tokenizer.hpp"
#include "special_matcher.hpp"
#include "spm.hpp"
#include "wordpiece.hpp"

namespace plumb::inline PLUMB_ABI {

/// Tables that point into one another: built in place, never moved.
struct Tokenizer::Tables {
  explicit Tables(Vocabulary v);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  TokenType type(Token token) const {
    return vocabulary.types.empty() ? TokenType::normal : vocabulary.types[static_cast<std::size_t>(token)];
  }
  /// Appends the tokens of text without special tokens in it.
  void encode_text(std::string_view text, bool at_word_start, std::vector<Token>& out) const;
  /// Appends the tokens of text, of which the matcher's spellings are tokens.
  void encode_parts(std::string_view text, const SpecialMatcher& matcher, std::vector<Token>& out) const;
  bool strips_right(Token special) const;

  Vocabulary vocabulary;  // its merges are given up once the encoder has them
  PieceIndex index;
  std::optional<SpmEncoder> spm;
  std::optional<BpeEncoder> bpe;
  std::optional<WordPieceEncoder> wordpiece;
  SpecialMatcher user_defined, all_special;
  std::string decoded;                     // the bytes of all tokens, one after the other
  std::vector<std::size_t> decoded_begin;  // [size + 1]
  std::vector<Token> ends;                 // ascending
};

}  // namespace plumb
