/// @file
/// What the keys of a GGUF vocabulary mean, in parts of a pipeline.

#include <utility>

#include "../core/utf8.hpp"
#include "bpe.hpp"
#include "pipeline.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "spm.hpp"
#include "unicode.hpp"
#include "unigram.hpp"
#include "word_steps.hpp"
#include "wordpiece.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

const PretokenizerFamily& known_family(const Vocabulary& vocabulary) {
  if (const PretokenizerFamily* family = find_pretokenizer(vocabulary.pre)) return *family;
  throw Error(ErrorCode::unsupported_tokenizer,
              vocabulary.source + ": pre-tokenizer " + quote(vocabulary.pre) + " is not known");
}

std::vector<Merge> read_merges(const Vocabulary& vocabulary, const PieceIndex& index) {
  const auto fail = [&](std::size_t rank, const std::string& problem) {
    throw Error(ErrorCode::bad_tokenizer, vocabulary.source + ": key 'tokenizer.ggml.merges': merge " +
                                              std::to_string(rank) + " " + quote(vocabulary.merges[rank]) + " " +
                                              problem);
  };
  std::vector<Merge> merges;
  merges.reserve(vocabulary.merges.size());
  std::string joined;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) fail(rank, "is not two spellings");
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const Merge entry{index.find(left), index.find(right), static_cast<std::int32_t>(rank), index.find(joined)};
    if (entry.left == kNoToken) fail(rank, "joins " + quote(left) + ", which is no token");
    if (entry.right == kNoToken) fail(rank, "joins " + quote(right) + ", which is no token");
    if (entry.joined == kNoToken) fail(rank, "makes " + quote(joined) + ", which is no token");
    merges.push_back(entry);
  }
  return merges;
}

void use_bpe(const Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& not_text,
             Pipeline& pipeline) {
  pipeline.pretokenizer = Pretokenizer(known_family(vocabulary).steps);
  BpeRules rules;
  rules.byte_level = rules.keep_holes = true;
  rules.ignore_merges = vocabulary.ignore_merges;
  pipeline.model = std::make_unique<BpeModel>(ModelPieces(index, not_text), read_merges(vocabulary, index), false,
                                              std::move(rules), vocabulary.source);
}

void use_charsmap(const Vocabulary& vocabulary, Pipeline& pipeline) {
  if (vocabulary.charsmap.empty()) return;
  pipeline.normalizer.add(
      charsmap_step(Charsmap(vocabulary.charsmap, vocabulary.source + ": precompiled_charsmap"), true));
}

void use_spm(const Vocabulary& vocabulary, const PieceIndex& index, Pipeline& pipeline) {
  pipeline.repairs_utf8 = !vocabulary.charsmap.empty();
  use_charsmap(vocabulary, pipeline);
  if (vocabulary.remove_extra_whitespaces) pipeline.normalizer.add(collapse_spaces_step());
  if (vocabulary.add_space_prefix) pipeline.normalizer.add(always_prepend_step(" "));
  pipeline.model = std::make_unique<SpmModel>(vocabulary, index);
}

void use_wordpiece(const Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& none,
                   Pipeline& pipeline) {
  pipeline.normalizer.add(bert_step({.clean_text = true,
                                     .chinese_words = true,
                                     .strip_accents = vocabulary.strip_accents,
                                     .lowercase = vocabulary.lowercase}));
  pipeline.pretokenizer.add(character_step(is_white_space, CutBehavior::removed));
  pipeline.pretokenizer.add(character_step(is_punctuation, CutBehavior::isolated));
  WordPieceRules rules;
  rules.word_prefix = kSpaceMark;
  rules.unknown = vocabulary.unknown;
  pipeline.model = std::make_unique<WordPieceModel>(ModelPieces(index, none), vocabulary.size(), std::move(rules),
                                                    vocabulary.source);
}

void use_unigram(const Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& not_text,
                 Pipeline& pipeline) {
  use_charsmap(vocabulary, pipeline);
  if (vocabulary.remove_extra_whitespaces) pipeline.normalizer.add(collapse_spaces_step());
  // A text of spaces alone gets no space in front.
  if (vocabulary.add_space_prefix) pipeline.normalizer.add(prepend_step(" "));
  pipeline.normalizer.add(replace_step(TextPattern(std::string(" ")), std::string(kSpaceMark)));
  std::vector<double> scores(vocabulary.pieces.size());
  for (std::size_t id = 0; id < scores.size(); ++id) {
    const bool user_defined = !vocabulary.types.empty() && vocabulary.types[id] == TokenType::user_defined;
    scores[id] = user_defined || vocabulary.scores.empty() ? 0.0 : static_cast<double>(vocabulary.scores[id]);
  }
  const bool bytes = index.find(byte_spelling(0)) != kNoToken;
  pipeline.model = std::make_unique<UnigramModel>(ModelPieces(index, not_text), scores,
                                                  UnigramRules{vocabulary.unknown, bytes}, vocabulary.source);
}

void use_rwkv(const Vocabulary& vocabulary, Pipeline& pipeline) {
  pipeline.repairs_utf8 = false;
  std::vector<std::pair<std::string, Token>> pieces;
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const auto id = static_cast<std::size_t>(token);
    const bool text = vocabulary.types.empty() ||
                      (vocabulary.types[id] != TokenType::control && vocabulary.types[id] != TokenType::unknown);
    if (text) pieces.emplace_back(unescaped_rwkv(vocabulary.pieces[id]), token);
  }
  pipeline.model = std::make_unique<LongestPieceModel>(std::move(pieces), vocabulary.unknown);
}

/// User-defined tokens are matched always, control tokens on request.
/// Leftmost first; llama.cpp takes the longest of a whole text first. That differs only where the end of one token
/// begins a longer one: of 83 vocabularies looked at, only Falcon's have such tokens, in ">>TITLE<<|endoftext|>", which
/// nobody writes. `repaired`: texts are made valid UTF-8 first. Then a spelling that is not can stand only inside of a
/// character, which it must not cut.
std::vector<AddedToken> matched_tokens(const Vocabulary& vocabulary, bool repaired) {
  std::vector<AddedToken> tokens;
  for (std::size_t id = 0; id < vocabulary.types.size(); ++id) {
    const TokenType type = vocabulary.types[id];
    AddedToken token;
    token.special = type == TokenType::control || type == TokenType::unknown;
    if (!token.special && type != TokenType::user_defined) continue;
    token.id = static_cast<Token>(id);
    token.content = vocabulary.pieces[id];
    std::string storage;
    if (repaired && valid_utf8(token.content, storage).data() != token.content.data()) continue;
    const bool strips = vocabulary.strip_right_of_special && token.id != vocabulary.bos &&
                        token.id != vocabulary.unknown && token.content != "<|endoftext|>";
    if (strips) token.right = SwallowedSpace::ascii;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

Pipeline pipeline_of_vocabulary(const Vocabulary& vocabulary, const PieceIndex& index,
                                const std::vector<bool>& not_text) {
  static const std::vector<bool> kNone;
  Pipeline pipeline;
  switch (vocabulary.model) {
    case TokenizerModel::spm: use_spm(vocabulary, index, pipeline); break;
    case TokenizerModel::bpe: use_bpe(vocabulary, index, not_text, pipeline); break;
    case TokenizerModel::wordpiece: use_wordpiece(vocabulary, index, kNone, pipeline); break;
    case TokenizerModel::unigram: use_unigram(vocabulary, index, not_text, pipeline); break;
    case TokenizerModel::rwkv: use_rwkv(vocabulary, pipeline); break;
    case TokenizerModel::wordlevel:
      throw Error(ErrorCode::unsupported_tokenizer,
                  vocabulary.source + ": a vocabulary of this model comes from a tokenizer.json");
  }
  pipeline.added =
      AddedTokens(matched_tokens(vocabulary, pipeline.repairs_utf8), pipeline.normalizer, SpecialAsText::not_matched);
  if (vocabulary.add_bos) pipeline.before.push_back(vocabulary.bos);
  if (vocabulary.add_eos) pipeline.after.push_back(vocabulary.eos);
  if (vocabulary.add_separator) pipeline.after.push_back(vocabulary.separator);
  return pipeline;
}

}  // namespace plumb
