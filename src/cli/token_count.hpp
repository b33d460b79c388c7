#pragma once
/// Numbers of tokens as people type them.

#include <cmath>
#include <cstdint>
#include <string>

#include "options.hpp"
#include "plumb/core/quantity.hpp"

namespace plumb::cli {

/// "4096", "8k": k is 1024, as contexts are named. @throws Error{invalid_argument} for anything but a whole number
/// from 1 to 2^30.
inline std::int64_t parse_token_count(const std::string& text, std::string_view name) {
  constexpr double kMost = 1 << 30;
  const bool thousands = !text.empty() && (text.back() == 'k' || text.back() == 'K');
  const double value = thousands ? 1024 * parse_count(text.substr(0, text.size() - 1), name) : parse_count(text, name);
  if (value != std::floor(value) || value < 1 || value > kMost)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} is \"{}\", expected a whole number from 1 to {:.0f}, such as 8192 or 8k", name, text, kMost));
  return static_cast<std::int64_t>(value);
}

/// An option that takes one; `value` is told what was given.
inline Option add_token_count(const Command& command, const std::string& names, std::optional<std::int64_t>& value,
                              const std::string& help) {
  return command
      .add_option_function(
          names, [&value](const std::string& text) { value = parse_token_count(text, "the number"); }, help)
      .check(readable_by([](const std::string& text) { return parse_token_count(text, "the number"); }))
      .type_name("N");
}

}  // namespace plumb::cli
