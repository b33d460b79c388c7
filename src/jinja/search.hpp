#pragma once
/// Finding and replacing in texts, paid for.

#include <string>
#include <string_view>
#include <vector>

#include "plumb/jinja/budget.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Byte where `what` first stands at or behind `from`, or npos. Takes linear time.
std::size_t find_text(std::string_view text, std::string_view what, std::size_t from, Budget& budget);
/// Where it last stands.
std::size_t find_last(std::string_view text, std::string_view what, Budget& budget);
/// str.replace: `count` < 0 is all.
std::string replaced(std::string_view text, std::string_view what, std::string_view with, std::int64_t count,
                     Budget& budget);
/// str.splitlines.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace plumb
