#pragma once
/// @file
/// WordPiece (Schuster and Nakajima 2012): a word is cut into the longest pieces from the left. And WordLevel: a word
/// is a piece or unknown.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trie.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

struct WordPieceRules {
  std::string word_prefix;         ///< what spellings of pieces that begin a word begin with
  std::string continuing_prefix;   ///< ... and of those that go on
  std::size_t longest_word = 100;  ///< characters; longer words are unknown
  Token unknown = kNoToken;
  bool unknown_must_exist = false;  ///< an unknown word is an error if there is no unknown token; else it is nothing
};

/// Encodes words with a vocabulary of pieces.
class WordPieceModel : public WordModel {
 public:
  WordPieceModel(ModelPieces pieces, std::int64_t size, WordPieceRules rules, std::string source);
  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  void encode_word(std::string_view word, std::vector<Token>& out) const;

  WordPieceRules rules_;
  std::string source_;
  std::uint64_t seed_;
  Trie trie_;
  Trie::Node word_begin_, word_rest_;
};

/// RWKV's way: the longest piece at each place, over bytes. What begins no piece is the unknown token, byte by byte, or
/// nothing when there is none.
class LongestPieceModel : public WordModel {
 public:
  /// `pieces`: the bytes that each token stands for.
  LongestPieceModel(std::vector<std::pair<std::string, Token>> pieces, Token unknown);
  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  Trie trie_;
  Token unknown_;
};

/// Looks words up as a whole.
class WordLevelModel : public WordModel {
 public:
  WordLevelModel(ModelPieces pieces, Token unknown, std::string source);
  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  ModelPieces pieces_;
  Token unknown_;
  std::string source_;
};

}  // namespace plumb
