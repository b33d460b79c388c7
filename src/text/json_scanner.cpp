#include "json_scanner.hpp"

#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "../core/utf8.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kDeepest = 128;

bool is_space(char c) { return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t'); }

/// How many of the next eight characters are spaces, up to the first that is none; 0 near the end of the text.
std::size_t spaces_in_word(std::string_view text, std::size_t at) {
  std::uint64_t word = 0;
  if (at + sizeof(word) > text.size()) return 0;
  std::memcpy(&word, text.data() + at, sizeof(word));
  const std::uint64_t others = word ^ 0x2020202020202020u;
  const int zeros = std::endian::native == std::endian::little ? std::countr_zero(others) : std::countl_zero(others);
  return static_cast<std::size_t>(zeros) / 8;
}

/// Length of the run of ordinary characters of a string at text[at]: no quote, backslash or control.
std::size_t plain_run(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  constexpr std::uint64_t kOnes = 0x0101010101010101u, kHigh = 0x8080808080808080u;
  const auto has_zero = [](std::uint64_t word) { return (word - kOnes) & ~word & kHigh; };
  for (std::uint64_t word = 0; at + sizeof(word) <= text.size(); at += sizeof(word)) {
    std::memcpy(&word, text.data() + at, sizeof(word));
    const std::uint64_t controls = (word - kOnes * 0x20) & ~word & kHigh;
    if (has_zero(word ^ kOnes * '"') || has_zero(word ^ kOnes * '\\') || controls) break;
  }
  while (at < text.size() && text[at] != '"' && text[at] != '\\' && static_cast<unsigned char>(text[at]) >= 0x20) ++at;
  return at - begin;
}

}  // namespace

void JsonScanner::fail(const std::string& problem) const {
  throw Error(ErrorCode::bad_value, where_ + ": not valid JSON at byte " + std::to_string(at_) + ": " + problem);
}

void JsonScanner::fail_type(std::string_view expected) {
  const std::string found(1, peek());
  throw Error(ErrorCode::wrong_type, where_ + ": found " + (found[0] == '\0' ? "the end" : quote(found)) + " at byte " +
                                         std::to_string(at_) + ", expected " + std::string(expected));
}

char JsonScanner::peek() {
  while (at_ < text_.size() && is_space(text_[at_])) {
    ++at_;
    while (const std::size_t indent = spaces_in_word(text_, at_)) at_ += indent;
  }
  return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonScanner::expect(char wanted) {
  if (peek() != wanted || at_ >= text_.size()) {
    const bool value = wanted == '{' || wanted == '[' || wanted == '"';
    if (value && at_ < text_.size()) fail_type(wanted == '{' ? "an object" : wanted == '[' ? "an array" : "a string");
    fail(std::string("expected '") + wanted + "'");
  }
  ++at_;
}

bool JsonScanner::more(char close) {
  const bool first = std::exchange(first_, false);
  if (peek() == close) {
    ++at_;
    return false;
  }
  if (!first) {
    expect(',');
    if (peek() == close) fail("a comma before the end");
  }
  return true;
}

bool JsonScanner::more() {
  const bool first = std::exchange(first_, false);
  (void)peek();
  if (at_ >= text_.size()) return false;
  if (!first) {
    expect(',');
    (void)peek();
    if (at_ >= text_.size()) fail("a comma before the end");
  }
  return true;
}

std::uint32_t JsonScanner::four_digits() {
  std::uint32_t value = 0;
  const char* const begin = text_.data() + at_;
  if (at_ + 4 > text_.size()) fail("an escape is cut off");
  const auto [end, error] = std::from_chars(begin, begin + 4, value, 16);
  if (error != std::errc() || end != begin + 4) fail("an escape without four hexadecimal digits");
  at_ += 4;
  return value;
}

void JsonScanner::escape(std::string& out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  if (at_ >= text_.size()) fail("an escape is cut off");
  const char letter = text_[at_++];
  if (const std::size_t which = kLetters.find(letter); which != std::string_view::npos) {
    out += kMeanings[which];
    return;
  }
  if (letter != 'u') fail("an unknown escape");
  char32_t code_point = four_digits();
  if (code_point >= 0xD800 && code_point < 0xDC00) {
    if (!text_.substr(at_).starts_with("\\u")) fail("half of a surrogate pair");
    at_ += 2;
    const std::uint32_t low = four_digits();
    if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
  } else if (code_point >= 0xDC00 && code_point < 0xE000) {
    fail("half of a surrogate pair");
  }
  append_utf8(code_point, out);
}

std::string_view JsonScanner::string(std::string& storage) {
  expect('"');
  const std::size_t run = plain_run(text_, at_);
  if (at_ + run < text_.size() && text_[at_ + run] == '"') {
    const std::string_view found = text_.substr(at_, run);
    at_ += run + 1;
    return found;
  }
  storage.clear();
  for (;;) {
    const std::size_t length = plain_run(text_, at_);
    storage.append(text_, at_, length);
    at_ += length;
    if (at_ >= text_.size()) fail("a string is not closed");
    const char c = text_[at_++];
    if (c == '"') return storage;
    if (c != '\\') fail("a control character in a string");
    escape(storage);
  }
}

std::string_view JsonScanner::key(std::string& storage) {
  const std::string_view name = string(storage);
  expect(':');
  return name;
}

std::int64_t JsonScanner::integer() {
  if (peek() != '-' && (peek() < '0' || peek() > '9')) fail_type("a whole number");
  std::int64_t value = 0;
  const char* const begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
  if (error == std::errc::result_out_of_range) fail("a number beyond 63 bits");
  if (error != std::errc()) fail("a malformed number");
  at_ += static_cast<std::size_t>(end - begin);
  if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E'))
    fail_type("a whole number, no fraction");
  return value;
}

double JsonScanner::number() {
  if (peek() != '-' && (peek() < '0' || peek() > '9')) fail_type("a number");
  double value = 0;
  const char* const begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
  if (error == std::errc::result_out_of_range) fail("a number out of range");
  if (error != std::errc() || value != value || value - value != 0) fail("a malformed number");
  at_ += static_cast<std::size_t>(end - begin);
  return value;
}

bool JsonScanner::boolean() {
  const bool value = peek() == 't';
  const std::string_view word = value ? "true" : "false";
  if (!text_.substr(at_).starts_with(word)) fail_type("true or false");
  at_ += word.size();
  return value;
}

bool JsonScanner::null() {
  if (peek() != 'n') return false;
  if (!text_.substr(at_).starts_with("null")) fail("an unknown word");
  at_ += 4;
  return true;
}

void JsonScanner::skip_string() {
  for (++at_; at_ < text_.size();) {
    at_ += plain_run(text_, at_);
    if (at_ >= text_.size()) break;
    const char c = text_[at_++];
    if (c == '"') return;
    if (c != '\\') fail("a control character in a string");
    ++at_;
  }
  fail("a string is not closed");
}

std::string_view JsonScanner::skip(std::vector<std::size_t>* commas) {
  constexpr std::size_t kBetween = 65'536;  // bytes between commas that are told
  (void)peek();
  const std::size_t begin = at_;
  std::size_t last_comma = begin;
  int depth = 0;
  do {
    const char c = peek();
    if (at_ >= text_.size()) fail("a value is cut off");
    if (c == '"') {
      skip_string();
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) fail("nested deeper than " + std::to_string(kDeepest) + " levels");
      ++at_;
    } else if (c == '}' || c == ']') {
      if (--depth < 0) fail("a value is missing");
      ++at_;
    } else if (depth > 0 && (c == ',' || c == ':')) {
      if (commas && depth == 1 && c == ',' && at_ - last_comma >= kBetween) {
        commas->push_back(at_ - begin);
        last_comma = at_;
      }
      ++at_;
    } else {
      const std::size_t word = at_;
      while (at_ < text_.size() && !is_space(text_[at_]) &&
             std::string_view(",:]}[{\"").find(text_[at_]) == std::string_view::npos)
        ++at_;
      if (at_ == word) fail("a value is missing");
    }
  } while (depth > 0);
  return text_.substr(begin, at_ - begin);
}

void JsonScanner::finish() {
  if (peek(); at_ < text_.size()) fail("more text behind the end");
}

void check_utf8(std::string_view text, const std::string& where) {
  if (const std::size_t at = first_invalid_utf8(text); at < text.size())
    throw Error(ErrorCode::bad_value, where + ": byte " + std::to_string(at) + " is no UTF-8");
}

}  // namespace plumb
