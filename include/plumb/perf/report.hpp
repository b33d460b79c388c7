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

/// What can be said beside the cases that were found, or where none was: nothing where cases stand and every point has
/// the type it is called after. A type that fell back to another says nothing of its own bits.
std::string describe_no_slow_bits(const Sweep& sweep);

/// What a report shows.
struct ReportInput {
  const Sweep& sweep;
  const std::optional<Machine>& machine;  ///< draws the roofline
  std::time_t when = 0;                   ///< of the measurement
  const Sweep* types = nullptr;           ///< a sweep over types to show beside another
  std::string json = {};                  ///< the sweep for programs, kept inside the page; empty: none
};

/// A report as text.
struct ReportPage {
  std::string html;
  std::string latency_svg;  ///< the first picture alone, a file of its own; empty without points
};
ReportPage report_page(const ReportInput& input);

/// Writes `folder`/report.html, complete or not at all, and its first picture, the time of a token, as
/// `folder`/latency.svg too. Returns the page's path. @throws Error{io}.
std::filesystem::path write_report(const std::filesystem::path& folder, const ReportInput& input);

}  // namespace plumb
