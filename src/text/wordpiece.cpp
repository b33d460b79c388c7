#include "wordpiece.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "spm.hpp"
#include "utf8.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Longer words are unknown, as in the models' own tokenizers.
constexpr std::size_t kLongestWord = 100;

/// Blocks of Chinese characters, each of which is a word.
constexpr std::pair<utf8proc_int32_t, utf8proc_int32_t> kChinese[] = {
    {0x4E00, 0x9FFF},   {0x3400, 0x4DBF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B81F},
    {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF}, {0x2F800, 0x2FA1F},
};

bool is_chinese(utf8proc_int32_t c) {
  return std::any_of(std::begin(kChinese), std::end(kChinese),
                     [c](const auto& block) { return c >= block.first && c <= block.second; });
}

/// White space; a control character that is none is no text.
bool is_space(utf8proc_int32_t c) {
  const utf8proc_category_t kind = utf8proc_category(c);
  return c == '\t' || c == '\n' || c == '\r' || kind == UTF8PROC_CATEGORY_ZS || kind == UTF8PROC_CATEGORY_ZL ||
         kind == UTF8PROC_CATEGORY_ZP;
}

bool is_no_text(utf8proc_int32_t c) {
  const utf8proc_category_t kind = utf8proc_category(c);
  return c == 0 || c == 0xFFFD || kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_CO;
}

/// Punctuation, and every ASCII character that is neither letter nor digit.
bool is_punctuation(utf8proc_int32_t c) {
  if (c < 0x80) return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return true;
    default: return false;
  }
}

void append(utf8proc_int32_t c, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const utf8proc_ssize_t n = utf8proc_encode_char(c, bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(n));
}

/// Calls visit(code point) for what a character is made of: itself, or letter and marks.
template <class Visit>
void decompose(utf8proc_int32_t c, const Visit& visit) {
  std::array<utf8proc_int32_t, 8> parts;  // a canonical decomposition has at most 4
  int boundary = 0;
  const utf8proc_ssize_t n = utf8proc_decompose_char(c, parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
                                                     UTF8PROC_DECOMPOSE, &boundary);
  for (utf8proc_ssize_t i = 0; i < n; ++i) visit(parts[static_cast<std::size_t>(i)]);
}

}  // namespace

void WordPieceEncoder::clean(std::string_view text, std::string& words) const {
  const auto write = [&](utf8proc_int32_t c) {
    if (!is_punctuation(c)) return append(c, words);
    words += ' ';
    append(c, words);
    words += ' ';
  };
  // Lower case of one character is one character, but for the dotted I.
  const auto lower = [&](utf8proc_int32_t c) {
    write(vocabulary_.lowercase ? utf8proc_tolower(c) : c);
    if (vocabulary_.lowercase && c == 0x130) write(0x307);
  };
  const auto plain = [&](utf8proc_int32_t c) {
    if (!vocabulary_.strip_accents) return lower(c);
    decompose(c, [&](utf8proc_int32_t part) {
      if (utf8proc_category(part) != UTF8PROC_CATEGORY_MN) lower(part);
    });
  };
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t c = 0;
    const auto* const bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
    const utf8proc_ssize_t n = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &c);
    at += n > 0 ? static_cast<std::size_t>(n) : 1;
    if (n <= 0) continue;
    const bool alone = is_chinese(c);
    if (is_space(c) || alone) words += ' ';
    if (is_space(c) || is_no_text(c)) continue;
    plain(c);
    if (alone) words += ' ';
  }
}

void WordPieceEncoder::encode_word(std::string_view word, std::string& spelling, std::vector<Token>& out) const {
  const std::size_t begin = out.size();
  const auto unknown = [&] {
    out.resize(begin);
    if (vocabulary_.unknown != kNoToken) out.push_back(vocabulary_.unknown);
  };
  const auto characters = std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; });
  if (static_cast<std::size_t>(characters) > kLongestWord) return unknown();
  spelling.assign(kSpaceMark).append(word);
  for (std::size_t at = 0; at < spelling.size();) {
    std::size_t length = std::min(spelling.size() - at, index_.longest());
    Token found = kNoToken;
    for (; length > 0 && found == kNoToken; --length) {
      found = index_.find(std::string_view(spelling).substr(at, length));
      if (found != kNoToken) break;
    }
    // The mark alone is no beginning of a word.
    if (found == kNoToken || (at == 0 && length <= kSpaceMark.size())) return unknown();
    out.push_back(found);
    at += length;
  }
}

void WordPieceEncoder::encode(std::string_view text, std::vector<Token>& out) const {
  std::string valid, words, spelling;
  clean(valid_utf8(text, valid), words);
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t begin = words.find_first_not_of(' ', at);
    if (begin == std::string::npos) return;
    const std::size_t end = std::min(words.find(' ', begin), words.size());
    encode_word(std::string_view(words).substr(begin, end - begin), spelling, out);
    at = end;
  }
}

}  // namespace plumb
