#pragma once
/// @file
/// exp as a whole number, by arithmetic that IEEE 754 defines to the last bit: std::exp differs between C libraries.

#include <bit>
#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Every smaller x has this one's result, 0: 2^52 * exp(-60) = 4e-11.
inline constexpr double kFixedExpMin = -60.0;

/// exp(x) * 2^scale rounded to a whole number, for kFixedExpMin <= x <= 0 and 0 <= scale <= 52, to within a few units
/// in 2^-52 of its value before rounding.
///
/// x = k ln 2 + r with |r| <= ln 2 / 2; exp(r) by its Taylor series to r^13 (the rest is below 4e-18), summed by halves
/// and quarters so that the terms do not wait for one another. Without branches and calls, for loops in SIMD.
inline double fixed_exp(double x, int scale) {
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;  // fdlibm's split
  constexpr double kRounder = 0x1.8p52;  // adding it rounds to a whole number, which then stands in the low bits
  const double shifted = x * kLog2E + kRounder;
  const double k = shifted - kRounder;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  const double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
  const double p0 = (1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
  const double p4 = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
  const double p8 = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
  const double p12 = 1.0 / 479001600 + r * (1.0 / 6227020800.0);
  const double exp_r = (p0 + r4 * p4) + r8 * (p8 + r4 * p12);
  // 2^(k + scale): the exponent field is filled from the low bits of `shifted`, all others are shifted out.
  const std::uint64_t field = std::bit_cast<std::uint64_t>(shifted) + static_cast<std::uint64_t>(scale + 1023);
  const double whole = exp_r * std::bit_cast<double>(field << 52);
  return (whole + 0x1p52) - 0x1p52;  // rounds: above 2^52 a double has no fraction
}

}  // namespace plumb
