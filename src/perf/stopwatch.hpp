#pragma once
/// Timing of work that a team of threads does together, medians and quartiles. Private to the measurements.

#include <algorithm>
#include <chrono>
#include <vector>

#include "plumb/core/parallel.hpp"

namespace plumb::inline PLUMB_ABI {

/// Seconds on a clock that never goes back.
inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds from the moment all workers are ready until the last one is done with body(worker).
template <class Body>
double team_seconds(const Worker& worker, const Body& body) {
  worker.barrier();
  const double start = now_seconds();
  body();
  worker.barrier();
  return now_seconds() - start;
}

/// The middle value; the mean of the middle two.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const std::size_t half = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half), values.end());
  const double upper = values[half];
  if (values.size() % 2 != 0) return upper;
  return (upper + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half))) / 2;
}

/// The value that a quarter of them does not exceed: of timings, one that nothing interrupted, where the fastest would
/// be a stroke of luck. What is profiled and what is compared with the profile are both timed by it.
inline double lower_quartile(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto quarter = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 4);
  std::nth_element(values.begin(), quarter, values.end());
  return *quarter;
}

/// Keeps a value from being optimised away.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace plumb
