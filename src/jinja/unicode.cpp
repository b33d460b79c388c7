#include "unicode.hpp"

#include <utf8proc.h>

#include <algorithm>

#include "../core/utf8.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

utf8proc_category_t category(CodePoint c) { return utf8proc_category(c); }

/// Code points whose capital is several (Unicode's SpecialCasing, without the Greek ones that templates never meet).
std::string_view long_upper(CodePoint c) {
  switch (c) {
    case 0xDF: return "SS";
    case 0x149: return "\xCA\xBCN";
    case 0x1F0: return "J\xCC\x8C";
    case 0xFB00: return "FF";
    case 0xFB01: return "FI";
    case 0xFB02: return "FL";
    case 0xFB03: return "FFI";
    case 0xFB04: return "FFL";
    case 0xFB05:
    case 0xFB06: return "ST";
    default: return {};
  }
}

void append_upper(CodePoint c, std::string& out) {
  const std::string_view several = long_upper(c);
  if (several.empty())
    append_code_point(utf8proc_toupper(c), out);
  else
    out += several;
}

void append_title(CodePoint c, std::string& out) {
  const std::string_view several = long_upper(c);
  if (several.empty())
    append_code_point(utf8proc_totitle(c), out);
  else
    out += several.substr(0, 1), out += to_lower(several.substr(1));
}

bool is_cased(CodePoint c) { return is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT; }

/// What letters of a word do not look at when they ask whether it goes on.
bool is_case_ignorable(CodePoint c) {
  const utf8proc_category_t kind = category(c);
  return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2019 || kind == UTF8PROC_CATEGORY_MN ||
         kind == UTF8PROC_CATEGORY_ME || kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_LM ||
         kind == UTF8PROC_CATEGORY_SK;
}

constexpr CodePoint kSigma = 0x3A3;

/// A capital sigma at the end of a word has a small letter of its own.
bool ends_word(std::string_view text, std::size_t begin, std::size_t end) {
  bool before = false;
  for (std::size_t at = begin; at > 0 && !before;) {
    do --at;
    while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
    std::size_t next = at;
    const CodePoint c = next_code_point(text, next);
    if (is_case_ignorable(c)) continue;
    if (!is_cased(c)) return false;
    before = true;
  }
  if (!before) return false;
  for (std::size_t at = end; at < text.size();) {
    const CodePoint c = next_code_point(text, at);
    if (!is_case_ignorable(c)) return !is_cased(c);
  }
  return true;
}

void append_lower(std::string_view text, std::size_t begin, std::size_t end, CodePoint c, std::string& out) {
  if (c == kSigma)
    append_code_point(ends_word(text, begin, end) ? 0x3C2 : 0x3C3, out);
  else if (c == 0x130)
    out += "i\xCC\x87";
  else
    append_code_point(utf8proc_tolower(c), out);
}

template <typename Append>
std::string mapped(std::string_view text, const Append& append) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const CodePoint c = next_code_point(text, at);
    append(begin, at, c, out);
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view text) { return first_invalid_utf8(text) == text.size(); }

std::string valid_text(std::string_view text) {
  std::string storage;
  return std::string(valid_utf8(text, storage));
}

void append_code_point(CodePoint c, std::string& out) {
  if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
  append_utf8(static_cast<char32_t>(c), out);
}

CodePoint next_code_point(std::string_view text, std::size_t& at) {
  return static_cast<CodePoint>(plumb::next_code_point(text, at));
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t byte_of(std::string_view text, std::size_t n) {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && n-- == 0) break;
  return at;
}

bool is_space(CodePoint c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(CodePoint c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
  }
}

bool is_letter(CodePoint c) {
  const utf8proc_category_t kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(CodePoint c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(CodePoint c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) ||
         (c >= 0x2488 && c <= 0x2490);
}
bool is_numeric(CodePoint c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}
bool is_upper(CodePoint c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(CodePoint c) { return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA; }
bool is_word(CodePoint c) {
  const utf8proc_category_t kind = category(c);
  return is_letter(c) || is_numeric(c) || kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC ||
         kind == UTF8PROC_CATEGORY_PC;
}

std::string to_upper(std::string_view text) {
  return mapped(text, [](std::size_t, std::size_t, CodePoint c, std::string& out) { append_upper(c, out); });
}

std::string to_lower(std::string_view text) {
  return mapped(text, [&](std::size_t begin, std::size_t end, CodePoint c, std::string& out) {
    append_lower(text, begin, end, c, out);
  });
}

std::string swap_case(std::string_view text) {
  return mapped(text, [&](std::size_t begin, std::size_t end, CodePoint c, std::string& out) {
    if (is_upper(c))
      append_lower(text, begin, end, c, out);
    else
      append_upper(c, out);
  });
}

std::string capitalize(std::string_view text) {
  return mapped(text, [&](std::size_t begin, std::size_t end, CodePoint c, std::string& out) {
    if (begin == 0)
      append_title(c, out);
    else
      append_lower(text, begin, end, c, out);
  });
}

std::string title_runs(std::string_view text) {
  bool inside = false;
  return mapped(text, [&](std::size_t begin, std::size_t end, CodePoint c, std::string& out) {
    if (inside)
      append_lower(text, begin, end, c, out);
    else
      append_title(c, out);
    inside = is_cased(c);
  });
}

namespace {

template <typename Inside>
std::string_view stripped(std::string_view text, Side side, const Inside& inside) {
  std::size_t begin = 0, end = text.size();
  while (side != Side::right && begin < end) {
    std::size_t at = begin;
    if (!inside(next_code_point(text, at))) break;
    begin = at;
  }
  while (side != Side::left && begin < end) {
    std::size_t last = end - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    std::size_t at = last;
    if (!inside(next_code_point(text, at))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

std::string_view strip(std::string_view text, Side side) { return stripped(text, side, is_space); }

std::string_view strip(std::string_view text, std::string_view set, Side side) {
  std::vector<CodePoint> members;
  for (std::size_t at = 0; at < set.size();) members.push_back(next_code_point(set, at));
  std::sort(members.begin(), members.end());
  return stripped(text, side, [&](CodePoint c) { return std::binary_search(members.begin(), members.end(), c); });
}

}  // namespace plumb
