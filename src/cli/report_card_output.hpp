#pragma once
/// Report cards as text, Markdown, CSV, JSON or HTML.

#include <optional>
#include <span>
#include <string>

#include "arguments.hpp"
#include "plumb/perf/report_card.hpp"
#include "table.hpp"

namespace plumb::cli {

/// One table with a row a card, what the kinds of error disagree about, and, but for CSV, the tensors of each card.
/// `model`: what was judged.
std::string report_text(const std::string& model, std::span<const ReportCard> cards, Format format);

/// The same and pictures as a page. `model` names the base.
std::string report_html(std::span<const ReportCard> cards, const std::string& model);

/// --report FILE of a command that writes a model, and the texts that it needs.
struct ReportFiles {
  std::string out, text, calibration;
};
void add_report_options(const Command& command, ReportFiles& files);
/// The texts, read; nothing where no report is wanted.
std::optional<ReportOptions> report_options(const ReportFiles& files, int threads);
/// Judges the file `out` that was made from `in` and writes the report: JSON, CSV, Markdown or HTML by the name's
/// ending.
void write_report_card(const std::string& file, const ReportOptions& options, const std::string& in,
                       const std::string& out, const std::string& type, const std::string& method);

}  // namespace plumb::cli
