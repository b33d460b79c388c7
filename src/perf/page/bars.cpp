#include "bars.hpp"

#include <algorithm>

#include "../../core/format.hpp"

namespace plumb::inline PLUMB_ABI::page {
namespace {

constexpr double kSize = 12.5, kRowHeight = 24, kBarHeight = 13, kGap = 12, kShortest = 1.5;

}  // namespace

Picture draw(const Bars& bars, std::string caption) {
  // Names take what they need, up to two fifths of the width; longer ones go onto more lines.
  double names = 0;
  for (const BarRow& row : bars.rows) names = std::max(names, text_width(row.name) * kSize);
  names = std::min(names, bars.width * 0.42);
  std::vector<std::vector<std::string>> lines;
  std::size_t name_lines = 1;
  for (const BarRow& row : bars.rows) {
    lines.push_back(wrapped(row.name, names / kSize + 0.01));
    name_lines = std::max(name_lines, lines.back().size());
  }
  const double row_height = kRowHeight + static_cast<double>(name_lines - 1) * kSize * 1.15;
  const auto n = static_cast<double>(std::max<std::size_t>(1, bars.columns.size()));
  const double left = names + kGap, column = (bars.width - left) / n;

  std::size_t title_lines = 1;
  std::vector<std::vector<std::string>> titles;
  for (const std::string& title : bars.columns) {
    titles.push_back(wrapped(title, (column - 6) / kSize));
    title_lines = std::max(title_lines, titles.back().size());
  }
  const double top = static_cast<double>(title_lines) * kSize * 1.2 + 12;
  const double height = top + static_cast<double>(bars.rows.size()) * row_height + 4;
  Svg svg(bars.id, bars.width, height, bars.title, bars.description);

  std::vector<double> most(bars.columns.size(), 0), widest(bars.columns.size(), 0);
  for (const BarRow& row : bars.rows)
    for (std::size_t c = 0; c < bars.columns.size(); ++c) {
      most[c] = std::max(most[c], row.bars[c].value);
      widest[c] = std::max(widest[c], text_width(row.bars[c].text) * kSize);
    }
  if (bars.one_scale && !most.empty()) std::fill(most.begin(), most.end(), *std::max_element(most.begin(), most.end()));

  for (std::size_t r = 0; r < bars.rows.size(); r += 2)
    svg.rectangle(0, top + static_cast<double>(r) * row_height, bars.width, row_height, "band");
  for (std::size_t c = 0; c < bars.columns.size(); ++c) {
    const double x = left + static_cast<double>(c) * column;
    for (std::size_t l = 0; l < titles[c].size(); ++l)
      svg.text(x, (static_cast<double>(l + 1 + title_lines - titles[c].size())) * kSize * 1.2, kSize, Anchor::start,
               "faint", titles[c][l]);
    svg.line(x, top, x, height - 4, "tick");
  }
  for (std::size_t r = 0; r < bars.rows.size(); ++r) {
    const double middle = top + (static_cast<double>(r) + 0.5) * row_height;
    const double first = middle + 0.35 * kSize - static_cast<double>(lines[r].size() - 1) * kSize * 1.15 / 2;
    for (std::size_t l = 0; l < lines[r].size(); ++l)
      svg.text(2, first + static_cast<double>(l) * kSize * 1.15, kSize, Anchor::start, "", lines[r][l]);
    for (std::size_t c = 0; c < bars.columns.size(); ++c) {
      const Bar& bar = bars.rows[r].bars[c];
      const double x = left + static_cast<double>(c) * column;
      const double room = std::max(8.0, column - widest[c] - 14);
      const double length = bar.value > 0 && most[c] > 0 ? std::max(kShortest, room * bar.value / most[c]) : 0;
      if (length > 0)
        svg.rectangle(x, middle - kBarHeight / 2, length, kBarHeight,
                      bar.marked ? formatted("s{} hollow", c % 8) : formatted("c{}", c % 8),
                      bars.rows[r].name + ", " + bars.columns[c] + ": " + bar.text);
      svg.text(x + length + 4, middle + 0.35 * kSize, kSize, Anchor::start, "", bar.text);
    }
  }
  return {bars.title, std::move(caption), svg.element(), svg.file(), 0};
}

}  // namespace plumb::inline PLUMB_ABI::page
