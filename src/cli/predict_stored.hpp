#pragma once
/// What `plumb predict` says of a file that no spec can be made of.

#include <string>

#include "plumb/perf/machine.hpp"
#include "plumb/perf/stored_model.hpp"
#include "table.hpp"

namespace plumb::cli {

/// `bytes` of the file; `why` there is no spec; `threads`: 0 for all that the profile knows.
void print_stored(const StoredModel& model, double bytes, const std::string& why, const Machine& machine, int threads,
                  Format format);

}  // namespace plumb::cli
