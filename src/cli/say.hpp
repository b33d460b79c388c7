#pragma once
/// What commands print: results to stdout, everything else to stderr, neither into a line of progress.

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace plumb::cli {

/// Wipes the line of progress that stands on the terminal, if one does. It comes back with the next step.
void wipe_progress();

/// Prints to stderr. Nobody may be listening there, which is no reason to fail.
template <typename... Parts>
void say(fmt::format_string<Parts...> text, Parts&&... parts) {
  wipe_progress();
  std::fputs(fmt::format(text, std::forward<Parts>(parts)...).c_str(), stderr);
}

/// Prints a result to stdout.
template <typename... Parts>
void put(fmt::format_string<Parts...> text, Parts&&... parts) {
  wipe_progress();
  fmt::print(text, std::forward<Parts>(parts)...);
}

}  // namespace plumb::cli
