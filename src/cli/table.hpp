#pragma once
/// Tables for people and programs: the same rows as aligned text, Markdown or CSV.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace plumb::cli {

enum class Format { text, json, csv, md };

/// A field of RFC 4180: as it is, or in quotes that are doubled inside.
std::string csv_field(const std::string& text);
/// A cell of a Markdown table: `|` is escaped, and lines become one.
std::string markdown_cell(const std::string& text);

/// What stands in a table: a text for people, and for CSV a plain number (units.hpp has many), or the same text.
struct Cell {
  Cell(std::string shown) : text(std::move(shown)), plain(text) {}
  Cell(const char* shown) : Cell(std::string(shown)) {}
  Cell(std::string shown, std::string number) : text(std::move(shown)), plain(std::move(number)) {}

  std::string text, plain;
};

/// Rows of cells under titled columns. Cells must be printable text; no cell is cut.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    Column(std::string name, Align side, std::string csv_name = {})
        : title(std::move(name)), align(side), csv_title(csv_name.empty() ? title : std::move(csv_name)) {}

    std::string title;
    Align align;
    std::string csv_title;  ///< with the unit of plain numbers; no two columns have the same
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell per column.
  void add(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

  /// Columns padded with spaces.
  std::string text() const;
  /// A Markdown table; `|` in cells is escaped.
  std::string markdown() const;
  /// RFC 4180, but for lines that end as everywhere here: the titles as first line, plain cells.
  std::string csv() const;
  /// One of these; text for JSON.
  std::string as(Format format) const;

 private:
  using Line = std::vector<std::string>;
  std::vector<std::size_t> widths(const std::vector<Line>& rows) const;
  std::string padded(const std::string& cell, std::size_t column, std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace plumb::cli
