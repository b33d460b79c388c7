#include "labels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace plumb::inline PLUMB_ABI::page {
namespace {

/// Letters above and below the baseline, as shares of the font's size.
constexpr double kAbove = 0.95, kBelow = 0.3;

/// What a place costs: pixels from the point, a line behind the text, each step down the list of directions or points.
constexpr double kLineCost = 6, kDirectionCost = 1.5, kPointCost = 12;

/// Right of the point, left, above, below, and between them: the way people look for a name.
constexpr std::array<std::pair<int, int>, 8> kDirections{
    {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}}};

/// How far out places are tried, beyond the wish's own distance.
constexpr std::array<double, 9> kSteps{0, 5, 11, 18, 27, 38, 52, 68, 88};
/// From here on a thin line leads to the point.
constexpr double kLeadFrom = 11;

/// The text at a distance from the point, in a direction.
Box box_at(const LabelWish& wish, std::pair<double, double> point, std::pair<int, int> direction, double distance) {
  const double width = text_width(wish.text) * wish.size, height = (kAbove + kBelow) * wish.size;
  const auto [dx, dy] = direction;
  const double reach = dx != 0 && dy != 0 ? distance * 0.75 : distance;
  const double left = dx > 0 ? point.first + reach : dx < 0 ? point.first - reach - width : point.first - width / 2;
  const double top = dy > 0 ? point.second + reach : dy < 0 ? point.second - reach - height : point.second - height / 2;
  return {left, top, left + width, top + height};
}

}  // namespace

Box text_box(double x, double y, double size, std::string_view text) {
  return {x, y - kAbove * size, x + text_width(text) * size, y + kBelow * size};
}

std::vector<std::optional<LabelPlace>> place_labels(const std::vector<LabelWish>& wishes, const Box& room,
                                                    std::vector<Box> taken,
                                                    const std::vector<std::pair<double, double>>& lines) {
  const auto neighbours = [&](const LabelWish& wish) {
    std::size_t near = 0;
    for (const LabelWish& other : wishes)
      near +=
          std::hypot(other.points[0].first - wish.points[0].first, other.points[0].second - wish.points[0].second) < 40
              ? 1
              : 0;
    return near;
  };
  std::vector<std::size_t> order(wishes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return neighbours(wishes[a]) > neighbours(wishes[b]); });

  std::vector<std::optional<LabelPlace>> places(wishes.size());
  for (const std::size_t i : order) {
    const LabelWish& wish = wishes[i];
    if (wish.text.empty()) continue;
    double best = INFINITY;
    for (std::size_t p = 0; p < wish.points.size(); ++p)
      for (const double step : kSteps)
        for (std::size_t d = 0; d < kDirections.size(); ++d) {
          double cost = step + kDirectionCost * static_cast<double>(d) + kPointCost * static_cast<double>(p);
          if (cost >= best) continue;
          const Box box = box_at(wish, wish.points[p], kDirections[d], wish.distance + step);
          if (!box.inside(room)) continue;
          if (std::any_of(taken.begin(), taken.end(), [&](const Box& other) { return box.meets(other); })) continue;
          const Box near{box.left - 2, box.top - 1, box.right + 2, box.bottom + 1};
          for (const auto& [x, y] : lines)
            if (near.meets({x, y, x + 0.1, y + 0.1})) {
              cost += kLineCost;
              if (cost >= best) break;
            }
          if (cost >= best) continue;
          best = cost;
          places[i] = LabelPlace{box.left, box.top + kAbove * wish.size, box, std::nullopt};
          if (step >= kLeadFrom) places[i]->lead = wish.points[p];
        }
    if (places[i]) taken.push_back(places[i]->box);
  }
  return places;
}

}  // namespace plumb::inline PLUMB_ABI::page
