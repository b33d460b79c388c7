#pragma once
/// @file
/// Unigram language model (Kudo 2018): the sequence of pieces with the best sum of scores.

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trie.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

struct UnigramRules {
  Token unknown = kNoToken;    ///< runs of unknown characters are this token; kNoToken: they are an error
  bool byte_fallback = false;  ///< ... or <0x..> tokens, if all their bytes have one
};

/// Encodes words with a Viterbi search: n steps for a word of n bytes, each as long as the longest piece at most.
class UnigramModel : public WordModel {
 public:
  /// `scores`: of all tokens, [size]. An unknown character costs 10 more than the lowest of the model's scores.
  UnigramModel(ModelPieces pieces, std::span<const double> scores, const UnigramRules& rules, std::string source);

  void encode(std::span<const std::string_view> words, std::vector<Token>& out) const override;

 private:
  /// The best way to spell a text up to some byte.
  struct Best {
    double score = 0;
    std::int64_t from = -1;  // where its last piece begins; -1: no way
    Token token = kNoToken;
  };

  void encode_word(std::string_view word, std::vector<Best>& best, std::vector<Token>& out) const;
  void append_unknown(std::string_view text, std::vector<Token>& out) const;

  ModelPieces pieces_;
  std::vector<double> scores_;
  UnigramRules rules_;
  std::string source_;
  Trie trie_;
  double unknown_score_ = 0;
  std::array<Token, 256> byte_tokens_;
};

}  // namespace plumb
