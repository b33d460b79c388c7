#pragma once
/// A template as tokens: text, and what stands between {{ }} and {% %}, with the rules for white space around these.

#include <string>
#include <string_view>
#include <vector>

#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

enum class TokenKind {
  data,         // text of the template
  print_begin,  // {{
  print_end,
  block_begin,  // {%
  block_end,
  name,
  string,   // text: what it means
  integer,  // text: as it stands, without underscores
  real,
  symbol,  // an operator or bracket
  end,     // of the template
};

struct LexerToken {
  TokenKind kind = TokenKind::end;
  std::string text;
  int line = 1;

  bool is(TokenKind what) const { return kind == what; }
  bool symbol(std::string_view what) const { return kind == TokenKind::symbol && text == what; }
  bool name(std::string_view what) const { return kind == TokenKind::name && text == what; }
};

/// How messages call a kind of token, and a token.
std::string describe(TokenKind kind);
std::string describe(const LexerToken& token);

/// Reads one token at a time. Throws {syntax}; line() says where.
class Lexer {
 public:
  explicit Lexer(std::string_view source);
  LexerToken next();
  int line() const { return line_; }

 private:
  enum class State { text, print, block };

  LexerToken text_token();
  LexerToken tag_token();
  void skip_comment();
  bool skip_raw_begin();
  std::string raw_text();
  std::size_t tag_end(State state) const;
  LexerToken token(TokenKind kind, std::string text);
  LexerToken string_token();
  bool number_token(LexerToken& out);
  LexerToken symbol_token();
  std::string before_tag(std::size_t begin, std::size_t open, char sign, bool lines) const;
  std::size_t behind_space(std::size_t at) const;
  void advance(std::size_t to);
  char at(std::size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  bool starts(std::size_t i, std::string_view text) const {
    return std::string_view(source_).substr(std::min(i, source_.size())).starts_with(text);
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  State state_ = State::text;
  bool line_starting_ = true;
  std::vector<LexerToken> ready_;  // to be handed out, last first
  std::string brackets_;           // that wait for these
};

}  // namespace plumb
