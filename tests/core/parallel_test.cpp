#include "plumb/core/parallel.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace plumb::parallel_test {
namespace {

TEST(SplitRange, CoversEverythingOnceAtGrainBoundaries) {
  for (std::int64_t total : {0, 1, 15, 16, 17, 100, 1000})
    for (int count : {1, 2, 3, 7, 64})
      for (std::int64_t grain : {1, 4, 16}) {
        std::int64_t next = 0;
        for (int i = 0; i < count; ++i) {
          const Range r = split_range(total, i, count, grain);
          EXPECT_EQ(r.begin, next);
          EXPECT_TRUE(r.empty() || r.begin % grain == 0);
          next = r.end;
        }
        EXPECT_EQ(next, total);
      }
}

// Every phase reads what the neighbour wrote in the phase before: a barrier that lets one thread through early shows.
TEST(Barrier, OrdersPhasesEvenWhenOversubscribed) {
  for (int threads : {1, 2, 3, 8}) {
    std::vector<std::int64_t> value(static_cast<std::size_t>(threads), 0);
    constexpr int kPhases = 300;
    run_parallel(threads, [&](const Worker& worker) {
      const auto self = static_cast<std::size_t>(worker.index);
      const auto neighbour = static_cast<std::size_t>((worker.index + 1) % worker.count);
      for (int phase = 0; phase < kPhases; ++phase) {
        const std::int64_t seen = value[neighbour];
        worker.barrier();
        value[self] = seen + 1;
        worker.barrier();
      }
    });
    for (int i = 0; i < threads; ++i) EXPECT_EQ(value[static_cast<std::size_t>(i)], kPhases);
  }
}

}  // namespace
}  // namespace plumb::parallel_test
