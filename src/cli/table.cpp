#include "table.hpp"

#include <algorithm>
#include <string_view>

namespace plumb::cli {
namespace {

/// Code points, which is the width of all but wide and combining characters.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return '"' + replace_all(text, "\"", "\"\"") + '"';
}

std::string markdown_cell(const std::string& text) {
  std::string cell = replace_all(text, "|", "\\|");
  std::replace_if(
      cell.begin(), cell.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return cell;
}

std::vector<std::size_t> Table::widths(const std::vector<Line>& rows) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(width_of(column.title));
  for (const Line& row : rows)
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  return widths;
}

std::string Table::padded(const std::string& cell, std::size_t column, std::size_t width) const {
  const std::string space(width - std::min(width, width_of(cell)), ' ');
  return columns_[column].align == Align::right ? space + cell : cell + space;
}

std::string Table::text() const {
  std::vector<Line> rows;
  for (const auto& row : rows_) {
    Line& line = rows.emplace_back();
    for (const Cell& cell : row) line.push_back(cell.text);
  }
  const auto width = widths(rows);
  std::string out;
  const auto line = [&](const auto& cell_of) {
    std::string row;
    for (std::size_t i = 0; i < columns_.size(); ++i) row += (i > 0 ? "  " : "") + padded(cell_of(i), i, width[i]);
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + '\n';
  };
  line([&](std::size_t i) { return columns_[i].title; });
  for (const Line& row : rows) line([&](std::size_t i) { return row[i]; });
  return out;
}

std::string Table::markdown() const {
  std::vector<Line> rows;
  for (const auto& row : rows_) {
    Line& line = rows.emplace_back();
    for (const Cell& cell : row) line.push_back(markdown_cell(cell.text));
  }
  const auto width = widths(rows);
  std::string out = "|", rule = "|";
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out += ' ' + padded(columns_[i].title, i, width[i]) + " |";
    const bool right = columns_[i].align == Align::right;
    rule += ' ' + std::string(std::max<std::size_t>(width[i], 2) - (right ? 1 : 0), '-') + (right ? ": |" : " |");
  }
  out += '\n' + rule + '\n';
  for (const Line& row : rows) {
    out += '|';
    for (std::size_t i = 0; i < columns_.size(); ++i) out += ' ' + padded(row[i], i, width[i]) + " |";
    out += '\n';
  }
  return out;
}

std::string Table::csv() const {
  std::string out;
  const auto line = [&](const auto& cell_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i) out += (i > 0 ? "," : "") + csv_field(cell_of(i));
    out += '\n';
  };
  line([&](std::size_t i) { return columns_[i].csv_title; });
  for (const auto& row : rows_) line([&](std::size_t i) { return row[i].plain; });
  return out;
}

std::string Table::as(Format format) const {
  return format == Format::csv ? csv() : format == Format::md ? markdown() : text();
}

}  // namespace plumb::cli
