#pragma once
/// @file
/// The steps of pre-tokenizers.

#include <string>
#include <string_view>

#include "normalizer.hpp"
#include "word_list.hpp"

namespace plumb::inline PLUMB_ABI {

/// What becomes of a delimiter that cuts a word.
enum class CutBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Takes a word's stretches, delimiters and what lies between them, and makes words of them.
class WordCutter {
 public:
  WordCutter(CutBehavior behavior, std::vector<std::string_view>& words) : behavior_(behavior), words_(words) {}
  void begin(std::string_view word) {
    word_ = word;
    open_ = pending_ = previous_ = false;
  }
  /// The next stretch of the word. A delimiter may be empty.
  void add(std::size_t begin, std::size_t end, bool delimiter) {
    switch (behavior_) {
      case CutBehavior::isolated: return put(begin, end);
      case CutBehavior::removed:
        if (!delimiter) put(begin, end);
        return;
      case CutBehavior::contiguous: extend(begin, end, delimiter == previous_); break;
      case CutBehavior::merged_with_previous: extend(begin, end, delimiter && !previous_); break;
      case CutBehavior::merged_with_next:
        // A delimiter waits for what follows; another delimiter is nothing to be merged with.
        if (pending_ && !delimiter) begin = from_;
        if (pending_ && delimiter) put(from_, until_);
        pending_ = delimiter;
        from_ = begin;
        until_ = end;
        if (!delimiter) put(begin, end);
        return;
    }
    previous_ = delimiter;
  }
  void finish() {
    if (open_ || pending_) put(from_, until_);
    open_ = pending_ = false;
  }

 private:
  void put(std::size_t begin, std::size_t end) {
    if (end > begin) words_.push_back(word_.substr(begin, end - begin));
  }
  void extend(std::size_t begin, std::size_t end, bool joins) {
    if (!open_ || !joins) {
      if (open_) put(from_, until_);
      from_ = begin;
    }
    open_ = true;
    until_ = end;
  }

  CutBehavior behavior_;
  std::vector<std::string_view>& words_;
  std::string_view word_;
  std::size_t from_ = 0, until_ = 0;  // of the piece that is not put yet
  bool open_ = false, pending_ = false, previous_ = false;
};

/// Cuts at the matches of a pattern; with `invert` the matches are what lies between delimiters.
WordStepPtr split_step(TextPattern pattern, CutBehavior behavior, bool invert);
/// Cuts at every character with a property, each of which is a delimiter of its own.
WordStepPtr character_step(bool (*is_delimiter)(char32_t), CutBehavior behavior);
/// Cuts where the script changes; Hiragana, Katakana and Han are one, spaces belong to any. White space in front of the
/// first character with a script vanishes, as in the Hugging Face library.
WordStepPtr script_step();
/// Cuts into pieces of so many characters.
WordStepPtr fixed_length_step(std::size_t length);

enum class PrependScheme { always, never, first };
/// Spaces become `mark`; a mark is put in front of words that do not begin with one.
WordStepPtr mark_spaces_step(std::string mark, PrependScheme scheme);
/// A space in front of words that do not begin with one.
WordStepPtr prefix_space_step();
/// Bytes become letters of GPT-2's alphabet.
WordStepPtr letters_step();

}  // namespace plumb
