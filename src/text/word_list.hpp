#pragma once
/// @file
/// A text on its way to the model: words, and the steps that cut and change them.

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Words in their order; none is empty. They point into the text or into `texts`.
struct WordList {
  std::vector<std::string_view> words;
  bool begins_text = true;             ///< the first word begins where the whole text begins
  std::deque<std::string> texts;       ///< what steps wrote
  std::vector<std::string_view> next;  ///< scratch of the steps

  explicit WordList(std::string_view text, bool at_begin) : begins_text(at_begin) {
    if (!text.empty()) words.push_back(text);
  }
};

/// One step of a pre-tokenizer. Every word that the step before left is a text of its own: look-ahead does not see
/// beyond it. Immutable.
class WordStep {
 public:
  virtual ~WordStep() = default;
  virtual void run(WordList& list) const = 0;
};
using WordStepPtr = std::unique_ptr<const WordStep>;

/// A step that cuts words and may leave parts out.
class CutStep : public WordStep {
 public:
  void run(WordList& list) const final {
    const char* const begin = list.words.empty() ? nullptr : list.words.front().data();
    list.next.clear();
    list.next.reserve(list.words.size());
    cut(list.words, list.next);
    list.begins_text = list.begins_text && !list.next.empty() && list.next.front().data() == begin;
    list.words.swap(list.next);
  }

 private:
  virtual void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const = 0;
};

/// A step that rewrites words one by one.
class RewriteStep : public WordStep {
 public:
  void run(WordList& list) const final {
    std::string& text = list.texts.emplace_back();
    std::vector<std::size_t> ends;
    ends.reserve(list.words.size());
    for (std::size_t i = 0; i < list.words.size(); ++i) {
      rewrite(list.words[i], i == 0 && list.begins_text, text);
      ends.push_back(text.size());
    }
    list.next.clear();
    for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
      if (ends[i] > begin) list.next.push_back(std::string_view(text).substr(begin, ends[i] - begin));
    list.words.swap(list.next);
  }

 private:
  virtual void rewrite(std::string_view word, bool at_begin, std::string& out) const = 0;
};

}  // namespace plumb
