#include "unigram.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "../core/utf8.hpp"
#include "plumb/core/error.hpp"
#include "spm.hpp"

namespace plumb::inline PLUMB_ABI {

UnigramModel::UnigramModel(ModelPieces pieces, std::span<const double> scores, const UnigramRules& rules,
                           std::string source)
    : pieces_(pieces), scores_(scores.begin(), scores.end()), rules_(rules), source_(std::move(source)) {
  constexpr double kPenalty = 10;
  std::vector<std::pair<std::string_view, Token>> all;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t id = 0; id < scores_.size(); ++id) {
    const auto token = static_cast<Token>(id);
    if (!pieces_.has(token)) continue;
    all.emplace_back(pieces_.index().spelling(token), token);
    lowest = std::min(lowest, scores_[id]);
  }
  trie_ = Trie(std::move(all));
  unknown_score_ = lowest - kPenalty;
  for (unsigned byte = 0; byte < 256; ++byte) byte_tokens_[byte] = pieces_.find(byte_spelling(byte));
}

void UnigramModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  WordCache cache(words.size(), pieces_.index().seed());
  std::vector<Best> best;
  for (const std::string_view word : words) cache.encode(word, out, [&] { encode_word(word, best, out); });
}

void UnigramModel::encode_word(std::string_view word, std::vector<Best>& best, std::vector<Token>& out) const {
  best.assign(word.size() + 1, Best{});
  best[0].from = 0;
  const auto offer = [&](std::size_t from, std::size_t to, double score, Token token) {
    Best& target = best[to];
    if (target.from < 0 || score > target.score) target = {score, static_cast<std::int64_t>(from), token};
  };
  for (std::size_t from = 0; from < word.size();) {
    const std::size_t character = utf8_announced_length(word[from]);
    const double score = best[from].score;
    bool spelled = false;
    trie_.for_each_prefix(word.substr(from), [&](std::size_t length, Token token) {
      offer(from, from + length, score + scores_[static_cast<std::size_t>(token)], token);
      spelled = spelled || length == character;
    });
    if (!spelled) {
      if (rules_.unknown == kNoToken)
        throw Error(ErrorCode::bad_tokenizer, source_ + ": a character is unknown and there is no unknown token");
      offer(from, from + character, score + unknown_score_, rules_.unknown);
    }
    from += character;
  }
  const std::size_t begin = out.size();
  std::vector<Token> unknown;
  for (std::size_t to = word.size(); to > 0;) {
    std::size_t from = static_cast<std::size_t>(best[to].from);
    const Token token = best[to].token;
    if (token != rules_.unknown || token == kNoToken) {
      out.push_back(token);
    } else {
      while (from > 0 && best[from].token == rules_.unknown) from = static_cast<std::size_t>(best[from].from);
      unknown.clear();
      append_unknown(word.substr(from, to - from), unknown);
      out.insert(out.end(), unknown.rbegin(), unknown.rend());
    }
    to = from;
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end());
}

void UnigramModel::append_unknown(std::string_view text, std::vector<Token>& out) const {
  // Unknown characters in a row may be spelled as a piece is: the unknown token's own spelling.
  if (const Token token = pieces_.find(text); token != kNoToken) return out.push_back(token);
  const auto token_of = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  const bool spelled =
      rules_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char c) { return token_of(c) != kNoToken; });
  if (!spelled) return out.push_back(rules_.unknown);
  for (const char c : text) out.push_back(token_of(c));
}

}  // namespace plumb
