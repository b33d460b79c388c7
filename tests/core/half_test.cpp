#include "plumb/core/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace plumb::half_test {
namespace {

// The compiler's own _Float16 is the independent oracle (software conversion on machines without F16C).
TEST(Half, EveryValueConvertsExactly) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto h = static_cast<std::uint16_t>(bits);
    const std::uint32_t exponent = (bits >> 10) & 0x1F, mantissa = bits & 0x3FF;
    double want =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, static_cast<int>(exponent) - 25);
    if (exponent == 0x1F)
      want = mantissa ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    if (bits & 0x8000) want = -want;
    const float got = to_float(Half{h});
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      EXPECT_TRUE(std::isnan(to_float(to_half(got)))) << bits;
      continue;
    }
    EXPECT_EQ(static_cast<double>(got), want) << bits;
    EXPECT_EQ(std::signbit(got), (bits & 0x8000) != 0) << bits;
    EXPECT_EQ(to_half(got).bits, h) << bits;
  }
}

// Between two neighbouring halves: below the midpoint goes down, above goes up, the midpoint goes to the even one.
TEST(Half, RoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const double low = to_float(Half{static_cast<std::uint16_t>(bits)});
    const double high =
        bits == 0x7BFF ? 65536.0 : static_cast<double>(to_float(Half{static_cast<std::uint16_t>(bits + 1)}));
    const auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(static_cast<double>(middle), (low + high) / 2);
    EXPECT_EQ(to_half(middle).bits, bits % 2 == 0 ? bits : bits + 1);
    EXPECT_EQ(to_half(std::nextafter(middle, 0.0f)).bits, bits);
    EXPECT_EQ(to_half(std::nextafter(middle, 1e9f)).bits, bits + 1);
    EXPECT_EQ(to_half(-middle).bits, 0x8000u | (bits % 2 == 0 ? bits : bits + 1));
  }
}

TEST(BFloat16, EveryValueConvertsExactlyAndRoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const std::uint32_t wide = bits << 16;
    float want;
    std::memcpy(&want, &wide, 4);
    const float got = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    EXPECT_EQ(std::memcmp(&got, &want, 4), 0) << bits;
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(want))));
      continue;
    }
    EXPECT_EQ(to_bfloat16(want).bits, bits);
    if (std::isinf(want)) continue;
    std::uint32_t middle_bits = wide | 0x8000u;
    float middle;
    std::memcpy(&middle, &middle_bits, 4);
    EXPECT_EQ(to_bfloat16(middle).bits, bits % 2 == 0 ? bits : bits + 1);
    middle_bits -= 1;
    std::memcpy(&middle, &middle_bits, 4);
    EXPECT_EQ(to_bfloat16(middle).bits, bits);
  }
}

}  // namespace
}  // namespace plumb::half_test
