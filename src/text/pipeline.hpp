#pragma once
/// @file
/// From text to tokens: added tokens, normalizer, pre-tokenizer, model, what is put around. A vocabulary of a GGUF file
/// and a tokenizer.json are both described by it.

#include <memory>
#include <string_view>
#include <vector>

#include "added_tokens.hpp"
#include "normalizer.hpp"
#include "plumb/text/tokenizer.hpp"
#include "pretokenizer.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

struct Pipeline {
  bool repairs_utf8 =
      true;  ///< what is no UTF-8 is read as U+FFFD; else the model takes any bytes, and no step may look
  AddedTokens added;
  Normalizer normalizer;
  Pretokenizer pretokenizer;
  std::unique_ptr<const WordModel> model;
  std::vector<Token> before, after;  ///< what add_special puts around a text

  /// Appends the tokens of a text.
  void encode(std::string_view text, const EncodeOptions& options, std::vector<Token>& out) const;

 private:
  void encode_stretch(std::string_view text, bool at_begin, bool parse_special, std::vector<Token>& out) const;
};

/// The parts of a GGUF vocabulary. `index` is that of its pieces; both must outlive the pipeline.
/// @throws Error{bad_tokenizer, unsupported_tokenizer}.
Pipeline pipeline_of_vocabulary(const Vocabulary& vocabulary, const PieceIndex& index,
                                const std::vector<bool>& not_text);

}  // namespace plumb
