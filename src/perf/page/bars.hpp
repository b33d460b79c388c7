#pragma once
/// Rows of bars: one column for each measure, each with a scale of its own, every bar with its number.

#include <string>
#include <vector>

#include "plot.hpp"

namespace plumb::inline PLUMB_ABI::page {

/// A bar: how long, and what stands at it. Not above zero: no bar, the text alone.
struct Bar {
  double value = 0;
  std::string text;
  bool marked = false;  ///< drawn hollow, as the caption says why
};

struct BarRow {
  std::string name;
  std::vector<Bar> bars;  ///< one a column
};

struct Bars {
  std::string id, title, description;  ///< as in Plot
  std::vector<std::string> columns;    ///< "decode, tokens/s"
  std::vector<BarRow> rows;
  bool one_scale = false;  ///< all columns share one (shares of a whole)
  double width = 440;
};

Picture draw(const Bars& bars, std::string caption);

}  // namespace plumb::inline PLUMB_ABI::page
