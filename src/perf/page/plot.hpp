#pragma once
/// Pictures of points and curves between two axes.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scale.hpp"
#include "svg.hpp"

namespace plumb::inline PLUMB_ABI::page {

using Point = std::pair<double, double>;

enum class Shape { circle, triangle, square, diamond };

/// One measured thing, with its name beside it.
struct Dot {
  double x = 0, y = 0;
  std::string label = {};  ///< empty: none, when a curve or a caption names it
  std::string tip = {};    ///< what pointing at it shows
  int colour = 0;          ///< 0 to 7
  Shape shape = Shape::circle;
  double radius = 4.5;
  bool hollow = false;  ///< marked: disturbed, estimated, out of range, as the caption says
};

/// A line through points in the units of the axes, with its name at it.
struct Curve {
  std::vector<Point> points;
  std::string label = {};
  int colour = -1;  ///< -1: ink
  bool dashed = false;
};

struct Axis {
  std::string title;
  Scale::Kind kind = Scale::Kind::linear;
  std::optional<double> low = {}, high = {};  ///< where the axis shall end; nothing: what the points need
};

struct Plot {
  std::string id;           ///< unique in its page
  std::string title;        ///< what is seen: "Q4_K is the fastest type within 1% of the base"
  std::string description;  ///< for those who do not see it: what is drawn, and the values that matter
  Axis x, y;
  std::vector<Curve> curves = {};
  std::vector<Dot> dots = {};
  double width = 440, height = 340;
};

/// A picture, ready for a page or a file.
struct Picture {
  std::string title;
  std::string caption;  ///< how to read it
  std::string svg;      ///< for a page
  std::string file;     ///< the same as a file of its own
  int unnamed = 0;      ///< names that found no place; the picture still shows them when pointed at
};

/// Draws it. Points that no axis can show (not finite, no logarithm) are left out; those beyond given ends are drawn at
/// the edge. @throws nothing but std::bad_alloc.
Picture draw(const Plot& plot, std::string caption);

}  // namespace plumb::inline PLUMB_ABI::page
