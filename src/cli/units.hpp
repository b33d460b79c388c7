#pragma once
/// Numbers as people read them, and cells of tables that are plain numbers in CSV. Memory and caches are binary (MiB);
/// files, and bytes that are moved in some time, decimal (MB), as GB/s are.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "table.hpp"

namespace plumb::cli {

/// "48 KiB": binary units.
inline std::string binary_size(double bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;  // three digits say no more
  return fmt::format("{:.3g} {}", bytes, kUnits[unit]);
}

/// "105 MB": decimal units.
inline std::string decimal_size(double bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
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

/// A number in CSV: enough digits for whatever is computed from it, no exponents for whole numbers.
inline std::string plain_number(double value) {
  if (!std::isfinite(value)) return {};
  return std::abs(value) < 1e15 && value == std::floor(value) ? fmt::format("{:.0f}", value)
                                                              : fmt::format("{:.7g}", value);
}

/// CSV: bytes.
inline Cell memory_cell(double bytes) { return {binary_size(bytes), plain_number(bytes)}; }
/// CSV: bytes.
inline Cell bytes_cell(double bytes) { return {decimal_size(bytes), plain_number(bytes)}; }
/// CSV: seconds.
inline Cell time_cell(double seconds) { return {time_text(seconds), plain_number(seconds)}; }
/// CSV: the number.
inline Cell count_cell(double count) { return {count_text(count), plain_number(count)}; }
/// "12.3%"; CSV: 12.3.
inline Cell percent_cell(double share, int digits = 1) {
  return {fmt::format("{:.{}f}%", 100 * share, digits), plain_number(100 * share)};
}
/// Rounded for people, not for CSV.
inline Cell number_cell(double value, const char* format = "{:.4g}") {
  return {fmt::format(fmt::runtime(format), value), plain_number(value)};
}
/// "-", in CSV nothing: there is no such number.
inline Cell no_cell() { return {"-", ""}; }

}  // namespace plumb::cli
