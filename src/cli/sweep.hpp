#pragma once
/// Sweeps on the command line: options, tables, JSON, the report.

#include <string>

#include "arguments.hpp"
#include "plumb/perf/sweep.hpp"
#include "progress.hpp"
#include "table.hpp"

namespace plumb::cli {

/// --sweep and what belongs to it.
struct SweepArguments {
  std::string dimension;  ///< empty: size, when no model is named
  std::string from, to, report, machine;
  int steps = 0;  ///< 0: the default
  bool given() const { return !from.empty() || !to.empty() || !report.empty() || steps > 0; }
};

void add_sweep_options(const Command& command, SweepArguments& arguments);

/// Runs a sweep and prints it; writes the report if one is wanted. `options` has what the other options say.
void run_sweep_command(const SweepArguments& arguments, SweepOptions options, Progress& progress, Format format);

}  // namespace plumb::cli
