#pragma once
/// @file
/// Text from a file as text for a person: nothing in it can steer a terminal or pass for something else.

#include <cstddef>
#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// `bytes` with every control character, line break, invisible direction mark and invalid UTF-8 byte escaped (\n, \x1b,
/// \u202e), and a backslash doubled, so that the result is one line of valid UTF-8. Longer texts are cut after about
/// `max_bytes` bytes of input, never inside a code point, and end in "...".
PLUMB_API std::string printable(std::string_view bytes, std::size_t max_bytes = 200);

/// printable() between single quotes, for error messages.
inline std::string quote(std::string_view bytes, std::size_t max_bytes = 200) {
  return "'" + printable(bytes, max_bytes) + "'";
}

}  // namespace plumb
