#include "lexer.hpp"

#include <algorithm>
#include <array>

#include "heap.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// CRLF and CR are line feeds; one at the end does not count.
std::string normalised(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

/// Behind a run of digits with single underscores between them, or `at` when there is none.
std::size_t behind_digits(std::string_view text, std::size_t at, int base) {
  const auto digit = [&](std::size_t i) {
    if (i >= text.size()) return false;
    const char c = text[i];
    return base == 16 ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c >= '0' && c < '0' + base;
  };
  if (!digit(at)) return at;
  while (digit(at) || (at < text.size() && text[at] == '_' && digit(at + 1))) ++at;
  return at;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

}  // namespace

std::string describe(TokenKind kind) {
  switch (kind) {
    case TokenKind::data: return "template data / text";
    case TokenKind::print_begin: return "begin of print statement";
    case TokenKind::print_end: return "end of print statement";
    case TokenKind::block_begin: return "begin of statement block";
    case TokenKind::block_end: return "end of statement block";
    case TokenKind::name: return "name";
    case TokenKind::string: return "string";
    case TokenKind::integer: return "integer";
    case TokenKind::real: return "float";
    case TokenKind::symbol: return "symbol";
    case TokenKind::end: return "end of template";
  }
  return "token";
}

std::string describe(const LexerToken& token) {
  return token.is(TokenKind::name) || token.is(TokenKind::symbol) ? token.text : describe(token.kind);
}

Lexer::Lexer(std::string_view source) : source_(normalised(source)) {}

void Lexer::advance(std::size_t to) {
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                       source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
  at_ = to;
  if (to > 0) line_starting_ = source_[to - 1] == '\n';
}

std::size_t Lexer::behind_space(std::size_t at) const {
  while (at < source_.size()) {
    std::size_t next = at;
    if (!is_space(next_code_point(source_, next))) break;
    at = next;
  }
  return at;
}

LexerToken Lexer::token(TokenKind kind, std::string text) { return {kind, std::move(text), line_}; }

LexerToken Lexer::next() {
  if (!ready_.empty()) {
    LexerToken out = std::move(ready_.back());
    ready_.pop_back();
    return out;
  }
  return state_ == State::text ? text_token() : tag_token();
}

/// The text in [begin, open) in front of a tag: "-" takes all white space away; statements and comments alone on their
/// line (`lines`) take what is in front of them, unless "+" forbids it.
std::string Lexer::before_tag(std::size_t begin, std::size_t open, char sign, bool lines) const {
  const std::string_view text = std::string_view(source_).substr(begin, open - begin);
  if (sign == '-') return std::string(strip(text, Side::right));
  if (sign != '+' && lines) {
    const std::size_t line = text.rfind('\n') + 1;  // 0 where there is none
    const std::string_view last = text.substr(line);
    if ((line > 0 || line_starting_) && !last.empty() && strip(last).empty()) return std::string(text.substr(0, line));
  }
  return std::string(text);
}

/// Text up to the next tag, which then waits in ready_ or sets the state.
LexerToken Lexer::text_token() {
  std::string text;
  for (;;) {
    std::size_t open = at_;
    while ((open = source_.find('{', open)) != std::string::npos && at(open + 1) != '{' && at(open + 1) != '%' &&
           at(open + 1) != '#')
      ++open;
    if (open == std::string::npos) {
      const LexerToken rest = token(TokenKind::data, text + source_.substr(at_));
      advance(source_.size());
      return rest.text.empty() ? token(TokenKind::end, {}) : rest;
    }
    const char kind = at(open + 1);
    const char sign = at(open + 2) == '-' || at(open + 2) == '+' ? at(open + 2) : '\0';
    text += before_tag(at_, open, sign, kind != '{');
    LexerToken data = token(TokenKind::data, {});
    advance(open + (sign ? 3 : 2));
    if (kind == '#') {
      skip_comment();
    } else if (kind == '%' && skip_raw_begin()) {
      text += raw_text();
    } else {
      state_ = kind == '%' ? State::block : State::print;
      LexerToken begin = token(kind == '%' ? TokenKind::block_begin : TokenKind::print_begin, {});
      if (text.empty()) return begin;
      ready_.push_back(std::move(begin));
      data.text = std::move(text);
      return data;
    }
  }
}

void Lexer::skip_comment() {
  const std::size_t close = source_.find("#}", at_);
  if (close == std::string::npos) stop(Fault::syntax, "Missing end of comment tag");
  const char sign = close > at_ ? at(close - 1) : '\0';
  std::size_t behind = close + 2;
  if (sign == '-')
    behind = behind_space(behind);
  else if (sign != '+' && at(behind) == '\n')
    ++behind;
  advance(behind);
}

/// Behind "{%": whether this is {% raw %}; if so, reads on behind it.
bool Lexer::skip_raw_begin() {
  std::size_t to = behind_space(at_);
  if (!starts(to, "raw")) return false;
  to = behind_space(to + 3);
  if (starts(to, "-%}"))
    to = behind_space(to + 3);
  else if (starts(to, "%}"))
    to += 2;
  else
    return false;
  advance(to);
  return true;
}

/// Everything up to {% endraw %}.
std::string Lexer::raw_text() {
  for (std::size_t open = at_; (open = source_.find("{%", open)) != std::string::npos; open += 2) {
    const char sign = at(open + 2) == '-' || at(open + 2) == '+' ? at(open + 2) : '\0';
    std::size_t to = behind_space(open + (sign ? 3 : 2));
    if (!starts(to, "endraw")) continue;
    to = behind_space(to + 6);
    if (starts(to, "-%}"))
      to = behind_space(to + 3);
    else if (starts(to, "+%}"))
      to += 3;
    else if (starts(to, "%}"))
      to += at(to + 2) == '\n' ? 3 : 2;
    else
      continue;
    std::string text = before_tag(at_, open, sign, true);
    advance(to);
    return text;
  }
  stop(Fault::syntax, "Missing end of raw directive");
}

/// Where the text goes on if the tag ends here, or 0.
std::size_t Lexer::tag_end(State state) const {
  const std::string_view close = state == State::block ? "%}" : "}}";
  if (at(at_) == '-' && starts(at_ + 1, close)) return behind_space(at_ + 3);
  if (state == State::block && at(at_) == '+' && starts(at_ + 1, close)) return at_ + 3;
  if (!starts(at_, close)) return 0;
  return state == State::block && at(at_ + 2) == '\n' ? at_ + 3 : at_ + 2;
}

LexerToken Lexer::tag_token() {
  for (;;) {
    if (at_ >= source_.size()) return token(TokenKind::end, {});
    if (brackets_.empty()) {
      if (const std::size_t end = tag_end(state_)) {
        LexerToken out = token(state_ == State::block ? TokenKind::block_end : TokenKind::print_end, {});
        advance(end);
        state_ = State::text;
        return out;
      }
    }
    const std::size_t behind = behind_space(at_);
    if (behind == at_) break;
    advance(behind);
  }
  LexerToken out;
  if (number_token(out)) return out;
  std::size_t end = at_;
  while (end < source_.size()) {
    std::size_t next = end;
    if (!is_word(next_code_point(source_, next))) break;
    end = next;
  }
  if (end > at_) {
    out = token(TokenKind::name, source_.substr(at_, end - at_));
    std::size_t first = 0;
    if (is_numeric(next_code_point(out.text, first))) stop(Fault::syntax, "Invalid character in identifier");
    advance(end);
    return out;
  }
  if (at(at_) == '\'' || at(at_) == '"') return string_token();
  return symbol_token();
}

bool Lexer::number_token(LexerToken& out) {
  if (!is_ascii_digit(at(at_))) return false;
  const auto made = [&](TokenKind kind, std::size_t end) {
    out = token(kind, without_underscores(std::string_view(source_).substr(at_, end - at_)));
    advance(end);
    return true;
  };
  // A float does not follow a dot: l.0.1 are two indices.
  if (at_ == 0 || at(at_ - 1) != '.') {
    const std::size_t whole = behind_digits(source_, at_, 10);
    std::size_t end = whole;
    if (at(end) == '.' && is_ascii_digit(at(end + 1))) end = behind_digits(source_, end + 1, 10);
    if ((at(end) | 0x20) == 'e') {
      const std::size_t digits = end + (at(end + 1) == '+' || at(end + 1) == '-' ? 2 : 1);
      const std::size_t behind = behind_digits(source_, digits, 10);
      if (behind > digits) end = behind;
    }
    if (end > whole) return made(TokenKind::real, end);
  }
  const int letter = at(at_) == '0' ? at(at_ + 1) | 0x20 : 0;
  if (const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0) {
    const std::size_t digits = at_ + (at(at_ + 2) == '_' ? 3 : 2);
    const std::size_t end = behind_digits(source_, digits, base);
    if (end > digits) return made(TokenKind::integer, end);
  }
  std::size_t end = behind_digits(source_, at_, 10);
  if (at(at_) == '0') {  // zeros alone
    end = at_;
    while (at(end) == '0' || (at(end) == '_' && at(end + 1) == '0')) ++end;
  }
  return made(TokenKind::integer, end);
}

/// Python's escapes of 'text' and "text".
LexerToken Lexer::string_token() {
  const char quote = at(at_);
  std::size_t i = at_ + 1;
  while (i < source_.size() && source_[i] != quote) i += source_[i] == '\\' ? 2 : 1;
  if (i >= source_.size())
    stop(Fault::syntax, std::string("unexpected char ") + (quote == '\'' ? "\"'\"" : "'\"'") + " at " +
                            std::to_string(code_points(std::string_view(source_).substr(0, at_))));
  const std::size_t end = i;
  LexerToken out = token(TokenKind::string, {});
  CodePoint high = 0;  // the first half of a pair of \u escapes
  const auto escape = [&](std::size_t digits, char letter) {
    CodePoint c = 0;
    for (std::size_t k = 1; k <= digits; ++k) {
      const char digit = i + k < end ? source_[i + k] : '\0';
      if (!std::isxdigit(static_cast<unsigned char>(digit)))
        stop(Fault::syntax, std::string("truncated \\") + letter + " escape in a string");
      c = c * 16 + (is_ascii_digit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
      if (c > 0x10FFFF) stop(Fault::syntax, "illegal Unicode character in a string");
    }
    i += digits;
    if (c >= 0xD800 && c < 0xDC00) {
      high = c;
    } else if (c >= 0xDC00 && c < 0xE000 && high != 0) {
      append_code_point(0x10000 + ((high - 0xD800) << 10) + (c - 0xDC00), out.text);
      high = 0;
    } else {
      append_code_point(c, out.text);
    }
  };
  for (i = at_ + 1; i < end; ++i) {
    if (source_[i] != '\\') {
      out.text += source_[i];
      continue;
    }
    ++i;
    constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeaning = "\a\b\f\n\r\t\v\\'\"";
    const char c = source_[i];
    if (const std::size_t k = kLetters.find(c); k != std::string_view::npos) {
      out.text += kMeaning[k];
    } else if (c >= '0' && c <= '7') {
      CodePoint value = 0;
      std::size_t k = 0;
      for (; k < 3 && i + k < end && source_[i + k] >= '0' && source_[i + k] <= '7'; ++k)
        value = value * 8 + (source_[i + k] - '0');
      append_code_point(value, out.text);
      i += k - 1;
    } else if (c == 'x') {
      escape(2, c);
    } else if (c == 'u') {
      escape(4, c);
    } else if (c == 'U') {
      escape(8, c);
    } else if (c != '\n') {  // a backslash at the end of a line joins it with the next
      out.text += '\\';
      out.text += c;
    }
  }
  advance(end + 1);
  return out;
}

LexerToken Lexer::symbol_token() {
  constexpr std::array<std::string_view, 26> kSymbols = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                         "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                         ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
  const auto found = std::find_if(kSymbols.begin(), kSymbols.end(), [&](std::string_view s) { return starts(at_, s); });
  if (found == kSymbols.end()) {
    std::size_t end = at_;
    next_code_point(source_, end);
    stop(Fault::syntax, "unexpected char " + repr(Value(std::string_view(source_).substr(at_, end - at_))) + " at " +
                            std::to_string(code_points(std::string_view(source_).substr(0, at_))));
  }
  const char c = found->front();
  if (c == '(' || c == '[' || c == '{') {
    brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
  } else if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty()) stop(Fault::syntax, std::string("unexpected '") + c + "'");
    if (brackets_.back() != c)
      stop(Fault::syntax, std::string("unexpected '") + c + "', expected '" + brackets_.back() + "'");
    brackets_.pop_back();
  }
  LexerToken out = token(TokenKind::symbol, std::string(*found));
  advance(at_ + found->size());
  return out;
}

}  // namespace plumb
