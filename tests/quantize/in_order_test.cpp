/// make_in_order: whatever order threads finish in, items are used in theirs.

#include "src/quantize/in_order.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace plumb::in_order_test {
namespace {

/// Some items take long, so that others overtake them.
void dawdle(std::int64_t i) {
  if (i % 7 == 3) std::this_thread::sleep_for(std::chrono::microseconds(300));
}

TEST(InOrder, EveryItemOnceAndInOrder) {
  for (const int threads : {1, 2, 3, 8})
    for (const std::int64_t count : {0, 1, 5, 200}) {
      std::vector<std::int64_t> used;
      detail::make_in_order<std::int64_t>(
          count, threads,
          [&](std::int64_t i, std::int64_t& item, int thread) {
            ASSERT_TRUE(thread >= 0 && thread < threads);
            dawdle(i);
            item = i * i;
          },
          [&](std::int64_t item) { used.push_back(item); });
      ASSERT_EQ(used.size(), static_cast<std::size_t>(count)) << threads << " threads";
      for (std::size_t i = 0; i < used.size(); ++i) ASSERT_EQ(used[i], static_cast<std::int64_t>(i * i));
    }
}

TEST(InOrder, TheFirstFailureInOrderIsThrownAndEndsIt) {
  for (const int threads : {1, 2, 8}) {
    std::int64_t used = 0;
    std::atomic<std::int64_t> made = 0;
    try {
      detail::make_in_order<int>(
          100'000, threads,
          [&](std::int64_t i, int&, int) {
            ++made;
            dawdle(i);
            if (i == 24 || i == 25) throw std::runtime_error(std::to_string(i));  // 24 % 7 == 3: 25 fails sooner
          },
          [&](int) { ++used; });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(std::string(e.what()), "24") << threads << " threads";
    }
    EXPECT_EQ(used, 24);
    EXPECT_LT(made, 200);
  }
}

TEST(InOrder, AFailureToUseEndsItToo) {
  std::int64_t used = 0;
  const auto use = [&](int) {
    if (++used == 10) throw std::runtime_error("disk full");
  };
  EXPECT_THROW(detail::make_in_order<int>(
                   100'000, 2, [](std::int64_t, int&, int) {}, use),
               std::runtime_error);
  EXPECT_EQ(used, 10);
}

}  // namespace
}  // namespace plumb::in_order_test
