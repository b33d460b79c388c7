#pragma once
/// @file
/// GPT-2's alphabet: bytes spelled as visible characters.

#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// GPT-2 spells bytes as visible characters: 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF as themselves, the other 68 in order as
/// U+0100, U+0101, ... Returns the code point for a byte.
char32_t byte_to_code_point(unsigned char byte);

/// Appends the letters of these bytes.
void append_byte_letters(std::string_view bytes, std::string& out);

/// Bytes that a spelling stands for. A character outside the byte alphabet stands for its own UTF-8.
std::string decode_byte_spelling(std::string_view spelling);

/// The same, but a spelling with a single character outside the alphabet stands for its own UTF-8 as a whole.
std::string decode_byte_letters(std::string_view spelling);

}  // namespace plumb
