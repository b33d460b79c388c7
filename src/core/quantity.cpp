#include "plumb/core/quantity.hpp"

#include <charconv>
#include <cmath>
#include <optional>
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

/// A number and what stands behind it, in lower case and without spaces.
struct Quantity {
  double number = 0;
  std::string unit;
};

/// Nothing where the text does not begin with a number.
std::optional<Quantity> read_quantity(std::string_view text) {
  const std::string plain = lower_without_spaces(text);
  Quantity quantity;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), quantity.number);
  if (error != std::errc()) return std::nullopt;
  quantity.unit.assign(end, static_cast<std::size_t>(plain.data() + plain.size() - end));
  return quantity;
}

/// The size of a unit; `bare` for none, 0 for an unknown one.
double size_of(const std::string& unit, std::span<const Unit> units, double bare) {
  for (const Unit& known : units)
    if (known.name == unit) return known.size;
  return unit.empty() ? bare : 0;
}

/// `bare`: what a number without a unit is multiplied by; 0 where it is refused.
double parse(std::string_view text, std::string_view name, std::span<const Unit> units, std::string_view example,
             double bare) {
  if (const auto quantity = read_quantity(text)) {
    const double value = quantity->number * size_of(quantity->unit, units, bare);
    if (std::isfinite(value) && value > 0) return value;
  }
  std::string known;
  for (const Unit& unit : units) known += (known.empty() ? "" : ", ") + std::string(unit.name);
  throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + quote(text) + ", expected a number above zero" +
                                               (bare > 0 ? "" : " with a unit") + ", such as " + std::string(example) +
                                               " (units: " + known + ")");
}

}  // namespace

double parse_seconds(std::string_view text, std::string_view name) { return parse(text, name, kTimes, "50ms", 0); }
double parse_bytes(std::string_view text, std::string_view name) { return parse(text, name, kBytes, "6GB", 0); }
double parse_count(std::string_view text, std::string_view name) { return parse(text, name, kCounts, "1.5M", 1); }

std::int64_t parse_tokens(std::string_view text, std::string_view name) {
  constexpr Unit kTokens[] = {{"k", kKibi}, {"m", kMebi}};
  constexpr double kMost = 9007199254740992;  // 2^53: what a double counts one by one
  if (const auto quantity = read_quantity(text)) {
    const double value = quantity->number * size_of(quantity->unit, kTokens, 1);
    const bool unknown = size_of(quantity->unit, kTokens, 1) == 0;
    if (!unknown && value >= 0 && value <= kMost && value == std::floor(value)) return static_cast<std::int64_t>(value);
  }
  throw Error(ErrorCode::invalid_argument,
              std::string(name) + " is " + quote(text) + ", expected a whole number, such as 4096 or 4k (k: 1024)");
}

}  // namespace plumb
