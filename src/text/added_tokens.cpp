#include "added_tokens.hpp"

#include <algorithm>
#include <numeric>

#include "../core/utf8.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

bool is_swallowed(char32_t c, SwallowedSpace kind) {
  if (kind == SwallowedSpace::unicode) return is_white_space(c);
  return c < 0x80 && is_white_space(c);
}

/// Where the character before text[at] begins; at > 0.
std::size_t before(std::string_view text, std::size_t at) {
  --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

void AddedTokens::Set::finish() {
  used = !spellings.empty();
  std::vector<Token> places(spellings.size());
  std::iota(places.begin(), places.end(), 0);
  matcher = SpecialMatcher(spellings, std::move(places));
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer, SpecialAsText mode)
    : tokens_(std::move(tokens)), mode_(mode) {
  bool words = false;
  for (const AddedToken& token : tokens_) {
    words = words || token.single_word;
    Set& set = token.normalized ? normalized_ : raw_;
    Normalizer::Storage storage;
    bool keeps_begin = true;
    set.spellings.emplace_back(token.normalized ? normalizer.run(token.content, storage, keeps_begin) : token.content);
    set.tokens.push_back(&token);
    if (mode == SpecialAsText::not_matched && !token.special) {
      plain_.spellings.push_back(token.content);
      plain_.tokens.push_back(&token);
    }
  }
  raw_.finish();
  normalized_.finish();
  plain_.finish();
  if (mode == SpecialAsText::not_matched && raw_.used) plain_.used = true;
  // \w of the Rust crate `regex`
  if (words)
    word_ = std::make_shared<const Regex>(
        Regex::native(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}])", "added tokens"));
}

bool AddedTokens::is_word(std::string_view text, std::size_t at) const {
  RegexMatcher matcher(*word_);
  std::size_t begin = 0, end = 0;
  return matcher.find(text.substr(at, utf8_announced_length(text[at])), 0, begin, end);
}

bool AddedTokens::applies(const AddedToken& token, std::string_view text, bool parse_special, std::size_t done,
                          Span& span) const {
  if (token.special && !parse_special) return false;
  if (token.single_word) {
    if (span.begin > 0 && is_word(text, before(text, span.begin))) return false;
    if (span.end < text.size() && is_word(text, span.end)) return false;
  }
  if (token.left != SwallowedSpace::none)
    while (span.begin > done) {
      std::size_t at = before(text, span.begin);
      const std::size_t begin = at;
      if (!is_swallowed(next_code_point(text, at), token.left)) break;
      span.begin = begin;
    }
  if (token.right != SwallowedSpace::none)
    while (span.end < text.size()) {
      std::size_t at = span.end;
      if (static_cast<unsigned char>(text[at]) >= 0x80 && token.right == SwallowedSpace::ascii) break;
      if (!is_swallowed(next_code_point(text, at), token.right)) break;
      span.end = at;
    }
  return true;
}

}  // namespace plumb
