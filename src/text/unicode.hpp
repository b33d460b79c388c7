#pragma once
/// @file
/// Properties of characters and the normalization forms, by utf8proc; and where the Hugging Face tokenizers library has
/// older tables.

#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

bool is_white_space(char32_t c);  ///< the property White_Space
bool is_numeric(char32_t c);      ///< Nd, Nl, No
bool is_mark(char32_t c);         ///< Mn, Mc, Me
bool is_nonspacing_mark(char32_t c);
/// No text: controls, format and private-use characters, U+0000 and U+FFFD.
bool is_no_text(char32_t c);
/// One of the blocks of Chinese characters, each of which is a word to BERT.
bool is_chinese(char32_t c);
/// Punctuation, and every ASCII character that is neither letter nor digit nor space.
bool is_punctuation(char32_t c);
/// The same as the Hugging Face library has it, with the punctuation of Unicode 8.
bool is_library_punctuation(char32_t c);

/// Appends the lower case of a character. One character, but for the dotted I; no final sigma.
void append_lower(char32_t c, std::string& out);

/// A normalization form.
enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// Appends `text`, which must be valid UTF-8, in a normalization form. Characters that got their decomposition after
/// Unicode 12.0 stay, as in the Hugging Face library.
void append_normal_form(std::string_view text, NormalForm form, std::string& out);

/// Bytes of the first grapheme cluster of a text that is not empty.
std::size_t first_grapheme(std::string_view text);

}  // namespace plumb
