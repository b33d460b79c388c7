#pragma once
/// Text from a pattern and values, for the library's reports. Only format.cpp compiles {fmt}; a file that includes this
/// pays for the check of its patterns and no more. Private to the library.

#include <fmt/core.h>

#include <string>
#include <utility>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

std::string format_values(fmt::string_view pattern, fmt::format_args values);

/// fmt::format for numbers and strings: `formatted("{:.3g} ms", 1e3 * seconds)`.
template <typename... T>
std::string formatted(fmt::format_string<T...> pattern, T&&... values) {
  return format_values(pattern, fmt::make_format_args(values...));
}

}  // namespace plumb
