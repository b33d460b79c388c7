#pragma once
/// @file
/// Byte-level byte-pair encoding (Sennrich et al. 2016; the byte alphabet of GPT-2).

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "piece_index.hpp"
#include "plumb/text/vocabulary.hpp"
#include "pretokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// GPT-2 spells bytes as visible characters: 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF as themselves, the other 68 in order as
/// U+0100, U+0101, ... Returns the code point for a byte.
unsigned byte_to_code_point(unsigned char byte);

/// Bytes that a spelling stands for. A character outside the byte alphabet stands for its own UTF-8.
std::string decode_byte_spelling(std::string_view spelling);

/// Encodes words with a merge table. Immutable after construction.
class BpeEncoder {
 public:
  /// @throws Error{bad_tokenizer} for a merge that is malformed or names a spelling that the vocabulary lacks,
  /// {unsupported_tokenizer} for an unknown pre-tokenizer.
  BpeEncoder(const Vocabulary& vocabulary, const PieceIndex& index);

  /// Appends the tokens of a text. Invalid UTF-8 is read as U+FFFD, one per byte. A byte whose spelling is no token is
  /// left out.
  void encode(std::string_view text, std::vector<Token>& out) const;

 private:
  /// What two adjacent tokens become.
  struct Merge {
    Token left = kNoToken, right = kNoToken;  // left = kNoToken: a free slot
    std::int32_t rank = 0;
    Token joined = kNoToken;
  };
  /// A token within a word, in a doubly linked list of positions.
  struct Symbol {
    Token token;
    std::int32_t previous, next;
  };
  /// A possible merge of the symbol at `left` with the one after it.
  struct Candidate {
    std::int32_t rank, left;
    Token left_token, right_token;  // when it was found: it is void if either has changed
    Token joined;
    bool operator<(const Candidate& other) const {  // the heap's top is the lowest rank, leftmost first
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
    std::string spelling;
  };

  void build_merges(const Vocabulary& vocabulary);
  const Merge* find_merge(Token left, Token right) const;
  Token whole_word(std::string_view word, Scratch& scratch) const;
  void encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const;
  void consider(std::int32_t left, Scratch& scratch) const;

  const PieceIndex& index_;
  std::span<const TokenType> types_;
  Pretokenizer pretokenizer_;
  bool ignore_merges_;
  std::array<Token, 256> byte_tokens_;
  std::vector<Merge> merges_;  // hash table by (left, right), [power of two]
  std::size_t mask_ = 0;
};

}  // namespace plumb
