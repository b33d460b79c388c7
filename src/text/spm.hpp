#pragma once
/// @file
/// SentencePiece BPE (Kudo and Richardson 2018) as Llama uses it: pieces with scores, byte fallback.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/text/vocabulary.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

/// U+2581, which spells a space in SentencePiece vocabularies.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

/// The byte that a spelling of the form <0xHH> stands for; -1 for any other spelling.
int byte_of_spelling(std::string_view spelling);
/// The bytes of a piece of an RWKV vocabulary, which has \t, \n, \r, \x0a and a backslash in front of what is meant
/// as it is.
std::string unescaped_rwkv(std::string_view spelling);
/// "<0x0A>" for 10.
std::string byte_spelling(unsigned byte);

/// Joins the best-scoring adjacent pair until no pair is a piece. Immutable after construction.
class SpmModel : public WordModel {
 public:
  SpmModel(const Vocabulary& vocabulary, const PieceIndex& index);

  /// Spaces are ordinary spaces. What is no piece becomes byte tokens; a byte without a token becomes the unknown
  /// token, or nothing when there is none.
  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  /// A piece of the text, in a doubly linked list of positions.
  struct Symbol {
    std::int32_t begin, length;  // length 0: joined to its left neighbour
    std::int32_t previous, next;
    Token token;  // kNoToken: spelled with bytes
  };
  /// A possible join of the symbol at `left` with the one after it.
  struct Candidate {
    float score;
    std::int32_t left, length;  // length of both when it was found: it is void if either has changed
    Token joined;
    bool operator<(const Candidate& other) const {  // the heap's top is the best score, leftmost first
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  struct Scratch {
    std::string text;  // spaces as kSpaceMark
    std::string_view piece(std::int32_t begin, std::int32_t length) const {
      return std::string_view(text).substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(length));
    }
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  void encode_text(std::string_view text, std::vector<Token>& out) const;
  Token find_piece(std::string_view spelling) const;
  void consider(std::int32_t left, Scratch& scratch) const;
  void cut_characters(std::string_view text, Scratch& scratch) const;
  void join_all(Scratch& scratch) const;
  void append_bytes(std::string_view bytes, std::vector<Token>& out) const;

  const PieceIndex& index_;
  std::span<const TokenType> types_;
  std::span<const float> scores_;
  std::array<Token, 256> byte_tokens_;
};

}  // namespace plumb
