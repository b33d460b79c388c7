#include "plumb/ops/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "plumb/ops/softmax.hpp"

namespace plumb {
namespace {

/// Distance in units of the last place of the f32 nearest to `want`.
double ulps(float got, long double want) {
  const float nearest = static_cast<float>(want);
  const float next = std::nextafter(std::fabs(nearest), INFINITY);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - want) /
                             (static_cast<long double>(next) - static_cast<long double>(std::fabs(nearest))));
}

template <class Got, class Want>
void sweep(float low, float high, double bound, const Got& got, const Want& want) {
  double worst = 0;
  for (float x = low; x < high; x += 0.00173f) worst = std::max(worst, ulps(got(x), want(static_cast<long double>(x))));
  EXPECT_LE(worst, bound);
}

TEST(Activation, SweptAgainstLongDouble) {
  sweep(-80, 80, 4, ops::silu, [](long double x) { return x / (1 + std::exp(-x)); });
  sweep(-12, 12, 1, ops::gelu,
        [](long double x) { return 0.5L * x * std::erfc(-x / std::numbers::sqrt2_v<long double>); });
  sweep(-12, 12, 1, ops::gelu_tanh, [](long double x) {
    const long double z = std::sqrt(2 / std::numbers::pi_v<long double>) * (x + 0.044715L * x * x * x);
    return x / (1 + std::exp(-2 * z));
  });
}

TEST(Activation, ExtremesStayFinite) {
  for (const float x : {-1e30f, -1000.0f, -88.8f, 1000.0f, 1e30f}) {
    for (const auto act : {ops::silu, ops::gelu, ops::gelu_tanh}) {
      EXPECT_TRUE(std::isfinite(act(x))) << x;
      EXPECT_NEAR(static_cast<double>(act(x)), x > 0 ? static_cast<double>(x) : 0.0, 1e-35) << x;
    }
  }
}

TEST(Activation, GatesWithUpWhenThereIsOne) {
  std::vector<float> gate = {-1.0f, 0.0f, 2.0f}, up = {3.0f, 4.0f, 5.0f};
  ops::activate(Activation::relu2, gate.data(), up.data(), 3);
  EXPECT_EQ(gate, (std::vector<float>{0.0f, 0.0f, 20.0f}));
  ops::activate(Activation::relu, up.data(), nullptr, 3);
  EXPECT_EQ(up, (std::vector<float>{3.0f, 4.0f, 5.0f}));
}

TEST(Softmax, SumsToOneAndSurvivesLargeScores) {
  std::vector<float> x = {1e4f, 1e4f - 1.0f, -1e4f};
  ops::softmax(x.data(), 3);
  const double e = std::exp(-1.0);
  EXPECT_NEAR(static_cast<double>(x[0]), 1 / (1 + e), 1e-6);
  EXPECT_NEAR(static_cast<double>(x[1]), e / (1 + e), 1e-6);
  EXPECT_EQ(x[2], 0.0f);
}

}  // namespace
}  // namespace plumb
