#pragma once
/// @file
/// Where the time of a team goes: each worker adds up, phase by phase, how long it worked and how long it waited for
/// the others. Off (no Trace), a phase costs the test of a null pointer; on, one reading of the clock.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Ticks of the cheapest steady clock. Their length is found by comparing a whole pass with std::chrono.
inline std::uint64_t clock_ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// The times of one worker, written by it alone. A phase is a small number to which the caller gives the meaning.
struct alignas(64) TraceLane {
  static constexpr int kPhases = 32;  ///< phases are 0 ... kPhases - 1

  std::uint64_t busy[kPhases] = {};     ///< ticks of work
  std::uint64_t waiting[kPhases] = {};  ///< ticks in barriers inside or at the end of a phase
  std::uint64_t last = 0;               ///< everything up to this tick is accounted for
  int phase = 0;

  /// Accounts for the time since the last call as work of the phase that ends here.
  void enter(int next) {
    book(busy);
    phase = next;
  }
  /// Around a barrier.
  void arrive() { book(busy); }
  void leave() { book(waiting); }

 private:
  void book(std::uint64_t (&ticks)[kPhases]) {
    const std::uint64_t now = clock_ticks();
    ticks[phase] += now - last;
    last = now;
  }
};

/// The lanes of a team over any number of passes. Memory is made when the team is known, never during a pass.
/// Seconds are means over the workers, so that busy(), waiting() and outside() of all phases add up to seconds().
class Trace {
 public:
  /// Room for `workers` workers; forgets what was recorded. @throws std::bad_alloc.
  void prepare(int workers) {
    lanes_.assign(static_cast<std::size_t>(workers), {});
    seconds_ = 0;
    ticks_ = 0;
    passes_ = 0;
    workers_ = 0;
  }
  /// Forgets what was recorded. Allocates nothing.
  void clear() {
    for (TraceLane& lane : lanes_) lane = {};
    seconds_ = 0;
    ticks_ = 0;
    passes_ = 0;
  }

  /// Around a pass, by the thread that opens the parallel region: what the lanes do not account for is the opening and
  /// closing of the region.
  void begin_pass() {
    start_ = std::chrono::steady_clock::now();
    start_ticks_ = clock_ticks();
    workers_ = 0;
  }
  void end_pass() {
    ticks_ += clock_ticks() - start_ticks_;
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    ++passes_;
  }
  /// The lane of worker `index` of `count`, its clock started; null when there is no room for it.
  TraceLane* start(int index, int count) {
    if (static_cast<std::size_t>(index) >= lanes_.size()) return nullptr;
    if (index == 0) workers_ = count;
    TraceLane& lane = lanes_[static_cast<std::size_t>(index)];
    lane.last = clock_ticks();
    lane.phase = 0;
    return &lane;
  }

  int passes() const { return passes_; }
  int workers() const { return workers_; }  ///< of the last pass
  double seconds() const { return seconds_; }
  double busy(int phase) const { return mean(&TraceLane::busy, phase); }
  double waiting(int phase) const { return mean(&TraceLane::waiting, phase); }
  /// Work of the worker that had most of it: what the others had to wait for.
  double longest(int phase) const {
    std::uint64_t most = 0;
    for (const TraceLane& lane : lanes_) most = std::max(most, lane.busy[phase]);
    return ticks_ == 0 ? 0 : static_cast<double>(most) * seconds_ / static_cast<double>(ticks_);
  }
  /// Opening and closing the parallel region: what lies outside of all phases.
  double outside() const {
    double inside = 0;
    for (int phase = 0; phase < TraceLane::kPhases; ++phase) inside += busy(phase) + waiting(phase);
    return seconds_ - inside;
  }
  const std::vector<TraceLane>& lanes() const { return lanes_; }

 private:
  double mean(std::uint64_t (TraceLane::*ticks)[TraceLane::kPhases], int phase) const {
    if (ticks_ == 0 || workers_ == 0) return 0;
    double sum = 0;
    for (const TraceLane& lane : lanes_) sum += static_cast<double>((lane.*ticks)[phase]);
    return sum / workers_ * seconds_ / static_cast<double>(ticks_);
  }

  std::vector<TraceLane> lanes_;
  std::chrono::steady_clock::time_point start_{};
  std::uint64_t start_ticks_ = 0, ticks_ = 0;
  double seconds_ = 0;
  int passes_ = 0, workers_ = 0;
};

}  // namespace plumb
