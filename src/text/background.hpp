#pragma once
/// @file
/// Half of the work on another thread.

#include <future>
#include <utility>

#include "plumb/core/parallel.hpp"

namespace plumb::inline PLUMB_ABI {

/// Starts task() on a thread of its own. On a machine with one processor, or where no thread can be had, it runs when
/// its result is asked for. What it throws, get() throws; the future's destructor waits.
template <class Task>
auto in_background(Task task) {
  const auto threads = std::launch::async | std::launch::deferred;
  return std::async(default_threads() > 1 ? threads : std::launch::deferred, std::move(task));
}

}  // namespace plumb
