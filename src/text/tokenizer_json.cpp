#include "tokenizer_json.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "background.hpp"
#include "bpe.hpp"
#include "json_merges.hpp"
#include "plumb/core/printable.hpp"
#include "spm.hpp"
#include "tokenizer_json_parts.hpp"
#include "unigram.hpp"
#include "wordpiece.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Ids may have gaps, but a file shall not ask for more memory than it has text.
constexpr std::int64_t kLargestGap = 65'536;

std::string_view value_or_null(JsonScanner& scanner) { return scanner.null() ? std::string_view() : scanner.skip(); }

std::string text_or_null(JsonScanner& scanner, bool* present = nullptr) {
  std::string storage;
  if (scanner.null()) return {};
  if (present) *present = true;
  return std::string(scanner.string(storage));
}

bool boolean_or_null(JsonScanner& scanner) { return !scanner.null() && scanner.boolean(); }

}  // namespace

TokenizerJson::TokenizerJson(std::string_view text, std::string source) : source_(std::move(source)) {
  auto sections = in_background([&] { read_sections(text); });
  check_utf8(text, source_);  // if this fails, nobody asks what else is wrong
  sections.get();
}

void TokenizerJson::read_sections(std::string_view text) {
  JsonScanner scanner(text, source_);
  std::string storage;
  std::vector<std::string> seen;
  scanner.open('{');
  while (scanner.more('}')) {
    const std::string key(scanner.key(storage));
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      fail(ErrorCode::duplicate, "field " + quote(key) + " stands twice");
    seen.push_back(key);
    if (key == "version") {
      const std::string version = text_or_null(scanner);
      if (version != "1.0") fail(ErrorCode::unsupported_version, "version " + quote(version) + ", expected '1.0'");
    } else if (key == "truncation" || key == "padding") {
      (void)scanner.skip();
    } else if (key == "added_tokens") {
      added_text_ = value_or_null(scanner);
    } else if (key == "normalizer") {
      normalizer_ = value_or_null(scanner);
    } else if (key == "pre_tokenizer") {
      pre_tokenizer_ = value_or_null(scanner);
    } else if (key == "post_processor") {
      post_processor_ = value_or_null(scanner);
    } else if (key == "decoder") {
      decoder_ = value_or_null(scanner);
    } else if (key == "model") {
      read_model(scanner);
    } else {
      fail(ErrorCode::unsupported_tokenizer, "field " + quote(key) + " is not known");
    }
  }
  scanner.finish();
  if (!has_model_) fail(ErrorCode::missing_key, "field 'model' is missing");
}

void TokenizerJson::read_model(JsonScanner& scanner) {
  has_model_ = true;
  std::string storage;
  std::vector<std::string> seen;
  scanner.open('{');
  while (scanner.more('}')) {
    const std::string key(scanner.key(storage));
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      fail(ErrorCode::duplicate, "field 'model." + printable(key) + "' stands twice");
    if (seen.size() < 64) seen.push_back(key);
    read_model_field(scanner, key);
  }
  if (vocab_.empty()) fail(ErrorCode::missing_key, "field 'model.vocab' is missing");
}

void TokenizerJson::read_model_field(JsonScanner& scanner, std::string_view key) {
  if (key == "vocab") {
    vocab_ = value_or_null(scanner);
  } else if (key == "merges") {
    if (!scanner.null()) merges_ = scanner.skip(&merges_commas_);
  } else if (key == "type") {
    model_.type = text_or_null(scanner);
  } else if (key == "unk_token") {
    model_.unknown = text_or_null(scanner, &model_.has_unknown);
  } else if (key == "unk_id") {
    if (scanner.null()) return;
    model_.unknown_id = scanner.integer();
    if (model_.unknown_id < 0)
      fail(ErrorCode::bad_value, "field 'model.unk_id' is " + std::to_string(model_.unknown_id));
  } else if (key == "continuing_subword_prefix") {
    model_.continuing_prefix = text_or_null(scanner, &model_.has_prefix);
  } else if (key == "end_of_word_suffix") {
    model_.end_suffix = text_or_null(scanner);
  } else if (key == "fuse_unk") {
    model_.fuse_unknown = boolean_or_null(scanner);
  } else if (key == "byte_fallback") {
    model_.byte_fallback = boolean_or_null(scanner);
  } else if (key == "ignore_merges") {
    model_.ignore_merges = boolean_or_null(scanner);
  } else if (key == "max_input_chars_per_word") {
    model_.longest_word = scanner.integer();
    if (model_.longest_word < 0) fail(ErrorCode::bad_value, "field 'model.max_input_chars_per_word' is negative");
  } else if (key == "dropout") {
    if (!scanner.null() && scanner.number() != 0)
      fail(ErrorCode::unsupported_tokenizer, "field 'model.dropout' asks for random merges");
  } else {
    (void)scanner.skip();
  }
}

TokenizerJson::Model TokenizerJson::model_kind() const {
  if (model_.type == "BPE") return Model::bpe;
  if (model_.type == "Unigram") return Model::unigram;
  if (model_.type == "WordPiece") return Model::wordpiece;
  if (model_.type == "WordLevel") return Model::wordlevel;
  if (!model_.type.empty()) fail(ErrorCode::unsupported_tokenizer, "model " + quote(model_.type) + " is not known");
  // Old files do not say; the fields do.
  if (!merges_.empty()) return Model::bpe;
  if (vocab_.starts_with('[')) return Model::unigram;
  if (model_.has_prefix || model_.longest_word >= 0) return Model::wordpiece;
  if (model_.has_unknown) return Model::wordlevel;
  fail(ErrorCode::missing_key, "field 'model.type' is missing");
}

void TokenizerJson::read_added_tokens() {
  if (added_text_.empty()) return;
  JsonScanner scanner(added_text_, source_ + ": added_tokens");
  std::string storage;
  scanner.open('[');
  while (scanner.more(']')) {
    AddedToken token;
    bool has_content = false;
    scanner.open('{');
    while (scanner.more('}')) {
      const std::string_view key = scanner.key(storage);
      if (key == "content") {
        has_content = true;
        token.content = scanner.string(storage);
      } else if (key == "special") {
        token.special = scanner.boolean();
      } else if (key == "single_word") {
        token.single_word = scanner.boolean();
      } else if (key == "lstrip") {
        token.left = scanner.boolean() ? SwallowedSpace::unicode : SwallowedSpace::none;
      } else if (key == "rstrip") {
        token.right = scanner.boolean() ? SwallowedSpace::unicode : SwallowedSpace::none;
      } else if (key == "normalized") {
        token.normalized = scanner.boolean();
      } else if (key == "id") {
        if (scanner.integer() < 0) fail(ErrorCode::bad_value, "added_tokens: a negative id");
      } else {
        (void)scanner.skip();
      }
    }
    if (!has_content) fail(ErrorCode::missing_key, "added_tokens: field 'content' is missing");
    if (!token.content.empty()) added_.push_back(std::move(token));
  }
  scanner.finish();
  // Of equal ones the last counts.
  for (const AddedToken& token : added_) contents_.push_back(token.content);
  const PieceIndex index(contents_);
  if (index.first_duplicate() == kNoToken) return;
  std::vector<AddedToken> distinct;
  std::vector<std::size_t> places(added_.size(), added_.size());  // in `distinct`, by the number of the first of equals
  for (AddedToken& token : added_) {
    std::size_t& place = places[static_cast<std::size_t>(index.find(token.content))];
    if (place == added_.size()) {
      place = distinct.size();
      distinct.push_back(std::move(token));
    } else {
      distinct[place] = std::move(token);
    }
  }
  added_.swap(distinct);
  contents_.clear();
  for (const AddedToken& token : added_) contents_.push_back(token.content);
}

Vocabulary TokenizerJson::vocabulary() {
  read_added_tokens();
  Vocabulary vocabulary;
  vocabulary.source = source_;
  const PieceIndex added(contents_);
  switch (model_kind()) {
    case Model::bpe: vocabulary.model = TokenizerModel::bpe; break;
    case Model::unigram: vocabulary.model = TokenizerModel::unigram; break;
    case Model::wordpiece: vocabulary.model = TokenizerModel::wordpiece; break;
    case Model::wordlevel: vocabulary.model = TokenizerModel::wordlevel; break;
  }
  if (vocabulary.model == TokenizerModel::unigram)
    read_scores(vocabulary, added);
  else
    read_entries(vocabulary, added);
  give_ids(vocabulary);
  if (vocabulary.pieces.empty()) fail(ErrorCode::bad_tokenizer, "no tokens, expected at least one");
  set_types(vocabulary);
  return vocabulary;
}

void TokenizerJson::read_entries(Vocabulary& vocabulary, const PieceIndex& added) {
  JsonScanner scanner(vocab_, source_ + ": model.vocab");
  LargeList<Entry> entries;
  constexpr std::size_t kShortEntry = 16;
  entries.reserve(vocab_.size() / kShortEntry);
  std::deque<std::string> unescaped;
  std::string storage;
  std::int64_t largest = -1;
  scanner.open('{');
  while (scanner.more('}')) {
    std::string_view spelling = scanner.key(storage);
    if (spelling.data() == storage.data()) spelling = unescaped.emplace_back(spelling);
    const std::int64_t id = scanner.integer();
    if (id < 0) fail(ErrorCode::out_of_range, "model.vocab: " + quote(spelling) + " has id " + std::to_string(id));
    entries.push_back({spelling, id});
    largest = std::max(largest, id);
  }
  model_size_ = static_cast<std::int64_t>(entries.size());
  if (largest >= 2 * model_size_ + kLargestGap || largest > std::numeric_limits<Token>::max() / 2)
    fail(ErrorCode::out_of_range,
         "model.vocab: id " + std::to_string(largest) + " with " + std::to_string(model_size_) + " tokens");
  vocabulary.pieces.reserve(static_cast<std::size_t>(largest + 1));
  want_huge_pages(vocabulary.pieces.data(), vocabulary.pieces.capacity() * sizeof(std::string));
  vocabulary.pieces.resize(static_cast<std::size_t>(largest + 1));
  std::vector<bool> taken(vocabulary.pieces.size());
  for (const Entry& entry : entries) {
    const auto id = static_cast<std::size_t>(entry.id);
    if (taken[id])
      fail(ErrorCode::duplicate, "model.vocab: " + quote(vocabulary.pieces[id]) + " and " + quote(entry.spelling) +
                                     " both have id " + std::to_string(id));
    taken[id] = true;
    vocabulary.pieces[id] = entry.spelling;
    if (const Token which = added.find(entry.spelling); which != kNoToken)
      added_[static_cast<std::size_t>(which)].id = static_cast<Token>(id);
  }
}

void TokenizerJson::read_scores(Vocabulary& vocabulary, const PieceIndex& added) {
  JsonScanner scanner(vocab_, source_ + ": model.vocab");
  std::string storage;
  scanner.open('[');
  while (scanner.more(']')) {
    scanner.open('[');
    if (!scanner.more(']')) scanner.fail("an empty element");
    const std::string_view spelling = scanner.string(storage);
    if (const Token which = added.find(spelling); which != kNoToken)
      added_[static_cast<std::size_t>(which)].id = static_cast<Token>(vocabulary.pieces.size());
    vocabulary.pieces.emplace_back(spelling);
    if (!scanner.more(']')) scanner.fail("a piece without a score");
    scores_.push_back(scanner.number());
    if (scanner.more(']')) scanner.fail("more than a piece and a score");
  }
  model_size_ = static_cast<std::int64_t>(scores_.size());
  if (model_.unknown_id >= model_size_ && model_.unknown_id != kNoToken)
    fail(ErrorCode::out_of_range, "model.unk_id: " + std::to_string(model_.unknown_id) + ", the model has " +
                                      std::to_string(model_size_) + " tokens");
}

void TokenizerJson::give_ids(Vocabulary& vocabulary) {
  // The next id follows the number of the model's tokens, or the largest added id beyond it.
  std::int64_t largest = -1;
  for (AddedToken& token : added_) {
    const bool known = token.id != kNoToken;
    if (!known) {
      token.id = static_cast<Token>(largest >= model_size_ ? largest + 1 : model_size_);
      const auto id = static_cast<std::size_t>(token.id);
      if (id >= vocabulary.pieces.size()) vocabulary.pieces.resize(id + 1);
      if (!vocabulary.pieces[id].empty())
        fail(ErrorCode::duplicate, "added token " + quote(token.content) + " gets the id " + std::to_string(id) +
                                       " of " + quote(vocabulary.pieces[id]));
      vocabulary.pieces[id] = token.content;
      foreign_.resize(vocabulary.pieces.size());
      foreign_[id] = true;
    }
    largest = std::max<std::int64_t>(largest, token.id);
  }
  if (!foreign_.empty()) foreign_.resize(vocabulary.pieces.size());
}

void TokenizerJson::set_types(Vocabulary& vocabulary) const {
  vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    if (piece.empty())
      vocabulary.types[id] = TokenType::unused;
    else if (model_.byte_fallback && byte_of_spelling(piece) >= 0)
      vocabulary.types[id] = TokenType::byte;
  }
  for (const AddedToken& token : added_)
    vocabulary.types[static_cast<std::size_t>(token.id)] = token.special ? TokenType::control : TokenType::user_defined;
}

/// Whether every byte has a letter of GPT-2's alphabet in the vocabulary.
bool TokenizerJson::has_byte_letters(const ModelPieces& pieces) const {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    std::string letter;
    append_byte_letters(std::string_view(&raw, 1), letter);
    if (pieces.find(letter) == kNoToken) return false;
  }
  return true;
}

/// Whether the model can take bytes in place of their letters: every byte has a letter, or those without vanish.
bool TokenizerJson::is_byte_level(const ModelPieces& pieces) const {
  if (model_kind() != Model::bpe || !model_.continuing_prefix.empty() || !model_.end_suffix.empty()) return false;
  return (!model_.has_unknown && !model_.byte_fallback) || has_byte_letters(pieces);
}

std::unique_ptr<const WordModel> TokenizerJson::make_bpe(const ModelPieces& pieces, bool byte_level) const {
  if (merges_.empty()) fail(ErrorCode::missing_key, "field 'model.merges' is missing");
  BpeRules rules;
  rules.byte_level = byte_level;
  rules.ignore_merges = model_.ignore_merges;
  rules.unknown = model_.unknown;
  rules.fuse_unknown = model_.fuse_unknown;
  rules.byte_fallback = model_.byte_fallback;
  rules.continuing_prefix = model_.continuing_prefix;
  rules.end_suffix = model_.end_suffix;
  const LargeList<Merge> merges = read_json_merges(merges_, merges_commas_, source_, pieces, model_.continuing_prefix);
  return std::make_unique<BpeModel>(pieces, merges, true, std::move(rules), source_);
}

Pipeline TokenizerJson::pipeline(const Vocabulary& vocabulary, const PieceIndex& index,
                                 const std::vector<bool>& foreign) {
  const ModelPieces pieces(index, foreign);
  if (vocabulary.model != TokenizerModel::unigram && index.first_duplicate() != kNoToken)
    fail(ErrorCode::duplicate, "model.vocab: " + quote(index.spelling(index.first_duplicate())) + " stands twice");
  Pipeline pipeline;
  add_normalizer(normalizer_, source_, pipeline.normalizer);
  const bool ends_with_letters = add_pre_tokenizer(pre_tokenizer_, source_, pipeline.pretokenizer);
  const bool byte_level = ends_with_letters && is_byte_level(pieces);
  if (ends_with_letters && !byte_level) add_letters_step(pipeline.pretokenizer);
  add_post_processor(post_processor_, source_, vocabulary.size(), pipeline.before, pipeline.after);
  const Token unknown = model_.has_unknown ? pieces.find(model_.unknown) : kNoToken;
  switch (vocabulary.model) {
    case TokenizerModel::bpe: pipeline.model = make_bpe(pieces, byte_level); break;
    case TokenizerModel::unigram:
      scores_.resize(vocabulary.pieces.size());
      pipeline.model = std::make_unique<UnigramModel>(
          pieces, scores_, UnigramRules{static_cast<Token>(model_.unknown_id), model_.byte_fallback}, source_);
      break;
    case TokenizerModel::wordpiece: {
      WordPieceRules rules;
      rules.continuing_prefix = model_.continuing_prefix;
      if (model_.longest_word >= 0) rules.longest_word = static_cast<std::size_t>(model_.longest_word);
      rules.unknown = unknown;
      rules.unknown_must_exist = true;
      pipeline.model = std::make_unique<WordPieceModel>(pieces, vocabulary.size(), std::move(rules), source_);
      break;
    }
    default: pipeline.model = std::make_unique<WordLevelModel>(pieces, unknown, source_);
  }
  pipeline.added = AddedTokens(std::move(added_), pipeline.normalizer, SpecialAsText::matched_and_passed);
  return pipeline;
}

TokenDecoder TokenizerJson::decoder() const {
  TokenDecoder decoder;
  add_decoder(decoder_, source_, decoder);
  return decoder;
}

}  // namespace plumb
