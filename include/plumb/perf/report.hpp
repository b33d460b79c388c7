#pragma once
/// @file
/// A sweep as a page for people: one self-contained HTML file with pictures and tables, and sentences about it.

#include <ctime>
#include <filesystem>
#include <optional>
#include <string>

#include "plumb/perf/machine.hpp"
#include "plumb/perf/sweep.hpp"

namespace plumb::inline PLUMB_ABI {

/// "decode Q4_0: time = 12 us [9, 15] + bytes / 31 GB/s [30, 32]; ...": a law, its intervals and its worst residual.
std::string describe_law(const Sweep& sweep, const SeriesLaw& law);

/// "decode plumb-3m: Q2_K takes 1.31 times as long as Q4_0. ..." and why.
std::string describe_slow_bits(const Sweep& sweep, const SlowBits& bits);

/// What a report shows.
struct ReportInput {
  const Sweep& sweep;
  const std::optional<Machine>& machine;  ///< draws the roofline
  std::time_t when = 0;                   ///< of the measurement
  const Sweep* types = nullptr;           ///< a sweep over types to show beside another
};

/// Where it went.
struct ReportResult {
  std::filesystem::path path;
  std::string warning;  ///< why there are no pictures; empty when there are
};

/// Writes `folder`/report.html, complete or not at all, and its first picture, the time of a token, as
/// `folder`/latency.svg too. Pictures are SVG drawn by gnuplot, inline; without gnuplot the page says so and has its
/// tables. @throws Error{io}.
ReportResult write_report(const std::filesystem::path& folder, const ReportInput& input);

/// A report as text.
struct ReportPage {
  std::string html;
  std::string latency_svg;  ///< the first picture alone; empty without pictures
  std::string warning;      ///< as in ReportResult
};
ReportPage report_page(const ReportInput& input);

}  // namespace plumb
