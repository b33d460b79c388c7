#pragma once
/// Values as text, as Python prints them.

#include <string>
#include <string_view>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// str(value), appended. `budget` pays; null: nobody. Throws {limit}.
void print(const Value& value, std::string& out, Budget* budget = nullptr);
/// repr(value), appended.
void print_repr(const Value& value, std::string& out, Budget* budget = nullptr);
std::string printed(const Value& value, Budget* budget = nullptr);
std::string repr(const Value& value, Budget* budget = nullptr);
/// repr(float): the shortest digits that give the same double.
std::string real_text(double value);
/// & < > " ' as HTML entities.
std::string escaped_html(std::string_view text);

}  // namespace plumb
