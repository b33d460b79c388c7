#include "plumb/core/trace.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "plumb/core/parallel.hpp"

namespace plumb::trace_test {
namespace {

/// Runs until `ticks` of the trace's own clock have passed, so that the test needs no idea of their length.
void work(std::uint64_t ticks) {
  const std::uint64_t start = clock_ticks();
  while (clock_ticks() - start < ticks) continue;
}

TEST(Trace, BooksWorkOnItsPhaseAndWaitingOnThePhaseOfTheBarrier) {
  constexpr std::uint64_t kShort = 100'000, kLong = 3'000'000;
  Trace trace;
  trace.prepare(2);
  trace.begin_pass();
  int count = 0;
  run_parallel(
      2,
      [&](const Worker& worker) {
        if (worker.first()) count = worker.count;
        worker.enter(3);
        work(worker.first() ? kShort : kLong);
        worker.barrier();
        worker.enter(4);
        work(kShort);
      },
      &trace);
  trace.end_pass();
  EXPECT_EQ(trace.passes(), 1);
  EXPECT_EQ(trace.workers(), count);
  const TraceLane& first = trace.lanes()[0];
  EXPECT_GE(first.busy[3], kShort);
  EXPECT_GE(first.busy[4], kShort);
  EXPECT_EQ(first.waiting[4], 0u);
  for (const int other : {1, 2, 5, 31}) EXPECT_EQ(trace.busy(other) + trace.waiting(other), 0) << other;
  if (count == 2) {
    EXPECT_GE(trace.lanes()[1].busy[3], kLong);
    EXPECT_GT(first.waiting[3], 0u);
  }
}

TEST(Trace, PartsAddUpToTheWhole) {
  for (const int threads : {1, 2, 3}) {
    Trace trace;
    trace.prepare(threads);
    for (int pass = 0; pass < 5; ++pass) {
      trace.begin_pass();
      run_parallel(
          threads,
          [&](const Worker& worker) {
            for (int phase = 0; phase < 10; ++phase) {
              worker.enter(phase);
              work(5'000);
              worker.barrier();
            }
          },
          &trace);
      trace.end_pass();
    }
    // The lanes lie inside the pass: what is outside is not negative, and the longest lane is no longer than the pass.
    double sum = trace.outside();
    EXPECT_GE(sum, 0);
    for (int phase = 0; phase < TraceLane::kPhases; ++phase) sum += trace.busy(phase) + trace.waiting(phase);
    EXPECT_NEAR(sum, trace.seconds(), 1e-12);
    EXPECT_GT(trace.busy(9), 0);
    EXPECT_GE(trace.longest(9), trace.busy(9));
    EXPECT_LE(trace.longest(9), trace.busy(9) * trace.workers());
    EXPECT_EQ(trace.passes(), 5);
  }
}

TEST(Trace, WithoutRoomAWorkerBooksNothingAndClearForgets) {
  Trace trace;
  trace.prepare(1);
  std::atomic<int> without = 0;
  int count = 0;
  trace.begin_pass();
  run_parallel(
      3,
      [&](const Worker& worker) {
        if (worker.first()) count = worker.count;
        worker.enter(1);
        worker.barrier();
        without += worker.trace == nullptr ? 1 : 0;
      },
      &trace);
  trace.end_pass();
  EXPECT_EQ(without, count - 1);
  const TraceLane* const memory = trace.lanes().data();
  trace.clear();
  EXPECT_EQ(trace.lanes().data(), memory);
  EXPECT_EQ(trace.passes(), 0);
  EXPECT_EQ(trace.busy(1), 0);
}

}  // namespace
}  // namespace plumb::trace_test
