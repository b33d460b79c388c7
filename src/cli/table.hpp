#pragma once
/// Tables for people and programs: the same rows as aligned text, Markdown or CSV.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"

namespace plumb::cli {

enum class Format { text, json, csv, md };

/// Adds `--format text|json|csv|md` to a command.
Option add_format(const Command& command, Format& format);

/// A field of RFC 4180: as it is, or in quotes that are doubled inside.
std::string csv_field(const std::string& text);
/// A cell of a Markdown table: `|` is escaped, and lines become one.
std::string markdown_cell(const std::string& text);

/// Rows of strings under titled columns. Cells must be printable text; no cell is cut.
class Table {
 public:
  enum class Align { left, right };
  explicit Table(std::vector<std::pair<std::string, Align>> columns) : columns_(std::move(columns)) {}

  /// One cell per column.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  /// Columns padded with spaces.
  std::string text() const;
  /// A Markdown table; `|` in cells is escaped.
  std::string markdown() const;
  /// RFC 4180, with the titles as first line.
  std::string csv() const;

 private:
  std::vector<std::size_t> widths(const std::vector<std::vector<std::string>>& rows) const;
  std::string padded(const std::string& cell, std::size_t column, std::size_t width) const;

  std::vector<std::pair<std::string, Align>> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace plumb::cli
