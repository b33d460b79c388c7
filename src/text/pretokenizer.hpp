#pragma once
/// @file
/// Cuts text into words before the model. A byte-level BPE's merges never reach over a cut, so the cuts are part of
/// what a model was trained on: each family has its own patterns.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"
#include "word_list.hpp"

namespace plumb::inline PLUMB_ABI {

/// One step of a pre-tokenizer. Every piece that the step before left is cut again, as a text of its own: look-ahead
/// does not see beyond a piece.
struct SplitStep {
  enum class Kind {
    pattern,        ///< each match is a piece, and so is what lies between two matches
    digit_triples,  ///< a run of numbers is cut after every third from its right end; no cut where the run begins
    ascii_triples,  ///< the same for runs of 0-9 inside runs of numbers, with a cut where a run of 3n begins
  };
  Kind kind = Kind::pattern;
  std::string_view pattern = {};  ///< as Regex takes it: Oniguruma's syntax
};

/// What a value of `tokenizer.ggml.pre` means.
struct PretokenizerFamily {
  std::span<const SplitStep> steps;
  bool ignore_merges = false;    ///< a word that is a token as a whole is that token
  bool add_bos = false;          ///< where the file does not say
  bool clean_up_spaces = false;  ///< the reference decoder drops spaces before punctuation
};

/// The family of a name, or nullptr when the name is not known. "" and "default" are names.
const PretokenizerFamily* find_pretokenizer(std::string_view name);

/// Compiled steps. Immutable, safe to share between threads.
class Pretokenizer {
 public:
  Pretokenizer() = default;
  /// `jit` = false interprets the patterns, as on a machine for which PCRE2 has no compiler.
  explicit Pretokenizer(std::span<const SplitStep> steps, bool jit = true);

  void add(WordStepPtr step) { steps_.push_back(std::move(step)); }
  void run(WordList& list) const {
    for (const WordStepPtr& step : steps_) step->run(list);
  }
  /// The words of `text`, which must be valid UTF-8, in order, for steps that only cut: none is empty; together they
  /// are the text.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  std::vector<WordStepPtr> steps_;
};

}  // namespace plumb
