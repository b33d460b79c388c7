#pragma once
/// A range of values along an axis: where each lies, and where ticks stand.

#include <string>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// A tick and what stands at it; nothing at the small ticks between.
struct Tick {
  double value = 0;
  std::string label;
};

/// "0.02", "3", "1500", "20k", "1M", "2B", "10⁻⁴": a number at a tick. Round numbers are all it is meant for.
std::string tick_text(double value);

class Scale {
 public:
  enum class Kind { linear, logarithmic };

  /// A scale that shows `low` to `high` with some room on both sides; a linear one begins at zero when zero is near.
  /// What cannot be drawn becomes what can: values that are not finite 1, an empty range one around its value, values
  /// that have no logarithm the smallest that fits beside `high`.
  Scale(Kind kind, double low, double high);

  /// The same without room and without rounding.
  static Scale exactly(Kind kind, double low, double high);

  /// 0 at the low end, 1 at the high one; beyond them outside.
  double at(double value) const;
  /// Of a logarithmic scale every decade, or every second, third ... where there are more than `most`, and small ticks
  /// at 2, 3, ... 9 between; where it holds fewer than two decades 1, 2 and 5 of each have labels (in one alone 3 too),
  /// and within a factor of four the ticks are those of a linear one. Of a linear scale steps of 1, 2 or 5.
  std::vector<Tick> ticks(int most) const;

  Kind kind() const { return kind_; }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  Scale() = default;
  std::vector<Tick> linear_ticks(int most) const;

  Kind kind_ = Kind::linear;
  double low_ = 0, high_ = 1;
};

}  // namespace plumb::inline PLUMB_ABI::page
