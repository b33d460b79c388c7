#pragma once
/// to_json of a running template, which pays for it.

#include <string>

#include "plumb/jinja/json.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::string to_json(const Value& value, const JsonStyle& style, Budget* budget);

}  // namespace plumb
