#pragma once
/// @file
/// Patterns of tokenizer.json for PCRE2. Those files mean Oniguruma's Ruby syntax; what differs is rewritten:
///
///   [a[bc]], [a&&[^b]]      nested classes and intersections      alternatives, look-aheads, or one class where
///   possible \s \w \h \b [[:punct:]] the White_Space property, word characters (Alphabetic, M, Nd, Pc), hexadecimal
///   digits \p{Greek} \p{Letter}    a script (not its extensions), long names of categories; names are compared loosely
///   \u1234 \v {,n}          a code point, the vertical tab, {0,n}
///   a{2}+ a{2}?             a counted repeat, repeated again or left out: not possessive, not lazy
///   ^ $ (?m)                always lines; `.` takes newlines
///   (?i:ss)                 full case folding of letters that fold to several: ss, sharp s; K and the Kelvin sign
///
/// `\s+$` as a whole pattern is written such that a long run of spaces is looked at once and not once per space.

#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

struct OnigurumaPattern {
  std::string text;       ///< for PCRE2 with UTF, UCP and MULTILINE
  bool captures = false;  ///< it refers back to groups
};

/// @throws Error{unsupported_tokenizer} naming `source`, for syntax that is malformed or has no counterpart.
OnigurumaPattern translate_oniguruma(std::string_view pattern, std::string_view source);

}  // namespace plumb
