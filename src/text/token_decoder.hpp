#pragma once
/// @file
/// Spellings of tokens back to text, by the steps that a tokenizer.json names.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "normalizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// Writes `to` wherever `text` has `from`, from left to right. Nothing happens for an empty `from`.
void replace_all(std::string& text, std::string_view from, std::string_view to);

/// One step: a list of texts to a list of texts. Immutable.
class DecodeStep {
 public:
  virtual ~DecodeStep() = default;
  virtual void run(std::vector<std::string>& texts) const = 0;
  /// What the step makes of one text in the middle of others, as far as that can be said without them.
  virtual void run_inner(std::string& text) const = 0;
  /// Whether a text loses its first space where it stands first.
  virtual bool drops_first_space() const { return false; }
  /// Whether all texts become one.
  virtual bool fuses() const { return false; }
  /// Whether only the ends of texts change.
  virtual bool strips() const { return false; }
};
using DecodeStepPtr = std::unique_ptr<const DecodeStep>;

/// Steps in their order. Without any, texts are joined by spaces.
class TokenDecoder {
 public:
  void add(DecodeStepPtr step);
  /// A list of steps was given, if only an empty one.
  void join_without_spaces() { joins_ = true; }

  std::string decode(std::vector<std::string> texts) const;
  /// Appends what one token adds to a text, for streams. `scratch` saves memory of its own for each.
  void append_piece(std::string_view spelling, std::string& scratch, std::string& out) const;
  bool drops_first_space() const { return drops_first_ || (steps_.empty() && !joins_); }

 private:
  std::vector<DecodeStepPtr> steps_;
  std::vector<const DecodeStep*> inner_;  // those that change a text in the middle of others
  bool joins_ = false, fused_ = false, drops_first_ = false;
};

/// Letters of GPT-2's alphabet become bytes; what is no UTF-8 becomes U+FFFD, one for each maximal part.
DecodeStepPtr byte_letters_decoder();
/// <0x0A> becomes a byte; a run of bytes that is no UTF-8 becomes U+FFFD for each.
DecodeStepPtr byte_fallback_decoder();
DecodeStepPtr replace_decoder(TextPattern pattern, std::string replacement);
/// All texts become one.
DecodeStepPtr fuse_decoder();
/// Up to `start` and `stop` times `content` vanishes at the ends of each text.
DecodeStepPtr strip_decoder(char32_t content, std::size_t start, std::size_t stop);
/// `mark` becomes a space; in the first text it vanishes if `drops_first`.
DecodeStepPtr mark_decoder(std::string mark, bool drops_first);
/// Texts get a space in front, or lose the prefix of a continuation; `cleanup` drops spaces before punctuation.
DecodeStepPtr wordpiece_decoder(std::string prefix, bool cleanup);
/// The suffix of a word becomes a space, in the last text it vanishes.
DecodeStepPtr word_end_decoder(std::string suffix);
/// Repeated texts are one, the padding vanishes.
DecodeStepPtr ctc_decoder(std::string padding, std::string word_delimiter, bool cleanup);

}  // namespace plumb
