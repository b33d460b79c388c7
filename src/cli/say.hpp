#pragma once
/// What commands say beside their result.

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace plumb::cli {

/// Prints to stderr. Nobody may be listening there, which is no reason to fail.
template <typename... Parts>
void say(fmt::format_string<Parts...> text, Parts&&... parts) {
  std::fputs(fmt::format(text, std::forward<Parts>(parts)...).c_str(), stderr);
}

}  // namespace plumb::cli
