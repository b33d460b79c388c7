#include "spliced_tokens.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace plumb::inline PLUMB_ABI {
namespace spliced_tokens {
namespace {

/// Tokens as bytes that are equal where their texts are, with the byte at which each ends. A control token is no text,
/// whatever its spelling: it has bytes that no text has.
struct Spelled {
  std::string bytes;
  std::vector<std::size_t> ends;

  Spelled(const Tokenizer& tokenizer, std::span<const Token> tokens) {
    for (const Token token : tokens) {
      if (tokenizer.type(token) == TokenType::control) {
        bytes += '\xFF';
        bytes += std::to_string(token);
        bytes += '\xFF';
      } else {
        bytes += tokenizer.decode(token);
      }
      ends.push_back(bytes.size());
    }
  }
};

}  // namespace
}  // namespace spliced_tokens

SplicedTokens splice_tokens(const Tokenizer& tokenizer, std::span<const Token> read, std::span<const Token> wanted) {
  const spliced_tokens::Spelled old(tokenizer, read), now(tokenizer, wanted);
  const std::size_t both = std::min(old.bytes.size(), now.bytes.size());
  const auto same = static_cast<std::size_t>(
      std::mismatch(old.bytes.begin(), old.bytes.begin() + static_cast<std::ptrdiff_t>(both), now.bytes.begin()).first -
      old.bytes.begin());
  SplicedTokens out;
  std::size_t kept =
      static_cast<std::size_t>(std::upper_bound(old.ends.begin(), old.ends.end(), same) - old.ends.begin());
  for (; kept > 0; --kept) {
    const std::size_t cut = old.ends[kept - 1];
    // The first wanted token that ends behind the cut; where it begins before the cut, its tail is spelled anew.
    const auto next = std::upper_bound(now.ends.begin(), now.ends.end(), cut);
    const std::size_t begin = next == now.ends.begin() ? 0 : *(next - 1);
    auto rest = next - now.ends.begin();
    std::vector<Token> tail;
    if (begin < cut && next != now.ends.end()) {
      const std::string text = now.bytes.substr(cut, *next - cut);
      tail = tokenizer.encode(text, {.add_special = false, .parse_special = false});
      const auto spelled = [&] { return spliced_tokens::Spelled(tokenizer, tail).bytes; };
      if (!tail.empty() && spelled() == " " + text && tokenizer.decode(tail.front()) == " ") tail.erase(tail.begin());
      if (spelled() != text) continue;  // a token earlier, then
      ++rest;
    }
    out.tokens.assign(read.begin(), read.begin() + static_cast<std::ptrdiff_t>(kept));
    out.tokens.insert(out.tokens.end(), tail.begin(), tail.end());
    out.tokens.insert(out.tokens.end(), wanted.begin() + rest, wanted.end());
    break;
  }
  if (kept == 0) out.tokens.assign(wanted.begin(), wanted.end());
  out.kept = kept;
  return out;
}

}  // namespace plumb
