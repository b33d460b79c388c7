#pragma once
/// @file
/// Byte-pair encoding: byte-level (GPT-2) or of characters, with unknown tokens or byte fallback (SentencePiece-like).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "byte_alphabet.hpp"
#include "merge_table.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

/// How a word becomes the symbols that are merged.
struct BpeRules {
  bool byte_level = false;        ///< a word is bytes, each spelled by its letter of GPT-2's alphabet; else characters
  bool keep_holes = false;        ///< byte_level: a byte without a token keeps its neighbours apart, as in llama.cpp
  bool ignore_merges = false;     ///< a word that is a token as a whole is that token
  std::string unknown;            ///< spelling of the token for unknown characters; empty: they vanish
  bool fuse_unknown = false;      ///< neighbouring unknown characters are one token
  bool byte_fallback = false;     ///< an unknown character becomes <0x..> tokens, if all its bytes have one
  std::string continuing_prefix;  ///< in front of the spelling of every character but the first
  std::string end_suffix;         ///< behind the spelling of the last one
};

/// Encodes words with a merge table.
class BpeModel : public WordModel {
 public:
  /// `merges` are applied; they have been checked against the vocabulary. `source` names it in messages.
  BpeModel(ModelPieces pieces, std::span<const Merge> merges, bool last_of_equal_counts, BpeRules rules,
           std::string source);

  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  struct Scratch {
    MergeScratch merges;
    std::string spelling;
    std::vector<std::string_view> parts;
  };

  void prepare_cuts(std::span<const Merge> merges);
  void cut_before_marks(std::string_view word, std::vector<std::string_view>& parts) const;
  Token whole_word(std::string_view word, Scratch& scratch) const;
  void encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const;
  void add_bytes(std::string_view word, MergeScratch& merges) const;
  void add_characters(std::string_view word, Scratch& scratch) const;
  bool add_fallback(std::string_view spelling, MergeScratch& merges) const;

  ModelPieces pieces_;
  BpeRules rules_;
  std::string source_;
  MergeTable merges_;
  std::array<Token, 256> byte_tokens_;  // byte_level: of each byte's letter; else of each byte's <0x..>
  std::array<Token, 128> ascii_;        // tokens of ASCII characters
  Token unknown_ = kNoToken;
  bool cuts_ = false;                     // words may be cut before space marks
  std::vector<char32_t> joined_to_mark_;  // characters after which they may not, ascending
};

}  // namespace plumb
