#pragma once
/// Vocabularies made on the spot, and encoders so simple that they cannot be wrong: strings, full scans, no tables.

#include <algorithm>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/text/vocabulary.hpp"
#include "tests/support/gguf_builder.hpp"

namespace plumb::test {

inline constexpr std::string_view kCorpus =
    "the miller ground the corn and the corn became the bread that the village ate in the evening while the river "
    "turned the wheel and the wheel turned the stone on which the grain was ground there were three mills on the river "
    "and the oldest of them stood where the water ran fastest over the weir nobody remembered who had built the weir "
    "but everybody knew that without it there would be neither flour nor bread nor market on the seventh day caf\u00e9 "
    "stra\u00dfe na\u00efve \u4e2d\u6587 \u4e2d\u56fd \u043c\u0438\u0440 1234 12 123 1999 2000 != == <= >= -> :: ...";

/// Pieces of every word in order; words are joined most frequent pair first, by `join_count` joins.
struct TrainedMerges {
  std::vector<std::pair<std::string, std::string>> merges;
};
inline TrainedMerges train_merges(std::vector<std::vector<std::string>> words, int join_count) {
  TrainedMerges trained;
  for (int join = 0; join < join_count; ++join) {
    std::map<std::pair<std::string, std::string>, int> counts;
    for (const auto& word : words)
      for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    if (counts.empty()) break;
    const auto best = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
                        return a.second < b.second;
                      })->first;
    trained.merges.push_back(best);
    for (auto& word : words)
      for (std::size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == best.first && word[i + 1] == best.second) {
          word[i] += word[i + 1];
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return trained;
}

/// Lead byte and its continuation bytes.
inline std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !out.empty())
      out.back() += c;
    else
      out.emplace_back(1, c);
  }
  return out;
}

inline void add_token(Vocabulary& vocabulary, std::string piece, TokenType type, float score = 0) {
  vocabulary.pieces.push_back(std::move(piece));
  vocabulary.types.push_back(type);
  vocabulary.scores.push_back(score);
}

/// 256 bytes, some 250 merges, <|endoftext|> as bos and eos, <|im_start|>, <|im_end|>, and user-defined runs of spaces.
inline Vocabulary small_bpe(std::string pre = "gpt-2") {
  const std::vector<std::string> alphabet = byte_level_alphabet();
  const auto spell = [&](std::string_view bytes) {
    std::vector<std::string> letters;
    for (const char c : bytes) letters.push_back(alphabet[static_cast<unsigned char>(c)]);
    return letters;
  };
  std::vector<std::vector<std::string>> words;
  std::istringstream corpus{std::string(kCorpus)};
  for (std::string word; corpus >> word;) words.push_back(spell(" " + word));
  words.push_back(spell("   "));

  Vocabulary vocabulary;
  vocabulary.source = "small_bpe";
  vocabulary.model = TokenizerModel::bpe;
  vocabulary.pre = std::move(pre);
  for (const std::string& letter : alphabet) add_token(vocabulary, letter, TokenType::normal);
  for (const auto& [left, right] : train_merges(words, 250).merges) {
    vocabulary.merges.push_back(left + " " + right);
    if (std::find(vocabulary.pieces.begin(), vocabulary.pieces.end(), left + right) == vocabulary.pieces.end())
      add_token(vocabulary, left + right, TokenType::normal);
  }
  for (const char* piece : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})
    add_token(vocabulary, piece, TokenType::control);
  for (const char* piece : {"    ", "        ", "[tag]"}) add_token(vocabulary, piece, TokenType::user_defined);
  vocabulary.bos = vocabulary.eos = static_cast<Token>(vocabulary.size() - 6);
  vocabulary.scores.clear();
  return vocabulary;
}

/// <unk>, <s>, </s>, 256 bytes, characters, some 250 joins; spaces as U+2581; one user-defined token.
inline Vocabulary small_spm() {
  std::vector<std::vector<std::string>> words;
  std::istringstream corpus{std::string(kCorpus)};
  for (std::string word; corpus >> word;) words.push_back(characters("\u2581" + word));

  Vocabulary vocabulary;
  vocabulary.source = "small_spm";
  vocabulary.model = TokenizerModel::spm;
  add_token(vocabulary, "<unk>", TokenType::unknown);
  add_token(vocabulary, "<s>", TokenType::control);
  add_token(vocabulary, "</s>", TokenType::control);
  constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t b = 0; b < 256; ++b)
    add_token(vocabulary, {'<', '0', 'x', kHex[b / 16], kHex[b % 16], '>'}, TokenType::byte);
  const auto known = [&](const std::string& piece) {
    return std::find(vocabulary.pieces.begin(), vocabulary.pieces.end(), piece) != vocabulary.pieces.end();
  };
  float score = 0;
  for (const auto& [left, right] : train_merges(words, 250).merges)
    if (!known(left + right)) add_token(vocabulary, left + right, TokenType::normal, --score);
  for (const std::string& piece : {std::string("\u2581\u2581"), std::string("\u2581\u2581\u2581\u2581")})
    add_token(vocabulary, piece, TokenType::normal, --score);
  for (const auto& word : words)
    for (const std::string& letter : word)
      if (!known(letter)) add_token(vocabulary, letter, TokenType::normal, --score);
  add_token(vocabulary, "[tag]", TokenType::user_defined);
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_bos = true;
  vocabulary.add_space_prefix = true;
  return vocabulary;
}

inline Token naive_find(const Vocabulary& vocabulary, const std::string& piece) {
  const auto found = std::find(vocabulary.pieces.begin(), vocabulary.pieces.end(), piece);
  return found == vocabulary.pieces.end() ? kNoToken : static_cast<Token>(found - vocabulary.pieces.begin());
}

/// One word by the definition: the first merge of the list that applies anywhere is applied leftmost, until none does.
inline std::vector<Token> naive_bpe_word(const Vocabulary& vocabulary, std::string_view bytes) {
  const std::vector<std::string> alphabet = byte_level_alphabet();
  std::vector<std::string> parts;
  for (const char c : bytes) parts.push_back(alphabet[static_cast<unsigned char>(c)]);
  for (bool merged = true; merged;) {
    merged = false;
    for (std::size_t rank = 0; rank < vocabulary.merges.size() && !merged; ++rank)
      for (std::size_t i = 0; i + 1 < parts.size() && !merged; ++i)
        if (parts[i] + " " + parts[i + 1] == vocabulary.merges[rank]) {
          parts[i] += parts[i + 1];
          parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
  }
  std::vector<Token> tokens;
  for (const std::string& part : parts)
    if (const Token token = naive_find(vocabulary, part); token != kNoToken) tokens.push_back(token);
  return tokens;
}

/// A text (spaces already U+2581) by the definition: the leftmost best-scoring adjacent pair is joined, until none is a
/// piece of text.
inline std::vector<Token> naive_spm(const Vocabulary& vocabulary, std::string_view marked) {
  const auto piece_of = [&](const std::string& text) {
    const Token token = naive_find(vocabulary, text);
    if (token == kNoToken) return kNoToken;
    const TokenType type = vocabulary.types[static_cast<std::size_t>(token)];
    return type == TokenType::normal || type == TokenType::user_defined || type == TokenType::unused ? token : kNoToken;
  };
  std::vector<std::string> parts = characters(marked);
  for (;;) {
    std::size_t best = parts.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const Token joined = piece_of(parts[i] + parts[i + 1]);
      if (joined == kNoToken) continue;
      const float score = vocabulary.scores[static_cast<std::size_t>(joined)];
      if (best == parts.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == parts.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  std::vector<Token> tokens;
  for (const std::string& part : parts) {
    if (const Token token = piece_of(part); token != kNoToken) {
      tokens.push_back(token);
      continue;
    }
    constexpr char kHex[] = "0123456789ABCDEF";
    for (const char c : part) {
      const auto byte = static_cast<unsigned char>(c);
      tokens.push_back(naive_find(vocabulary, {'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'}));
    }
  }
  return tokens;
}

/// Words of the corpus, odd characters and white space, valid UTF-8.
inline std::string random_text(std::mt19937& random, std::size_t parts) {
  static const std::vector<std::string> kOdd = {
      " ", "  ",     "    ",   "\n",           "\t",     "\r\n",   "'s",     "'LL",    "...",        "12345",
      "7", "\u00e9", "\u00df", "\u4e2d\u6587", "\u00a0", "\u3000", "\u0301", "\u2581", "\U0001F600", "A",
      "x", "<s>",    "<0x41>", "[tag]",        "\u200b", "\x01",   "~",      "!?"};
  static const std::vector<std::string> kWords = [] {
    std::vector<std::string> words;
    std::istringstream corpus{std::string(kCorpus)};
    for (std::string word; corpus >> word;) words.push_back(word);
    return words;
  }();
  std::string text;
  for (std::size_t i = 0; i < parts; ++i) {
    if (random() % 2) {
      text += " " + kWords[random() % kWords.size()];
    } else {
      const std::string& odd = kOdd[random() % kOdd.size()];
      for (std::size_t n = 1 + random() % 3; n > 0; --n) text += odd;
    }
  }
  return text;
}

}  // namespace plumb::test
