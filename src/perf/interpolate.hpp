#pragma once
/// Looking up between measured points. Private to the profile.

#include <set>
#include <utility>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Linear interpolation through (x, y) points with rising x; constant outside.
inline double interpolate(const std::vector<std::pair<double, double>>& points, double x) {
  if (points.empty()) return 0;
  if (x <= points.front().first) return points.front().second;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& [x0, y0] = points[i - 1];
    const auto& [x1, y1] = points[i];
    if (x <= x1) return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
  }
  return points.back().second;
}

/// value(t) for the measured thread counts of a list, interpolated at `threads`.
template <class List, class Value>
double at_threads(const List& list, int threads, const Value& value) {
  std::set<int> counts;
  for (const auto& entry : list) counts.insert(entry.threads);
  std::vector<std::pair<double, double>> points;
  for (const int count : counts)
    if (const double v = value(count); v > 0) points.emplace_back(count, v);
  return interpolate(points, threads);
}

}  // namespace plumb
