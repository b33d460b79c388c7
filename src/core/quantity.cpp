#include "plumb/core/quantity.hpp"

#include <charconv>
#include <cmath>
#include <span>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

struct Unit {
  std::string_view name;  // lower case
  double size;
};

constexpr double kKibi = 1024, kMebi = kKibi * 1024, kGibi = kMebi * 1024, kTebi = kGibi * 1024;
constexpr Unit kTimes[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}};
constexpr Unit kBytes[] = {{"b", 1},       {"kb", 1e3},    {"mb", 1e6},    {"gb", 1e9},    {"tb", 1e12},
                           {"kib", kKibi}, {"mib", kMebi}, {"gib", kGibi}, {"tib", kTebi}, {"k", kKibi},
                           {"m", kMebi},   {"g", kGibi},   {"t", kTebi}};
constexpr Unit kCounts[] = {{"k", 1e3}, {"m", 1e6}, {"b", 1e9}, {"t", 1e12}};

std::string lower_without_spaces(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return plain;
}

/// `bare`: what a number without a unit is multiplied by; 0 where it is refused.
double parse(std::string_view text, std::string_view name, std::span<const Unit> units, std::string_view example,
             double bare) {
  const auto fail = [&]() -> double {
    std::string known;
    for (const Unit& unit : units) known += (known.empty() ? "" : ", ") + std::string(unit.name);
    throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + quote(text) +
                                                 ", expected a number above zero" + (bare > 0 ? "" : " with a unit") +
                                                 ", such as " + std::string(example) + " (units: " + known + ")");
  };
  const std::string plain = lower_without_spaces(text);
  double number = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), number);
  if (error != std::errc()) return fail();
  const std::string_view rest(end, static_cast<std::size_t>(plain.data() + plain.size() - end));
  double size = rest.empty() ? bare : 0;
  for (const Unit& unit : units)
    if (unit.name == rest) size = unit.size;
  const double value = number * size;
  return std::isfinite(value) && value > 0 ? value : fail();
}

}  // namespace

double parse_seconds(std::string_view text, std::string_view name) { return parse(text, name, kTimes, "50ms", 0); }
double parse_bytes(std::string_view text, std::string_view name) { return parse(text, name, kBytes, "6GB", 0); }
double parse_count(std::string_view text, std::string_view name) { return parse(text, name, kCounts, "1.5M", 1); }

}  // namespace plumb
