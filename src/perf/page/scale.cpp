#include "scale.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "../../core/format.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

/// Logarithms span no more than this below the high end.
constexpr double kMostDecades = 12;
/// Room beyond the values, as a share of the range.
constexpr double kRoom = 0.06;

/// Linear ticks read better than 1, 2, 5 where the whole range is within this factor.
constexpr double kNearlyLinear = 4;

std::string exponent_text(int exponent) {
  constexpr std::array kDigits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = "10";
  const std::string digits = std::to_string(std::abs(exponent));
  if (exponent < 0) text += "⁻";
  for (const char digit : digits) text += kDigits[static_cast<std::size_t>(digit - '0')];
  return text;
}

/// The step of 1, 2 or 5 times a power of ten that leaves at most `most` ticks.
double round_step(double range, int most) {
  const double rough = range / std::max(1, most);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

}  // namespace

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size < 0.9999e-3) {
    const double exponent = std::floor(std::log10(size) + 1e-9);
    const double digits = value / std::pow(10, exponent);
    const std::string power = exponent_text(static_cast<int>(exponent));
    return std::abs(digits - 1) < 1e-6 ? power : formatted("{:.3g}·{}", digits, power);
  }
  if (size < 9999.5) return formatted("{:.4g}", value);
  constexpr std::array<std::pair<double, const char*>, 4> kUnits{{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}}};
  if (size >= 1e15) return exponent_text(static_cast<int>(std::lround(std::log10(size))));
  for (const auto& [unit, name] : kUnits)
    if (size >= unit * 0.99995) return formatted("{:.4g}{}", value / unit, name);
  return formatted("{:.4g}", value);
}

Scale Scale::exactly(Kind kind, double low, double high) {
  Scale scale;
  scale.kind_ = kind;
  if (!std::isfinite(low)) low = 1;
  if (!std::isfinite(high)) high = 1;
  if (high < low) std::swap(low, high);
  if (kind == Kind::logarithmic) {
    if (high <= 0) low = high = 1;
    low = std::max(low, high / std::pow(10, kMostDecades));
    if (high < low * 1.001) low /= 1.5, high *= 1.5;
  } else if (high - low <= 1e-9 * std::max(std::abs(low), std::abs(high))) {
    const double around = high == 0 ? 1 : 0.1 * std::abs(high);
    low -= around, high += around;
  }
  scale.low_ = low;
  scale.high_ = high;
  return scale;
}

Scale::Scale(Kind kind, double low, double high) {
  *this = exactly(kind, low, high);
  if (kind == Kind::logarithmic) {
    const double room = std::pow(high_ / low_, kRoom);
    low_ /= room;
    high_ *= room;
    return;
  }
  const double range = high_ - low_;
  const bool from_zero = low_ >= 0 && low_ < 0.7 * high_;
  low_ = from_zero ? 0 : low_ - kRoom * range;
  high_ += kRoom * range;
}

double Scale::at(double value) const {
  if (kind_ == Kind::linear) return (value - low_) / (high_ - low_);
  return std::log(std::max(value, low_ * 1e-3) / low_) / std::log(high_ / low_);
}

std::vector<Tick> Scale::linear_ticks(int most) const {
  std::vector<Tick> ticks;
  const double step = round_step(high_ - low_, most);
  for (double n = std::ceil(low_ / step - 1e-9); n * step <= high_ + 1e-9 * step; ++n)
    ticks.push_back({n * step, tick_text(n == 0 ? 0 : n * step)});
  return ticks;
}

std::vector<Tick> Scale::ticks(int most) const {
  if (kind_ == Kind::linear || high_ < kNearlyLinear * low_) return linear_ticks(most);
  const int first = static_cast<int>(std::floor(std::log10(low_))), last = static_cast<int>(std::log10(high_) + 1);
  const int decades = static_cast<int>(std::floor(std::log10(high_) + 1e-9) - std::ceil(std::log10(low_) - 1e-9)) + 1;
  const int every = std::max(1, (decades + most - 1) / std::max(1, most));
  const bool few = decades <= 2 && std::log10(high_ / low_) < 2.2;
  const bool narrow = high_ < 12 * low_;
  std::vector<Tick> ticks;
  for (int exponent = first; exponent <= last; ++exponent)
    for (int digit = 1; digit < 10; ++digit) {
      const double value = digit * std::pow(10, exponent);
      if (value < low_ * (1 - 1e-9) || value > high_ * (1 + 1e-9)) continue;
      const bool decade = digit == 1 && exponent % every == 0;
      const bool between = (few && (digit == 2 || digit == 5 || digit == 1)) || (narrow && digit == 3);
      if (decade || between)
        ticks.push_back({value, tick_text(value)});
      else if (every == 1 || digit == 1)
        ticks.push_back({value, ""});
    }
  return ticks;
}

}  // namespace plumb::inline PLUMB_ABI::page
