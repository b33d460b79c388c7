#include "plumb/core/checked.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "tests/support/expect_error.hpp"

namespace plumb::checked_test {
namespace {

using test::expect_error;

/// Every pair of 8-bit numbers against 64-bit arithmetic.
template <class T>
void expect_exact_or_error() {
  using Limits = std::numeric_limits<T>;
  const auto check = [](std::int64_t exact, const auto& compute) {
    if (exact >= Limits::min() && exact <= Limits::max())
      EXPECT_EQ(static_cast<std::int64_t>(compute()), exact);
    else
      expect_error(ErrorCode::overflow, compute);
  };
  for (std::int64_t a = Limits::min(); a <= Limits::max(); ++a)
    for (std::int64_t b = Limits::min(); b <= Limits::max(); ++b) {
      check(a + b, [&] { return checked_add(static_cast<T>(a), static_cast<T>(b), "sum"); });
      check(a * b, [&] { return checked_mul(static_cast<T>(a), static_cast<T>(b), "product"); });
    }
}

TEST(Checked, EveryPairOfBytesIsExactOrAnError) {
  expect_exact_or_error<std::uint8_t>();
  expect_exact_or_error<std::int8_t>();
}

TEST(Checked, LargeSizesThatWouldWrap) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  expect_error(ErrorCode::overflow, [] { return checked_mul<std::uint64_t>(kHalf, 2, "bytes"); });
  expect_error(ErrorCode::overflow, [] { return checked_add<std::uint64_t>(kHalf, kHalf, "bytes"); });
  expect_error(ErrorCode::overflow,
               [] { return checked_mul<std::int64_t>(std::numeric_limits<std::int64_t>::min(), -1, "bytes"); });
  EXPECT_EQ(checked_mul<std::uint64_t>(kHalf, 1, "bytes"), kHalf);
  const std::string message = expect_error(ErrorCode::overflow, [] { return checked_mul(1 << 30, 4, "rows of 'x'"); });
  EXPECT_EQ(message, "rows of 'x': 1073741824 * 4 overflows");
}

TEST(Checked, CastsKeepTheNumberOrFail) {
  EXPECT_EQ(checked_cast<std::int32_t>(std::uint64_t{0x7fffffff}, "count"), 0x7fffffff);
  expect_error(ErrorCode::overflow, [] { return checked_cast<std::int32_t>(std::uint64_t{0x80000000}, "count"); });
  expect_error(ErrorCode::overflow, [] { return checked_cast<std::uint64_t>(-1, "count"); });
}

TEST(Checked, RoundingReachesTheNextMultiple) {
  for (int value = 0; value <= 100; ++value)
    for (int multiple = 1; multiple <= 20; ++multiple) {
      const int rounded = round_up(value, multiple);
      EXPECT_EQ(rounded % multiple, 0);
      EXPECT_GE(rounded, value);
      EXPECT_LT(rounded, value + multiple);
      EXPECT_EQ(ceil_div(value, multiple) * multiple, rounded);
    }
}

}  // namespace
}  // namespace plumb::checked_test
