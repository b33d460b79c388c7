#include "pretokenizer.hpp"

#include <string>
#include <utility>

#include "../core/utf8.hpp"
#include "regex.hpp"
#include "word_steps.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kSource = "pre-tokenizer";

/// Collects cuts of a piece as words.
class Cutter {
 public:
  Cutter(std::string_view piece, std::vector<std::string_view>& words) : piece_(piece), words_(words) {}
  /// A word ends here. Cutting twice at one place makes no word.
  void cut(std::size_t at) {
    if (at > from_) words_.push_back(piece_.substr(from_, at - from_));
    from_ = at;
  }
  void finish() { cut(piece_.size()); }

 private:
  std::string_view piece_;
  std::vector<std::string_view>& words_;
  std::size_t from_ = 0;
};

/// Cuts runs of numbers into triples.
class TripleStep : public CutStep {
 public:
  TripleStep(bool ascii_only, bool jit) : ascii_only_(ascii_only), runs_(R"(\p{N}+)", kSource, jit) {}

 private:
  void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const override {
    RegexMatcher matcher(runs_);
    for (const std::string_view word : words) {
      Cutter cutter(word, out);
      for_each_match(matcher, word, [&](std::size_t begin, std::size_t end, bool is_match) {
        if (!is_match) return;
        if (ascii_only_) return cut_ascii_runs(word, begin, end, cutter);
        cut_triples(word, begin, end, cutter);
        cutter.cut(end);
      });
      cutter.finish();
    }
  }

  /// Cuts after every third code point of [begin, end), counted from the right.
  static void cut_triples(std::string_view word, std::size_t begin, std::size_t end, Cutter& cutter) {
    std::size_t count = 0;
    for (std::size_t at = begin; at < end; at += utf8_announced_length(word[at])) ++count;
    for (std::size_t at = begin; at < end; at += utf8_announced_length(word[at]), --count)
      if (count % 3 == 0 && at > begin) cutter.cut(at);
  }

  /// Right-aligned triples in every run of 0-9 within a run of numbers.
  static void cut_ascii_runs(std::string_view word, std::size_t begin, std::size_t end, Cutter& cutter) {
    cutter.cut(begin);
    const auto is_digit = [&](std::size_t at) { return word[at] >= '0' && word[at] <= '9'; };
    for (std::size_t at = begin; at < end;) {
      if (!is_digit(at)) {
        ++at;
        continue;
      }
      std::size_t stop = at;
      while (stop < end && is_digit(stop)) ++stop;
      if ((stop - at) % 3 == 0) cutter.cut(at);
      cut_triples(word, at, stop, cutter);
      at = stop;
    }
    cutter.cut(end);
  }

  bool ascii_only_;
  Regex runs_;
};

}  // namespace

Pretokenizer::Pretokenizer(std::span<const SplitStep> steps, bool jit) {
  for (const SplitStep& step : steps) {
    if (step.kind == SplitStep::Kind::pattern)
      add(split_step(TextPattern(Regex(step.pattern, kSource, jit)), CutBehavior::isolated, false));
    else
      add(std::make_unique<TripleStep>(step.kind == SplitStep::Kind::ascii_triples, jit));
  }
}

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  WordList list(text, true);
  run(list);
  return std::move(list.words);
}

}  // namespace plumb
