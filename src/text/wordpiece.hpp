#pragma once
/// @file
/// WordPiece (Schuster and Nakajima 2012) as BERT uses it: a text is cleaned and cut into words, and a word into the
/// longest pieces from the left. Pieces that begin a word are spelled with U+2581 in front, as GGUF files do.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "piece_index.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// Encodes words with a vocabulary of pieces. Immutable after construction.
class WordPieceEncoder {
 public:
  WordPieceEncoder(const Vocabulary& vocabulary, const PieceIndex& index) : vocabulary_(vocabulary), index_(index) {}

  /// Appends the tokens of a text. A word that pieces cannot spell, or of more than 100 characters, becomes the unknown
  /// token, or nothing when there is none.
  void encode(std::string_view text, std::vector<Token>& out) const;

 private:
  void clean(std::string_view text, std::string& words) const;
  void encode_word(std::string_view word, std::string& spelling, std::vector<Token>& out) const;

  const Vocabulary& vocabulary_;
  const PieceIndex& index_;
};

}  // namespace plumb
