#include "unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "../core/utf8.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using CodePointRange = std::pair<char32_t, char32_t>;

constexpr CodePointRange kChinese[] = {
    {0x4E00, 0x9FFF},   {0x3400, 0x4DBF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B81F},
    {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF}, {0x2F800, 0x2FA1F},
};

// Punctuation that Unicode got after version 8.
constexpr CodePointRange kYoungPunctuation[] = {
    {0x61D, 0x61D},     {0x9FD, 0x9FD},     {0xA76, 0xA76},     {0xC77, 0xC77},     {0xC84, 0xC84},
    {0x1B7D, 0x1B7E},   {0x2E43, 0x2E4F},   {0x2E52, 0x2E5D},   {0x10EAD, 0x10EAD}, {0x10F55, 0x10F59},
    {0x10F86, 0x10F89}, {0x1144B, 0x1144F}, {0x1145A, 0x1145B}, {0x1145D, 0x1145D}, {0x11660, 0x1166C},
    {0x116B9, 0x116B9}, {0x1183B, 0x1183B}, {0x11944, 0x11946}, {0x119E2, 0x119E2}, {0x11A3F, 0x11A46},
    {0x11A9A, 0x11A9C}, {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71},
    {0x11EF7, 0x11EF8}, {0x11F43, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x16E97, 0x16E9A},
    {0x16FE2, 0x16FE2}, {0x1E95E, 0x1E95F},
};
// ... and what has another category since.
constexpr char32_t kFormerPunctuation[] = {0x166D, 0x111C9};

// Characters whose decomposition is younger than Unicode 9, whose tables the library has.
constexpr CodePointRange kYoungDecompositions[] = {
    {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xAB69, 0xAB69},   {0x10781, 0x107BA},
    {0x11938, 0x11938}, {0x1E030, 0x1E06D}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
};

template <std::size_t N>
bool in(const CodePointRange (&ranges)[N], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const CodePointRange& range) { return c >= range.first && c <= range.second; });
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool in_categories(char32_t c, utf8proc_category_t first, utf8proc_category_t last) {
  const utf8proc_category_t kind = category(c);
  return kind >= first && kind <= last;
}

/// Whether no neighbour can change this character in NFC: it stays as it is, and joins nothing before it.
bool stays_in_nfc(char32_t c) {
  if (c < 0x300) return true;
  if ((c >= 0x1100 && c < 0x1200) || c == 0xFFFFFF) return false;  // jamo are joined by a rule
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return property->combining_class == 0 && property->decomp_seqindex == UINT16_MAX &&
         property->comb_index == UINT16_MAX;
}

/// Sorts marks by their class, each run between two base characters for itself.
void reorder_marks(std::vector<utf8proc_int32_t>& characters) {
  const auto class_of = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (auto at = characters.begin(); at != characters.end();) {
    const auto begin = std::find_if(at, characters.end(), [&](utf8proc_int32_t c) { return class_of(c) != 0; });
    at = std::find_if(begin, characters.end(), [&](utf8proc_int32_t c) { return class_of(c) == 0; });
    std::stable_sort(begin, at, [&](utf8proc_int32_t a, utf8proc_int32_t b) { return class_of(a) < class_of(b); });
  }
}

/// Appends the form of a part that begins with a character which nothing before it joins.
void append_part(std::string_view part, NormalForm form, std::vector<utf8proc_int32_t>& characters, std::string& out) {
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const auto options =
      static_cast<utf8proc_option_t>(compatible ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE);
  characters.clear();
  for (std::size_t at = 0; at < part.size();) {
    const char32_t c = next_code_point(part, at);
    std::array<utf8proc_int32_t, 32> pieces{};  // the longest decomposition has 18
    int boundary = 0;
    utf8proc_ssize_t n = 0;
    if (!in(kYoungDecompositions, c))
      n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), pieces.data(),
                                  static_cast<utf8proc_ssize_t>(pieces.size()), options, &boundary);
    if (n <= 0 || n > static_cast<utf8proc_ssize_t>(pieces.size())) {
      pieces[0] = static_cast<utf8proc_int32_t>(c);
      n = 1;
    }
    characters.insert(characters.end(), pieces.begin(), pieces.begin() + n);
  }
  reorder_marks(characters);
  auto length = static_cast<utf8proc_ssize_t>(characters.size());
  if (form == NormalForm::nfc || form == NormalForm::nfkc)
    length = utf8proc_normalize_utf32(characters.data(), length,
                                      static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  for (utf8proc_ssize_t i = 0; i < length; ++i)
    append_utf8(static_cast<char32_t>(characters[static_cast<std::size_t>(i)]), out);
}

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || in_categories(c, UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
}
bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return in_categories(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}
bool is_mark(char32_t c) { return c >= 0x300 && in_categories(c, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME); }
bool is_nonspacing_mark(char32_t c) { return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN; }

bool is_no_text(char32_t c) {
  if (c == 0 || c == 0xFFFD) return true;
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_CO;
}

bool is_chinese(char32_t c) { return c >= 0x3400 && in(kChinese, c); }

bool is_punctuation(char32_t c) {
  if (c < 0x80) return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
  return in_categories(c, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}
bool is_library_punctuation(char32_t c) {
  if (c < 0x80) return is_punctuation(c);
  if (std::find(std::begin(kFormerPunctuation), std::end(kFormerPunctuation), c) != std::end(kFormerPunctuation))
    return true;
  return is_punctuation(c) && !in(kYoungPunctuation, c);
}

void append_lower(char32_t c, std::string& out) {
  if (c == 0x130) {
    out += "i\xCC\x87";
    return;
  }
  append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

void append_normal_form(std::string_view text, NormalForm form, std::string& out) {
  std::vector<utf8proc_int32_t> characters;
  // ASCII stays and joins nothing before it: parts begin at ASCII characters, and only what follows one can change.
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_ascii(text[end])) ++end;
    if (end < text.size() && end > at) --end;  // the last one may be joined by a mark
    out.append(text, at, end - at);
    at = end;
    if (at >= text.size()) return;
    bool stays = form == NormalForm::nfc;
    for (bool first = true; end < text.size() && (first || !is_ascii(text[end])); first = false) {
      const char32_t c = next_code_point(text, end);
      stays = stays && stays_in_nfc(c);
    }
    const std::string_view part = text.substr(at, end - at);
    if (stays)
      out += part;
    else
      append_part(part, form, characters, out);
    at = end;
  }
}

std::size_t first_grapheme(std::string_view text) {
  std::size_t at = 0;
  auto previous = static_cast<utf8proc_int32_t>(next_code_point(text, at));
  utf8proc_int32_t state = 0;
  while (at < text.size()) {
    const std::size_t begin = at;
    const auto next = static_cast<utf8proc_int32_t>(next_code_point(text, at));
    if (utf8proc_grapheme_break_stateful(previous, next, &state)) return begin;
    previous = next;
  }
  return at;
}

}  // namespace plumb
