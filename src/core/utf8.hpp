#pragma once
/// @file
/// UTF-8: where code points end, and what to do with bytes that are none.

#include <cstddef>
#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// U+FFFD, which stands for bytes that are no text.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// What the bytes at some position are.
enum class Utf8Kind {
  valid,       ///< one code point
  incomplete,  ///< a correct beginning of a code point, cut off by the end of the text
  invalid,  ///< neither; `length` bytes form a maximal wrong beginning (Unicode 15, section 3.9, U+FFFD substitution)
};

struct Utf8Step {
  Utf8Kind kind;
  std::size_t length;  ///< bytes concerned, >= 1
};

/// Classifies what stands at text[position]; position < text.size(). Overlong forms, surrogates and values beyond
/// U+10FFFF are invalid.
Utf8Step utf8_step(std::string_view text, std::size_t position);

/// Where the first byte stands that belongs to no code point; the size of the text where all do.
std::size_t first_invalid_utf8(std::string_view text);

/// `text` itself when it is valid UTF-8; otherwise a copy in `storage` with U+FFFD for each byte that belongs to no
/// code point. One U+FFFD per byte, not per maximal sequence: so the reference engine reads such text.
std::string_view valid_utf8(std::string_view text, std::string& storage);

/// Bytes that a leading byte announces, 1 to 4. Continuation bytes count as 1.
std::size_t utf8_announced_length(char lead);

/// The code point that begins at text[at] in valid UTF-8; `at` moves behind it.
char32_t next_code_point(std::string_view text, std::size_t& at);

/// Appends a code point below 0x110000.
void append_utf8(char32_t code_point, std::string& out);

}  // namespace plumb
