#include "special_matcher.hpp"

#include <algorithm>

namespace plumb::inline PLUMB_ABI {

SpecialMatcher::SpecialMatcher(std::span<const std::string> pieces, std::vector<Token> tokens)
    : pieces_(pieces), tokens_(std::move(tokens)) {
  const auto spelling = [&](Token token) -> const std::string& { return pieces_[static_cast<std::size_t>(token)]; };
  std::erase_if(tokens_,
                [&](Token token) { return spelling(token).empty() || spelling(token).size() > kLongestSpecial; });
  std::sort(tokens_.begin(), tokens_.end(), [&](Token a, Token b) { return spelling(a) < spelling(b); });
  for (const Token token : tokens_) ++first_byte_[static_cast<unsigned char>(spelling(token)[0]) + 1u];
  for (std::size_t byte = 0; byte < 256; ++byte) first_byte_[byte + 1] += first_byte_[byte];
}

SpecialMatch SpecialMatcher::longest_at(std::string_view text, std::size_t begin) const {
  const auto first = static_cast<unsigned char>(text[begin]);
  auto low = tokens_.begin() + first_byte_[first], high = tokens_.begin() + first_byte_[first + 1u];
  SpecialMatch best;
  // [low, high) are the spellings that agree with the text in their first `length` bytes; sorted, so that one which is
  // a prefix of the others stands first.
  for (std::size_t length = 1; low != high; ++length) {
    if (pieces_[static_cast<std::size_t>(*low)].size() == length) best = {*low++, begin, length};
    if (low == high || begin + length == text.size()) break;
    const auto byte_at = [&](Token token) {
      return static_cast<unsigned char>(pieces_[static_cast<std::size_t>(token)][length]);
    };
    const auto wanted = static_cast<unsigned char>(text[begin + length]);
    low = std::lower_bound(low, high, wanted, [&](Token token, unsigned char byte) { return byte_at(token) < byte; });
    high = std::upper_bound(low, high, wanted, [&](unsigned char byte, Token token) { return byte < byte_at(token); });
  }
  return best;
}

SpecialMatch SpecialMatcher::find(std::string_view text, std::size_t from) const {
  if (tokens_.empty()) return {};
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    const auto first = static_cast<unsigned char>(text[begin]);
    if (first_byte_[first] == first_byte_[first + 1u]) continue;
    const SpecialMatch match = longest_at(text, begin);
    if (match.token != kNoToken) return match;
  }
  return {};
}

}  // namespace plumb
