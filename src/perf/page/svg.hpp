#pragma once
/// Text in SVG and HTML, and an SVG picture as it is drawn.
///
/// Pictures are drawn here and not by a plotting program: a page then has them wherever plumb runs, offline, with text
/// that stays text (selectable, searched, read aloud, as large as the reader wants) and colours that follow the page
/// into the dark. What reports need is two scales, dots, lines, bars and labels that keep off each other: some 900
/// lines in this folder, without a dependency.

#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// Text for an HTML or XML document, attributes too. Bytes that are no UTF-8 and controls that XML forbids become
/// U+FFFD.
std::string escape(std::string_view text);

/// Width of one line of text in units of its font size, or a little more, in any usual sans-serif font.
double text_width(std::string_view text);

/// Lines of at most `width` units of the font's size, broken at spaces and behind hyphens; a longer word stays whole.
std::vector<std::string> wrapped(std::string_view text, double width);

/// Where the given point of a text is.
enum class Anchor { start, middle, end };

/// One picture. Lengths are pixels at full size; colours are classes of the page's style (style.hpp): c0 to c7 for
/// series, ink, faint and grid.
class Svg {
 public:
  /// `id` must be unique in its page, letters, digits and hyphens. `title` and `description` are what a screen reader
  /// reads in the picture's place.
  Svg(std::string id, double width, double height, std::string title, std::string description);

  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  void polyline(const std::vector<std::pair<double, double>>& points, std::string_view classes);
  void rectangle(double x, double y, double width, double height, std::string_view classes, std::string_view tip = {});
  void circle(double x, double y, double radius, std::string_view classes, std::string_view tip = {});
  /// A closed shape.
  void polygon(const std::vector<std::pair<double, double>>& points, std::string_view classes,
               std::string_view tip = {});
  /// A line of text whose baseline begins, has its middle or ends at the point.
  void text(double x, double y, double size, Anchor anchor, std::string_view classes, std::string_view text);

  /// The element, for a page whose style has the classes.
  std::string element() const { return head("") + body_ + "</svg>\n"; }
  /// A file of its own, with the style inside.
  std::string file() const;

  double width() const { return width_; }
  double height() const { return height_; }

 private:
  std::string head(const std::string& style) const;
  void shape(std::string_view element, std::string_view attributes, std::string_view classes, std::string_view tip);

  std::string id_;
  double width_, height_;
  std::string title_, description_, body_;
};

}  // namespace plumb::inline PLUMB_ABI::page
