#pragma once
/// @file
/// Regular expressions on UTF-8 by PCRE2, compiled to machine code where it can, with limits on the work of a match.

#include <memory>
#include <string>
#include <string_view>

#include "../core/utf8.hpp"
#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A compiled pattern. Immutable, safe to share between threads.
class Regex {
 public:
  /// `pattern` is in Oniguruma's syntax, as tokenizer.json has it; oniguruma.hpp says how it is read. `source` names
  /// the pattern's place in messages. `jit` = false interprets the pattern, as on a machine for which PCRE2 has no
  /// compiler. @throws Error{unsupported_tokenizer} for a pattern that does not compile.
  Regex(std::string_view pattern, std::string_view source, bool jit = true);
  /// A pattern in PCRE2's own syntax. @throws as the constructor.
  static Regex native(const std::string& pattern, std::string_view source);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  struct Code;
  const Code& code() const { return *code_; }

 private:
  explicit Regex(std::unique_ptr<const Code> code);
  std::unique_ptr<const Code> code_;
};

/// Memory and limits of one thread's matching.
class RegexMatcher {
 public:
  explicit RegexMatcher(const Regex& regex);
  RegexMatcher(const RegexMatcher&) = delete;
  RegexMatcher& operator=(const RegexMatcher&) = delete;
  ~RegexMatcher();

  /// The next match in `text`, which must be valid UTF-8, at or after `from`. Returns false when there is none.
  /// @throws Error{bad_tokenizer} when the pattern backtracks so much that the limit on its steps ends it.
  bool find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end);

  /// The number of the alternative that matched last: what it named by `(*MARK:number)`.
  int mark() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Calls visit(begin, end, is_match) for all matches in `text` and what lies between them, in order. A match of no
/// characters is one too, unless it stands right behind the one before it.
template <class Visit>
void for_each_match(RegexMatcher& matcher, std::string_view text, const Visit& visit) {
  constexpr auto kNone = static_cast<std::size_t>(-1);
  std::size_t done = 0, from = 0, last_end = kNone, begin = 0, end = 0;
  while (from <= text.size() && matcher.find(text, from, begin, end)) {
    if (begin == end && end == last_end) {
      if (from >= text.size()) break;
      from += utf8_announced_length(text[from]);
      continue;
    }
    from = last_end = end;
    if (begin > done) visit(done, begin, false);
    visit(begin, end, true);
    done = end;
  }
  if (done < text.size()) visit(done, text.size(), false);
}

}  // namespace plumb
