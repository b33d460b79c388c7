#pragma once
/// @file
/// What happens to a text before it is cut into words.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "charsmap.hpp"
#include "regex.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI {

/// One change of a text. Immutable.
class TextStep {
 public:
  virtual ~TextStep() = default;
  /// The changed text: `text` itself, or what it wrote to `out`. `text` is valid UTF-8 and is not in `out`. Sets
  /// `keeps_begin` to false when the first character is left out.
  virtual std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const = 0;
};
using TextStepPtr = std::unique_ptr<const TextStep>;

/// Steps in their order.
class Normalizer {
 public:
  void add(TextStepPtr step) { steps_.push_back(std::move(step)); }

  /// Memory of a run: steps write in turn to the one and the other.
  using Storage = std::array<std::string, 2>;
  /// The text to be cut: `text`, a part of it, or what stands in `storage`. `keeps_begin` tells whether its first
  /// character comes from the text's first one.
  std::string_view run(std::string_view text, Storage& storage, bool& keeps_begin) const;

 private:
  std::vector<TextStepPtr> steps_;
};

/// What Replace and Split look for: a literal text or a pattern.
class TextPattern {
 public:
  explicit TextPattern(std::string literal) : pattern_(std::move(literal)) {}
  explicit TextPattern(Regex regex) : pattern_(std::move(regex)) {}

  /// Calls visit(begin, end, is_match) for all matches and what lies between them.
  template <class Visit>
  void for_each(std::string_view text, const Visit& visit) const {
    if (const auto* regex = std::get_if<Regex>(&pattern_)) {
      RegexMatcher matcher(*regex);
      for_each_match(matcher, text, visit);
    } else {
      for_each_literal(std::get<std::string>(pattern_), text, visit);
    }
  }
  const std::string* literal() const { return std::get_if<std::string>(&pattern_); }
  const Regex* regex() const { return std::get_if<Regex>(&pattern_); }

 private:
  template <class Visit>
  static void for_each_literal(const std::string& literal, std::string_view text, const Visit& visit) {
    std::size_t done = 0;
    for (std::size_t hit; (hit = text.find(literal, done)) != std::string_view::npos; done = hit + literal.size()) {
      if (hit > done) visit(done, hit, false);
      visit(hit, hit + literal.size(), true);
    }
    if (done < text.size()) visit(done, text.size(), false);
  }

  std::variant<std::string, Regex> pattern_;  // the literal is not empty
};

struct BertRules {
  bool clean_text = true;     ///< no controls; white space becomes spaces
  bool chinese_words = true;  ///< spaces around Chinese characters
  bool strip_accents = true;
  bool lowercase = true;
};

TextStepPtr normal_form_step(NormalForm form);
/// Text in front of every text that is not empty.
TextStepPtr prepend_step(std::string prefix);
TextStepPtr replace_step(TextPattern pattern, std::string replacement);
/// White space at the ends vanishes.
TextStepPtr strip_step(bool left, bool right);
TextStepPtr strip_accents_step();
TextStepPtr lowercase_step();
TextStepPtr bert_step(const BertRules& rules);
TextStepPtr nmt_step();
/// Bytes become letters of GPT-2's alphabet.
TextStepPtr byte_letters_step();
/// The table of a SentencePiece model, per grapheme cluster as the Hugging Face library applies it, or longest match
/// first as SentencePiece does.
TextStepPtr charsmap_step(Charsmap map, bool longest_match);
/// Runs of spaces become one, those at either end vanish.
TextStepPtr collapse_spaces_step();
/// Text in front of every text, the empty one too.
TextStepPtr always_prepend_step(std::string prefix);

}  // namespace plumb
