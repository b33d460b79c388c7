#pragma once
/// --machine: the profile that a command predicts by.

#include <string>

#include "plumb/perf/machine.hpp"
#include "progress.hpp"

namespace plumb::cli {

/// The profile in a file, or that of this machine, measured if there is none yet. @throws as load_machine and
/// load_or_measure_machine.
inline Machine machine_of(const std::string& path, Progress& progress) {
  if (!path.empty()) return load_machine(path);
  return load_or_measure_machine({.threads = {}, .progress = progress.callback()});
}

}  // namespace plumb::cli
