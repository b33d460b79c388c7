#pragma once
/// @file
/// Threads: one OpenMP region per forward pass, inside it a team with static ranges and a barrier that spins, then
/// sleeps.

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

#include "plumb/core/trace.hpp"
#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Half-open range of indices.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  constexpr std::int64_t size() const { return end - begin; }
  constexpr bool empty() const { return end <= begin; }
};

/// Part `index` of `count` nearly equal parts of [0, total), cut at multiples of `grain`. Static, so that the same
/// thread always owns the same rows.
constexpr Range split_range(std::int64_t total, int index, int count, std::int64_t grain = 1) {
  const std::int64_t units = (total + grain - 1) / grain;
  const std::int64_t begin = units * index / count * grain;
  const std::int64_t end = units * (index + 1) / count * grain;
  return {begin < total ? begin : total, end < total ? end : total};
}

/// A reusable barrier. Waiting threads spin for a few microseconds and then sleep in the kernel, so that an
/// oversubscribed machine slows down instead of collapsing.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  void wait() {
    if (count_ == 1) return;
    const std::uint32_t phase = phase_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_seq_cst);  // ordered before the look at sleepers_
      if (sleepers_.load(std::memory_order_seq_cst) != 0) phase_.notify_all();
      return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
      if (phase_.load(std::memory_order_acquire) != phase) return;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (phase_.load(std::memory_order_seq_cst) == phase) phase_.wait(phase, std::memory_order_seq_cst);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  static constexpr int kSpins =
      2'000;  // about 90 us at 43 ns a `pause`; with 20 000, two threads among ten needed 900 us a barrier, now 150
  const int count_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  alignas(64) std::atomic<int> sleepers_{0};
};

/// What a thread knows inside a parallel region: who it is, how many there are, and where to meet.
struct Worker {
  int index = 0;
  int count = 1;
  Barrier* meeting = nullptr;
  TraceLane* trace = nullptr;  ///< where this worker books its time, or none

  /// This worker's share of [0, total).
  Range share(std::int64_t total, std::int64_t grain = 1) const { return split_range(total, index, count, grain); }
  /// Waits until every worker of the region has come here; what they wrote before is visible afterwards.
  void barrier() const {
    if (!meeting) return;
    if (trace) trace->arrive();
    meeting->wait();
    if (trace) trace->leave();
  }
  /// From here on this worker's time belongs to `phase`, a number or an enumerator below TraceLane::kPhases.
  template <class Phase>
  void enter(Phase phase) const {
    if (trace) trace->enter(static_cast<int>(phase));
  }
  bool first() const { return index == 0; }
};

/// Most threads of a team.
inline constexpr int kMostThreads = 4096;

/// Threads that run when `wanted` are asked for: the runtime may grant fewer (OMP_THREAD_LIMIT).
inline int granted_threads(int wanted) {
  const int most = std::max(1, std::min(omp_get_thread_limit(), kMostThreads));
  return std::clamp(wanted, 1, most);
}

/// Threads to use when the caller does not say: OMP_NUM_THREADS, or the processors this process may run on, but no more
/// than its control groups grant time for (processor_quota). On the headers alone, control groups are not looked at.
#if defined(PLUMB_COMPILED)
PLUMB_API int default_threads();
#else
inline int default_threads() { return granted_threads(omp_get_max_threads()); }
#endif

/// Runs body(Worker) on `threads` threads at once and returns when all are done. The body must not throw.
/// If the runtime grants fewer threads than asked, the team is that much smaller (results do not depend on it).
/// With a trace (prepared for as many workers), each worker books its time there.
template <class Body>
void run_parallel(int threads, const Body& body, Trace* trace = nullptr) {
  const auto run = [&](Worker worker) {
    if (trace) worker.trace = trace->start(worker.index, worker.count);
    body(std::as_const(worker));
    if (worker.trace) worker.trace->arrive();  // books the last phase
  };
  if (threads <= 1 || omp_in_parallel()) {
    run(Worker{});
    return;
  }
  alignas(64) unsigned char storage[sizeof(Barrier)];
  Barrier* meeting = nullptr;
#pragma omp parallel num_threads(threads)
  {
#pragma omp single
    meeting = new (storage) Barrier(omp_get_num_threads());
    run(Worker{omp_get_thread_num(), omp_get_num_threads(), meeting});
  }
  meeting->~Barrier();
}

}  // namespace plumb
