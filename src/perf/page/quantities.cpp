#include "quantities.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "../../core/format.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

/// In the largest unit that leaves at least one of them; else in the last.
template <std::size_t n>
std::string in_units(double value, const std::array<std::pair<double, const char*>, n>& units) {
  if (!(value > 0)) return "-";
  for (const auto& [unit, name] : units)
    if (value >= unit * 0.9995) return number_text(value / unit) + name;
  return number_text(value / units.back().first) + units.back().second;
}

}  // namespace

std::string number_text(double value, int digits) {
  if (!(value > 0) || !std::isfinite(value)) return "-";
  const int whole = static_cast<int>(std::floor(std::log10(value * 1.0005))) + 1;  // 999.9 becomes 1000
  if (whole < -3) return formatted("{:.{}g}", value, digits);
  return formatted("{:.{}f}", value, std::max(0, digits - whole));
}

std::string bytes_text(double bytes) {
  return in_units(
      bytes, std::array<std::pair<double, const char*>, 4>{{{1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}, {1, " bytes"}}});
}

std::string seconds_text(double seconds) {
  return in_units(seconds, std::array<std::pair<double, const char*>, 3>{{{1, " s"}, {1e-3, " ms"}, {1e-6, " us"}}});
}

std::string rate_text(double tokens_per_second) {
  const std::string number = number_text(tokens_per_second);
  return number == "-" ? number : number + " tokens/s";
}

std::string count_text(double count) {
  return in_units(count, std::array<std::pair<double, const char*>, 4>{{{1e9, "B"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}});
}

}  // namespace plumb::inline PLUMB_ABI::page
