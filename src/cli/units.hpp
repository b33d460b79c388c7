#pragma once
/// Numbers as people read them.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>

namespace plumb::cli {

/// "48 KiB": binary units.
inline std::string binary_size(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; bytes >= 1023.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return fmt::format("{:.3g} {}", bytes, kUnits[unit]);
}

/// "1.25 ms": seconds in the unit that suits them.
inline std::string time_text(double seconds) {
  if (!(seconds > 0)) return "0";
  if (seconds < 1e-6) return fmt::format("{:.3g} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  if (seconds < 600) return fmt::format("{:.3g} s", seconds);
  if (seconds < 36000) return fmt::format("{:.3g} min", seconds / 60);
  return fmt::format("{:.3g} h", seconds / 3600);
}

/// "1.1B", "135M": counts with a decimal suffix.
inline std::string count_text(double count) {
  constexpr std::array kUnits{"", "k", "M", "B", "T", "Q"};
  std::size_t unit = 0;
  for (; count >= 999.5 && unit + 1 < kUnits.size(); ++unit) count /= 1000;
  return fmt::format("{:.3g}{}", count, kUnits[unit]);
}

}  // namespace plumb::cli
