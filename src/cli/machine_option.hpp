#pragma once
/// --machine: the profile that a command predicts by.

#include <string>

#include "plumb/perf/machine.hpp"
#include "progress.hpp"
#include "say.hpp"

namespace plumb::cli {

/// The profile in a file, or that of this machine, measured if there is none yet. @throws as load_machine and
/// load_or_measure_machine.
inline Machine machine_of(const std::string& path, Progress& progress) {
  if (!path.empty()) return load_machine(path);
  return load_or_measure_machine({.threads = {}, .progress = progress.callback()});
}

/// Says so where a forecast for `threads` threads is one for those that the profile knows.
inline void warn_of_threads(const Machine& machine, int threads) {
  if (threads > machine.max_threads())
    say("plumb: {} threads, but the profile knows no more than {}: predicted is what these do\n", threads,
        machine.max_threads());
}

}  // namespace plumb::cli
