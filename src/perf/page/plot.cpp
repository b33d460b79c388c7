#include "plot.hpp"

#include <algorithm>
#include <cmath>

#include "../../core/format.hpp"
#include "labels.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

constexpr double kTickSize = 12, kTitleSize = 12.5, kLabelSize = 12.5;
/// What the names of curves may take from the picture's width; longer ones stand over it.
constexpr double kMostEndRoom = 40;
/// Points of curves are looked at this many pixels apart when names avoid them.
constexpr double kSampleEvery = 6;

/// Lays a plot out and draws it, once.
class Drawing {
 public:
  explicit Drawing(const Plot& plot)
      : plot_(plot),
        svg_(plot.id, plot.width, plot.height, plot.title, plot.description),
        x_(scale(plot.x, true)),
        y_(scale(plot.y, false)) {
    x_ticks_ = x_.ticks(6);
    y_ticks_ = y_.ticks(6);
    double widest = 0;
    for (const Tick& tick : y_ticks_) widest = std::max(widest, text_width(tick.label) * kTickSize);
    double ends = 0;  // room for names at the ends of curves
    for (const Curve& curve : plot.curves) ends = std::max(ends, text_width(curve.label) * kLabelSize);
    area_ = {widest + 14, 30, plot.width - 12 - std::min(ends, kMostEndRoom), plot.height - 46};
  }

  Svg draw() {
    axes();
    for (const Curve& curve : plot_.curves) draw_curve(curve);
    for (const Dot& dot : plot_.dots)
      if (drawable({dot.x, dot.y})) draw_dot(dot);
    names();
    return svg_;
  }

  int unnamed() const { return unnamed_; }

 private:
  bool drawable(Point p) const {
    return std::isfinite(p.first) && std::isfinite(p.second) && (plot_.x.kind == Scale::Kind::linear || p.first > 0) &&
           (plot_.y.kind == Scale::Kind::linear || p.second > 0);
  }

  Scale scale(const Axis& axis, bool x) const {
    double low = INFINITY, high = -INFINITY;
    const auto add = [&](Point p) {
      if (!drawable(p)) return;
      low = std::min(low, x ? p.first : p.second);
      high = std::max(high, x ? p.first : p.second);
    };
    for (const Dot& dot : plot_.dots) add({dot.x, dot.y});
    for (const Curve& curve : plot_.curves)
      for (const Point& p : curve.points) add(p);
    const Scale roomy(axis.kind, low, high);
    if (!axis.low && !axis.high) return roomy;
    return Scale::exactly(axis.kind, axis.low.value_or(roomy.low()), axis.high.value_or(roomy.high()));
  }

  double x_of(double value) const {
    return area_.left + std::clamp(x_.at(value), 0.0, 1.0) * (area_.right - area_.left);
  }
  double y_of(double value) const {
    return area_.bottom - std::clamp(y_.at(value), 0.0, 1.0) * (area_.bottom - area_.top);
  }
  Point at(Point p) const { return {x_of(p.first), y_of(p.second)}; }

  void axes() {
    for (const Tick& tick : y_ticks_) {
      const double y = y_of(tick.value);
      if (tick.label.empty()) {
        svg_.line(area_.left - 3, y, area_.left, y, "tick");
        continue;
      }
      svg_.line(area_.left, y, area_.right, y, "grid");
      svg_.text(area_.left - 6, y + 0.35 * kTickSize, kTickSize, Anchor::end, "faint", tick.label);
    }
    double free_from = -INFINITY;  // names of ticks must not run into each other
    for (const Tick& tick : x_ticks_) {
      const double x = x_of(tick.value), half = text_width(tick.label) * kTickSize / 2;
      if (tick.label.empty()) {
        svg_.line(x, area_.bottom, x, area_.bottom + 3, "tick");
        continue;
      }
      svg_.line(x, area_.top, x, area_.bottom, "grid");
      if (x - half < free_from || x + half > plot_.width) continue;
      svg_.text(x, area_.bottom + 17, kTickSize, Anchor::middle, "faint", tick.label);
      free_from = x + half + 4;
    }
    svg_.line(area_.left, area_.bottom, area_.right, area_.bottom, "tick");
    svg_.line(area_.left, area_.top, area_.left, area_.bottom, "tick");
    svg_.text(2, 15, kTitleSize, Anchor::start, "", plot_.y.title);
    svg_.text(area_.right, plot_.height - 8, kTitleSize, Anchor::end, "", plot_.x.title);
  }

  void draw_curve(const Curve& curve) {
    std::vector<Point> points;
    for (const Point& p : curve.points)
      if (drawable(p)) points.push_back(at(p));
    if (points.size() < 2) return;
    svg_.polyline(points, formatted("curve{}{}", curve.dashed ? " dashed" : "",
                                    curve.colour < 0 ? "" : formatted(" s{}", curve.colour % 8)));
    for (std::size_t i = 1; i < points.size(); ++i) {
      const auto [x1, y1] = points[i - 1];
      const auto [x2, y2] = points[i];
      const int steps = static_cast<int>(std::hypot(x2 - x1, y2 - y1) / kSampleEvery) + 1;
      for (int s = 0; s <= steps; ++s) lines_.emplace_back(x1 + (x2 - x1) * s / steps, y1 + (y2 - y1) * s / steps);
    }
    if (!curve.label.empty()) wish(curve.label, curve.colour, along(points), 4);
  }

  /// Places for the name of a curve: its end, then points before it.
  static std::vector<Point> along(const std::vector<Point>& points) {
    std::vector<Point> all;
    for (const double share : {1.0, 0.0, 0.75, 0.5, 0.25}) {
      const double where = share * static_cast<double>(points.size() - 1);
      const auto i = static_cast<std::size_t>(where);
      const double rest = where - static_cast<double>(i);
      const Point a = points[i], b = points[std::min(i + 1, points.size() - 1)];
      all.emplace_back(a.first + rest * (b.first - a.first), a.second + rest * (b.second - a.second));
    }
    return all;
  }

  void draw_dot(const Dot& dot) {
    const auto [x, y] = at({dot.x, dot.y});
    const double r = dot.radius;
    const std::string classes =
        dot.hollow ? formatted("dot s{} hollow", dot.colour % 8) : formatted("dot c{}", dot.colour % 8);
    switch (dot.shape) {
      case Shape::circle: svg_.circle(x, y, r, classes, dot.tip); break;
      case Shape::square: svg_.rectangle(x - r, y - r, 2 * r, 2 * r, classes, dot.tip); break;
      case Shape::triangle:
        svg_.polygon({{x, y - 1.2 * r}, {x + 1.1 * r, y + 0.9 * r}, {x - 1.1 * r, y + 0.9 * r}}, classes, dot.tip);
        break;
      case Shape::diamond:
        svg_.polygon({{x, y - 1.3 * r}, {x + 1.3 * r, y}, {x, y + 1.3 * r}, {x - 1.3 * r, y}}, classes, dot.tip);
    }
    taken_.push_back({x - r, y - r, x + r, y + r});
    if (!dot.label.empty()) wish(dot.label, dot.colour, {{x, y}}, r + 2.5);
  }

  void wish(const std::string& text, int colour, std::vector<Point> points, double distance) {
    wishes_.push_back({text, std::move(points), distance, kLabelSize});
    colours_.push_back(colour);
  }

  void names() {
    const Box room{area_.left + 2, area_.top - 8, plot_.width - 2, area_.bottom - 1};
    const auto places = place_labels(wishes_, room, taken_, lines_);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) {
        ++unnamed_;
        continue;
      }
      const LabelPlace& place = *places[i];
      if (place.lead) {
        const auto [x, y] = *place.lead;
        svg_.line(x, y, std::clamp(x, place.box.left, place.box.right), std::clamp(y, place.box.top, place.box.bottom),
                  "lead");
      }
    }
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i])
        svg_.text(places[i]->x, places[i]->y, kLabelSize, Anchor::start,
                  colours_[i] < 0 ? "halo" : formatted("halo c{}", colours_[i] % 8), wishes_[i].text);
  }

  const Plot& plot_;
  Svg svg_;
  Scale x_, y_;
  std::vector<Tick> x_ticks_, y_ticks_;
  Box area_;
  std::vector<LabelWish> wishes_;
  std::vector<int> colours_;
  std::vector<Box> taken_;
  std::vector<Point> lines_;
  int unnamed_ = 0;
};

}  // namespace

Picture draw(const Plot& plot, std::string caption) {
  Drawing drawing(plot);
  const Svg svg = drawing.draw();
  if (drawing.unnamed() > 0)
    caption += formatted(" {} name{} found no place: point at a dot, or look into the table.", drawing.unnamed(),
                         drawing.unnamed() == 1 ? "" : "s");
  return {plot.title, std::move(caption), svg.element(), svg.file(), drawing.unnamed()};
}

}  // namespace plumb::inline PLUMB_ABI::page
