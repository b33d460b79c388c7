#pragma once
/// The tables that find_filter looks into, and what filters share with methods.

#include <span>
#include <string>
#include <string_view>

#include "builtins.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::span<const Builtin> text_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> number_filters();
std::span<const Builtin> string_methods();
std::span<const Builtin> string_searches();

/// `text` with `fill` around it until it has `width` code points. left: ljust, right: rjust, both: center.
std::string padded(Interpreter& in, std::string_view text, std::int64_t width, std::string_view fill, Side side);
/// Splits at `separator`, at most `most` times (< 0: at all); without one, at runs of white space.
std::vector<Value> split_text(Interpreter& in, std::string_view text, const std::string* separator, std::int64_t most,
                              bool from_right);

}  // namespace plumb
