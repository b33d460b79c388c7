#pragma once
/// Names beside the things they name, none over another.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "svg.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// A rectangle of a picture, in pixels.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
  bool inside(const Box& other) const {
    return left >= other.left && right <= other.right && top >= other.top && bottom <= other.bottom;
  }
};

/// The box of a text whose baseline begins at the point.
Box text_box(double x, double y, double size, std::string_view text);

/// A name that wants a place: near one of its points, the first if it can.
struct LabelWish {
  std::string text;
  std::vector<std::pair<double, double>> points;
  double distance = 5;  ///< from the point to the text, at least
  double size = 12;     ///< of the font
};

/// The place it got: where its baseline begins, and the point it names when that is not beside it.
struct LabelPlace {
  double x = 0, y = 0;
  Box box;
  std::optional<std::pair<double, double>> lead;
};

/// Chooses a place for each wish, or none where nothing is left: inside `room`, clear of `taken` and of each other, if
/// possible not over a point of `lines`. Those with most neighbours choose first.
std::vector<std::optional<LabelPlace>> place_labels(const std::vector<LabelWish>& wishes, const Box& room,
                                                    std::vector<Box> taken,
                                                    const std::vector<std::pair<double, double>>& lines);

}  // namespace plumb::inline PLUMB_ABI::page
