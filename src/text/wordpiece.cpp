#include "wordpiece.hpp"

#include <algorithm>
#include <utility>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

bool begins_character(std::string_view text, std::size_t at) {
  return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

[[noreturn]] void fail_unknown(const std::string& source) {
  throw Error(ErrorCode::bad_tokenizer, source + ": a word is unknown and the unknown token is not in the vocabulary");
}

}  // namespace

WordPieceModel::WordPieceModel(ModelPieces pieces, std::int64_t size, WordPieceRules rules, std::string source)
    : rules_(std::move(rules)), source_(std::move(source)), seed_(pieces.index().seed()) {
  std::vector<std::pair<std::string_view, Token>> all;
  for (Token token = 0; token < size; ++token)
    if (pieces.has(token)) all.emplace_back(pieces.index().spelling(token), token);
  trie_ = Trie(std::move(all));
  word_begin_ = trie_.descend(Trie::kRoot, rules_.word_prefix);
  word_rest_ = trie_.descend(Trie::kRoot, rules_.continuing_prefix);
}

void WordPieceModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  WordCache cache(words.size(), seed_);
  for (const std::string_view word : words) cache.encode(word, out, [&] { encode_word(word, out); });
}

void WordPieceModel::encode_word(std::string_view word, std::vector<Token>& out) const {
  const std::size_t begin = out.size();
  const auto characters = std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; });
  bool known = static_cast<std::size_t>(characters) <= rules_.longest_word;
  for (std::size_t at = 0; known && at < word.size();) {
    const Trie::Node from = at == 0 ? word_begin_ : word_rest_;
    std::size_t length = 0;
    Token longest = kNoToken;
    if (from != Trie::kNone)
      trie_.for_each_prefix(
          word.substr(at),
          [&](std::size_t candidate, Token token) {
            if (!begins_character(word, at + candidate)) return;
            length = candidate;
            longest = token;
          },
          from);
    known = length > 0;
    if (known) out.push_back(longest);
    at += length;
  }
  if (known) return;
  out.resize(begin);
  if (rules_.unknown != kNoToken)
    out.push_back(rules_.unknown);
  else if (rules_.unknown_must_exist)
    fail_unknown(source_);
}

LongestPieceModel::LongestPieceModel(std::vector<std::pair<std::string, Token>> pieces, Token unknown)
    : trie_(std::vector<std::pair<std::string_view, Token>>(pieces.begin(), pieces.end())), unknown_(unknown) {}

void LongestPieceModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  for (const std::string_view word : words)
    for (std::size_t at = 0; at < word.size();) {
      std::size_t length = 0;
      Token longest = unknown_;
      trie_.for_each_prefix(word.substr(at), [&](std::size_t candidate, Token token) {
        length = candidate;
        longest = token;
      });
      if (longest != kNoToken) out.push_back(longest);
      at += std::max<std::size_t>(length, 1);
    }
}

WordLevelModel::WordLevelModel(ModelPieces pieces, Token unknown, std::string source)
    : pieces_(pieces), unknown_(unknown), source_(std::move(source)) {}

void WordLevelModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  for (const std::string_view word : words) {
    const Token token = pieces_.find(word);
    if (token == kNoToken && unknown_ == kNoToken) fail_unknown(source_);
    out.push_back(token != kNoToken ? token : unknown_);
  }
}

}  // namespace plumb
