#pragma once
/// @file
/// What spells words with tokens, and a memory of the words of a text.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "piece_index.hpp"
#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// A model of words: BPE, Unigram, WordPiece, ... Immutable.
class WordModel {
 public:
  virtual ~WordModel() = default;
  /// Appends the tokens of words, none of which is empty. @throws Error{bad_tokenizer} for a word that the vocabulary
  /// cannot spell, where the vocabulary promised a token for such words and has none.
  virtual void encode(std::span<const std::string_view> words, std::vector<Token>& out) const = 0;
};

/// A vocabulary as a model sees it: some of its tokens are none of the model's, since they were added to it.
class ModelPieces {
 public:
  ModelPieces(const PieceIndex& index, const std::vector<bool>& foreign) : index_(&index), foreign_(&foreign) {}
  Token find(std::string_view spelling) const { return own(index_->find(spelling)); }
  /// Makes kNoToken of a token that the model does not have.
  Token own(Token token) const { return token != kNoToken && !has(token) ? kNoToken : token; }
  const PieceIndex& index() const { return *index_; }
  bool has(Token token) const { return foreign_->empty() || !(*foreign_)[static_cast<std::size_t>(token)]; }

 private:
  const PieceIndex* index_;
  const std::vector<bool>* foreign_;  // [size] or empty: none
};

/// Words of one call with the place of their tokens in the output: texts repeat their words. Bounded; a newer word
/// takes the place of an older one.
class WordCache {
 public:
  /// `words`: about how many will come.
  WordCache(std::size_t words, std::uint64_t seed) : seed_(seed) {
    constexpr std::size_t kFewest = 16, kMost = std::size_t{1} << 14;
    entries_.resize(std::bit_ceil(std::clamp(words, kFewest, kMost)));
  }

  /// Appends the tokens of a word that was seen before; otherwise calls spell() to append them, and remembers where.
  template <class Spell>
  void encode(std::string_view word, std::vector<Token>& out, const Spell& spell) {
    Entry& entry = entries_[hash_bytes(word, seed_) & (entries_.size() - 1)];
    const std::size_t begin = out.size();
    if (entry.word.size() == word.size() && entry.word == word) {
      for (std::size_t i = 0; i < entry.count; ++i) out.push_back(out[entry.begin + i]);
      return;
    }
    spell();
    entry = {word, begin, out.size() - begin};
  }

 private:
  struct Entry {
    std::string_view word;
    std::size_t begin = 0, count = 0;
  };
  std::vector<Entry> entries_;
  std::uint64_t seed_;
};

}  // namespace plumb
