#include "oniguruma_class.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace plumb::inline PLUMB_ABI {
namespace {

// In the order of their letters, so that those of one group stand together.
constexpr std::string_view kCategories[] = {"Cc", "Cf", "Cn", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu",
                                            "Mc", "Me", "Mn", "Nd", "Nl", "No", "Pc", "Pd", "Pe", "Pf",
                                            "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"};
constexpr std::uint32_t kAllCategories = (1u << std::size(kCategories)) - 1;

constexpr std::pair<std::string_view, std::string_view> kLongNames[] = {
    {"other", "C"},
    {"control", "Cc"},
    {"cntrl", "Cc"},
    {"format", "Cf"},
    {"unassigned", "Cn"},
    {"privateuse", "Co"},
    {"surrogate", "Cs"},
    {"letter", "L"},
    {"casedletter", "L&"},
    {"lc", "L&"},
    {"lowercaseletter", "Ll"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"titlecaseletter", "Lt"},
    {"uppercaseletter", "Lu"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"nonspacingmark", "Mn"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"digit", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"closepunctuation", "Pe"},
    {"finalpunctuation", "Pf"},
    {"initialpunctuation", "Pi"},
    {"otherpunctuation", "Po"},
    {"openpunctuation", "Ps"},
    {"symbol", "S"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"mathsymbol", "Sm"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"spaceseparator", "Zs"},
};

// Sets that are no category and no script. A word character of Oniguruma is alphabetic, a mark, a decimal digit or a
// connector; its table for the first 256 characters adds the superscripts and fractions there.
constexpr std::pair<std::string_view, std::string_view> kSets[] = {
    {"any", R"(\x{0}-\x{10FFFF})"},
    {"ascii", R"(\x{0}-\x{7F})"},
    {"alpha", R"(\p{Alphabetic})"},
    {"alphabetic", R"(\p{Alphabetic})"},
    {"alnum", R"(\p{Alphabetic}\p{Nd})"},
    {"blank", R"(\p{Zs}\t)"},
    {"lower", R"(\p{Lowercase})"},
    {"lowercase", R"(\p{Lowercase})"},
    {"upper", R"(\p{Uppercase})"},
    {"uppercase", R"(\p{Uppercase})"},
    {"punct", R"(\p{P}\p{S})"},
    {"space", kWhiteSpaceItems},
    {"whitespace", kWhiteSpaceItems},
    {"word", R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})"},
    {"xdigit", "0-9A-Fa-f"},
    {"emoji", R"(\p{Emoji})"},
    {"emojipresentation", R"(\p{Emoji_Presentation})"},
    {"extendedpictographic", R"(\p{Extended_Pictographic})"},
    {"ideographic", R"(\p{Ideographic})"},
    {"idstart", R"(\p{ID_Start})"},
    {"idcontinue", R"(\p{ID_Continue})"},
    {"xidstart", R"(\p{XID_Start})"},
    {"xidcontinue", R"(\p{XID_Continue})"},
};

std::string loose(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c != ' ' && c != '_' && c != '-') out += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

/// The categories that "L", "Lu" or "L&" stands for; 0 for no such name.
std::uint32_t category_bits(std::string_view name) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < std::size(kCategories); ++i) {
    const std::string_view category = kCategories[i];
    const bool cased = category == "Ll" || category == "Lt" || category == "Lu";
    if (category == name || (name.size() == 1 && category[0] == name[0]) || (name == "L&" && cased)) bits |= 1u << i;
  }
  return bits;
}

/// \p{...} for each category of the set, whole groups as such.
std::string category_items(std::uint32_t bits) {
  std::string out;
  for (std::size_t i = 0; i < std::size(kCategories);) {
    const std::string_view group = kCategories[i].substr(0, 1);
    const std::uint32_t whole = category_bits(group);
    if ((bits & whole) == whole) out.append("\\p{").append(group).append("}");
    for (; i < std::size(kCategories) && kCategories[i][0] == group[0]; ++i)
      if ((bits & whole) != whole && (bits >> i & 1)) out.append("\\p{").append(kCategories[i]).append("}");
  }
  return out;
}

std::string any_of(const CharacterClass::Union& all) {
  if (all.others.empty()) return "[" + all.items + "]";
  if (all.items.empty() && all.others.size() == 1) return all.others[0].text();
  std::string out = "(?:";
  if (!all.items.empty()) out += "[" + all.items + "]|";
  for (std::size_t i = 0; i < all.others.size(); ++i) out += (i > 0 ? "|" : "") + all.others[i].text();
  return out + ")";
}

std::string none_of(const CharacterClass::Union& all) {
  if (all.others.empty()) return "[^" + all.items + "]";
  std::string out = "(?:";
  for (const CharacterClass& other : all.others) out += "(?!" + other.text() + ")";
  return out + (all.items.empty() ? "(?s:.)" : "[^" + all.items + "]") + ")";
}

/// What a set must not hold, if it can be said in one class: the members of a complement, the categories that are
/// missing. Empty if not.
std::string excluded_items(const CharacterClass::Union& all) {
  if (all.others.empty() && all.only_categories && all.categories != 0)
    return category_items(kAllCategories & ~all.categories);
  if (!all.items.empty() || all.others.size() != 1) return {};
  const CharacterClass& other = all.others[0];
  const bool plain = other.negated && other.parts.size() == 1 && other.parts[0].others.empty();
  return plain ? other.parts[0].items : std::string();
}

}  // namespace

std::string CharacterClass::members() const {
  if (parts.size() == 1) return any_of(parts[0]);
  // An intersection of complements is the complement of a union: one class, and no look-ahead in a loop.
  std::string excluded;
  for (const Union& part : parts) {
    const std::string items = excluded_items(part);
    if (items.empty()) {
      excluded.clear();
      break;
    }
    excluded += items;
  }
  if (!excluded.empty()) return "[^" + excluded + "]";
  std::string out = "(?:";
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) out += "(?=" + any_of(parts[i]) + ")";
  return out + any_of(parts.back()) + ")";
}

std::string CharacterClass::complement() const {
  if (parts.size() == 1) return none_of(parts[0]);
  return "(?:(?!" + members() + ")(?s:.))";
}

void unite(CharacterClass::Union& all, CharacterClass other) {
  if (other.negated || other.parts.size() != 1) {
    all.others.push_back(std::move(other));
    return;
  }
  CharacterClass::Union& part = other.parts[0];
  all.items += part.items;
  all.categories |= part.categories;
  all.only_categories = all.only_categories && part.only_categories;
  std::move(part.others.begin(), part.others.end(), std::back_inserter(all.others));
}

CharacterClass plain_class(std::string_view items, bool negated) {
  CharacterClass set;
  set.parts.push_back({std::string(items), {}, 0, false});
  set.negated = negated;
  return set;
}

CharacterClass property_class(std::string_view name, bool negated) {
  if (name.starts_with('^')) return property_class(name.substr(1), !negated);
  const std::string plain = loose(name);
  for (const auto& [key, items] : kSets)
    if (key == plain) return plain_class(items, negated);
  if (plain == "graph" || plain == "print") {  // the complement of what cannot be seen
    const std::string_view hidden =
        plain == "graph" ? R"(\t-\r\x{85}\p{Z}\p{Cc}\p{Cn}\p{Cs})" : R"(\p{Cc}\p{Cn}\p{Cs})";
    return plain_class(hidden, !negated);
  }
  if (plain == "assigned") return plain_class(R"(\p{Cn})", !negated);
  std::string category = plain;
  for (const auto& [key, value] : kLongNames)
    if (key == plain) category = value;
  if (!category.empty() && category[0] >= 'a' && category[0] <= 'z')
    category[0] = static_cast<char>(category[0] - 'a' + 'A');
  if (const std::uint32_t bits = category_bits(category); bits != 0) {
    CharacterClass set;
    set.parts.push_back({"\\p{" + category + "}", {}, bits, true});
    set.negated = negated;
    return set;
  }
  return plain_class("\\p{sc:" + std::string(name) + "}", negated);
}

bool shorthand_class(char letter, CharacterClass& set) {
  switch (letter) {
    case 'd': set = property_class("Nd", false); return true;
    case 'D': set = property_class("Nd", true); return true;
    case 'w': set = property_class("word", false); return true;
    case 'W': set = property_class("word", true); return true;
    case 's': set = plain_class(kWhiteSpaceItems); return true;
    case 'S': set = plain_class(kWhiteSpaceItems, true); return true;
    case 'h': set = property_class("xdigit", false); return true;
    case 'H': set = property_class("xdigit", true); return true;
    default: return false;
  }
}

}  // namespace plumb
