#pragma once
/// The time that a chat template sees.

#include <cstdio>
#include <ctime>
#include <optional>
#include <string>

#include "plumb/jinja/template.hpp"

namespace plumb::cli {

/// "2026-01-15T09:05:07"; nothing if it is no such text. Whether there is such a day is for the template to find out.
inline std::optional<jinja::LocalTime> parse_time(const std::string& text) {
  jinja::LocalTime t;
  int end = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.year, &t.month, &t.day, &t.hour, &t.minute,
                               &t.second, &end);
  if (read != 6 || static_cast<std::size_t>(end) != text.size()) return std::nullopt;
  return t;
}

/// Now, where this machine is.
inline jinja::LocalTime local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm t = {};
  ::localtime_r(&now, &t);
  return {t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
}

}  // namespace plumb::cli
