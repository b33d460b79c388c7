#pragma once
/// @file
/// Character classes of Oniguruma patterns: sets of characters with nested sets, complements and intersections.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A set of characters.
struct CharacterClass {
  /// Members and sets that are united.
  struct Union {
    std::string items;  ///< members in PCRE2's syntax, to stand between brackets
    std::vector<CharacterClass> others;
    std::uint32_t categories = 0;  ///< bit set of general categories ...
    bool only_categories = true;   ///< ... if `items` has nothing else
  };
  std::vector<Union> parts;  ///< that are intersected
  bool negated = false;

  /// One that matches one character of the set, in PCRE2's syntax: fit for a quantifier.
  std::string text() const { return negated ? complement() : members(); }

 private:
  std::string members() const;
  std::string complement() const;
};

/// White space as Unicode has it, to stand between brackets. PCRE2's \s takes in U+180E.
inline constexpr std::string_view kWhiteSpaceItems = R"(\t-\r\x{85}\p{Z})";

/// Adds a set to a union, as members if it is a plain one.
void unite(CharacterClass::Union& all, CharacterClass other);
/// A set of these members.
CharacterClass plain_class(std::string_view items, bool negated = false);
/// The set of a property's name as in \p{name} or [:name:], compared without case, spaces, '_' and '-'.
CharacterClass property_class(std::string_view name, bool negated);
/// The set of \d \w \s \h or their complements; false for other letters.
bool shorthand_class(char letter, CharacterClass& set);

}  // namespace plumb
