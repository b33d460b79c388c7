#pragma once
/// Texts as Python sees them: sequences of code points, with Unicode's ideas of letters and spaces.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

using CodePoint = std::int32_t;

/// `text` with U+FFFD for each byte that belongs to no code point.
std::string valid_text(std::string_view text);
/// Whether every byte belongs to a code point.
bool is_utf8(std::string_view text);
/// Appends a code point; what UTF-8 cannot hold becomes U+FFFD.
void append_code_point(CodePoint c, std::string& out);
/// The code point at `at` of valid UTF-8, which moves behind it.
CodePoint next_code_point(std::string_view text, std::size_t& at);

/// Code points in valid UTF-8.
std::size_t code_points(std::string_view text);
/// Byte where the n-th code point begins, or the size.
std::size_t byte_of(std::string_view text, std::size_t n);

/// str.isspace() of one code point, and \s of patterns.
bool is_space(CodePoint c);
bool is_printable(CodePoint c);
bool is_letter(CodePoint c);
bool is_decimal(CodePoint c);  // Nd
bool is_digit(CodePoint c);    // and superscripts and the like
bool is_numeric(CodePoint c);  // N
bool is_upper(CodePoint c);
bool is_lower(CodePoint c);
/// Part of a name of a template.
bool is_word(CodePoint c);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string swap_case(std::string_view text);
/// First letter of the text large, the rest small.
std::string capitalize(std::string_view text);
/// The same for every run of letters: str.title().
std::string title_runs(std::string_view text);

/// Without the spaces at both ends, or the code points in `set`.
enum class Side { both, left, right };
std::string_view strip(std::string_view text, Side side = Side::both);
std::string_view strip(std::string_view text, std::string_view set, Side side);

}  // namespace plumb
