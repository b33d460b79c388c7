#pragma once
/// @file
/// A tokenizer.json of Hugging Face's tokenizers library: its vocabulary and the parts of its pipeline.
///
/// The library's behaviour is followed, oddities included. Left out on purpose: `truncation` and `padding`, which are a
/// matter of batches. An unknown part is refused by name.

#include <string>
#include <string_view>
#include <vector>

#include "json_scanner.hpp"
#include "merge_table.hpp"
#include "pipeline.hpp"
#include "token_decoder.hpp"

namespace plumb::inline PLUMB_ABI {

/// The file's sections, and what was read of them.
class TokenizerJson {
 public:
  /// `text` must outlive this. @throws Error{bad_value, wrong_type, missing_key, duplicate, unsupported_version,
  /// unsupported_tokenizer}.
  TokenizerJson(std::string_view text, std::string source);

  /// Pieces and their types. Added tokens get the ids that the library gives them: the model's, or the next free ones.
  /// @throws Error{bad_value, wrong_type, out_of_range, duplicate}.
  Vocabulary vocabulary();
  /// Tokens that were added and are none of the model's, by id; empty if there are none. After vocabulary().
  std::vector<bool> take_foreign() { return std::move(foreign_); }
  /// Everything else. `index` is that of the vocabulary's pieces. @throws Error{bad_tokenizer, ...}.
  Pipeline pipeline(const Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& foreign);
  TokenDecoder decoder() const;
  /// Turns a vocabulary() into what GGUF keys say of it, all but the special ids. @throws Error{unsupported_tokenizer}
  /// naming what they cannot say.
  /// `difference` tells what comes near but is not the same.
  void describe_for_gguf(Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& foreign,
                         std::string& difference) const;

 private:
  enum class Model { bpe, unigram, wordpiece, wordlevel };
  struct ModelFields {  // all but vocabulary and merges
    std::string type, unknown, continuing_prefix, end_suffix;
    bool has_unknown = false, has_prefix = false, fuse_unknown = false, byte_fallback = false, ignore_merges = false;
    std::int64_t unknown_id = kNoToken, longest_word = -1;
  };
  struct Entry {
    std::string_view spelling;
    std::int64_t id;
  };

  void read_sections(std::string_view text);
  void read_model(JsonScanner& scanner);
  void read_model_field(JsonScanner& scanner, std::string_view key);
  Model model_kind() const;
  void read_added_tokens();
  void read_entries(Vocabulary& vocabulary, const PieceIndex& added);
  void read_scores(Vocabulary& vocabulary, const PieceIndex& added);
  void give_ids(Vocabulary& vocabulary);
  void set_types(Vocabulary& vocabulary) const;
  std::unique_ptr<const WordModel> make_bpe(const ModelPieces& pieces, bool byte_level) const;
  bool is_byte_level(const ModelPieces& pieces) const;
  bool has_byte_letters(const ModelPieces& pieces) const;
  void describe_byte_level(Vocabulary& vocabulary, const ModelPieces& pieces, std::string& difference) const;
  void describe_spm(Vocabulary& vocabulary, const ModelPieces& pieces) const;
  void describe_wordpiece(Vocabulary& vocabulary, const ModelPieces& pieces) const;
  [[noreturn]] void fail(ErrorCode code, const std::string& problem) const {
    throw Error(code, source_ + ": " + problem);
  }

  std::string source_;
  std::string_view added_text_, normalizer_, pre_tokenizer_, post_processor_, decoder_;  // empty: absent or null
  std::string_view vocab_, merges_;
  std::vector<std::size_t> merges_commas_;  // places where the merges may be cut
  bool has_model_ = false;
  ModelFields model_;
  std::vector<AddedToken> added_;
  std::vector<std::string> contents_;  // of the added tokens
  std::vector<bool> foreign_;
  std::vector<double> scores_;   // Unigram
  std::int64_t model_size_ = 0;  // tokens of the model
};

}  // namespace plumb
