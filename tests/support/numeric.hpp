#pragma once
/// Numeric comparisons that refuse references which prove nothing (mostly zeros, not finite).

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <span>

namespace plumb::test {

/// Normalised mean squared error: sum (got - want)^2 / sum want^2. Fails the test when the sizes differ, the reference
/// is mostly zeros or anything is not finite.
template <class A, class B>
double nmse(std::span<const A> got, std::span<const B> want) {
  EXPECT_EQ(got.size(), want.size());
  if (got.size() != want.size() || want.empty()) return INFINITY;
  double error = 0, power = 0;
  std::size_t zeros = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double g = static_cast<double>(got[i]), w = static_cast<double>(want[i]);
    if (!std::isfinite(g) || !std::isfinite(w)) {
      ADD_FAILURE() << "not finite at " << i << ": got " << g << ", want " << w;
      return INFINITY;
    }
    error += (g - w) * (g - w);
    power += w * w;
    zeros += w == 0 ? 1 : 0;
  }
  EXPECT_LE(2 * zeros, want.size()) << "a reference of mostly zeros proves nothing";
  return power > 0 ? error / power : INFINITY;
}

}  // namespace plumb::test
