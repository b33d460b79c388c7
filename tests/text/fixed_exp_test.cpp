/// The sampler's exp against the C library's, in long double.

#include "src/text/fixed_exp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace plumb::fixed_exp_test {
namespace {

TEST(FixedExp, IsExpToAFewUnitsInTheLastPlace) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(kFixedExpMin, 0.0);
  for (int i = 0; i < 1'000'000; ++i) {
    const double x = uniform(random);
    const long double exact = std::ldexp(std::exp(static_cast<long double>(x)), 52);
    // Half a unit for the rounding to a whole number. The series: p0 holds 1 + r and rounds to 2^-53 a few times over,
    // r itself carries 2^-53 * |k| * 1.9e-10 and the rounding of x - k ln2 (2^-54): 4 * 2^-53 in all.
    const long double bound = 0.5L + exact * std::ldexp(4.0L, -53);
    ASSERT_LE(std::fabs(static_cast<long double>(fixed_exp(x, 52)) - exact), bound) << "x = " << x;
  }
}

TEST(FixedExp, MeetsTheEnds) {
  for (int scale = 0; scale <= 52; ++scale) {
    EXPECT_EQ(fixed_exp(0.0, scale), std::ldexp(1.0, scale));
    EXPECT_EQ(fixed_exp(kFixedExpMin, scale), 0.0);
    EXPECT_EQ(fixed_exp(-0.0, scale), std::ldexp(1.0, scale));
  }
}

TEST(FixedExp, NeverRises) {
  double last = fixed_exp(0.0, 36);
  for (double x = 0.0; x > -30.0; x -= 1e-4) {
    const double value = fixed_exp(x, 36);
    ASSERT_LE(value, last) << "x = " << x;
    ASSERT_EQ(value, std::floor(value));
    last = value;
  }
}

/// These bits are the promise "the same on every platform". Independently: round(e^x * 2^36) in 60-digit decimal
/// arithmetic.
TEST(FixedExp, IsTheSameEverywhere) {
  EXPECT_EQ(fixed_exp(-0.5, 36), 41680469560.0);
  EXPECT_EQ(fixed_exp(-1.0, 36), 25280482699.0);
  EXPECT_EQ(fixed_exp(-10.25, 36), 2429749.0);
  EXPECT_EQ(fixed_exp(-24.0, 36), 3.0);
}

}  // namespace
}  // namespace plumb::fixed_exp_test
