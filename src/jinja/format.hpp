#pragma once
/// Texts with holes: "%s" % value and "{}".format(value).

#include <string>
#include <string_view>

#include "builtins.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// pattern % values: a tuple, a dictionary for %(name)s, or one value. Throws {type, limit}.
std::string printf_text(Interpreter& in, std::string_view pattern, const Value& values);
/// pattern.format(...). Throws {type, limit, undefined, security}.
std::string format_text(Interpreter& in, std::string_view pattern, const Arguments& arguments);
/// A finite number with so many digits behind the point, rounded correctly.
std::string fixed_text(double value, int digits);

}  // namespace plumb
