#include "plumb/ops/activation_functions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "plumb/ops/softmax.hpp"

namespace plumb::activation_functions_test {
namespace {

// The functions themselves are swept in tests/cpu/vector_kernels_test.cpp; here: which name means which function.
TEST(Activation, EveryKindIsTheFunctionOfItsName) {
  const auto at = [](Activation kind, float x) {
    ops::activate(active_kernels(), kind, &x, nullptr, 1);
    return static_cast<double>(x);
  };
  EXPECT_NEAR(at(Activation::silu, -1.5f), -1.5 / (1 + std::exp(1.5)), 1e-6);
  EXPECT_NEAR(at(Activation::gelu, -1.5f), -0.75 * std::erfc(1.5 / std::sqrt(2.0)), 1e-6);
  const double z = std::sqrt(2 / 3.14159265358979) * (-1.5 + 0.044715 * -3.375);
  EXPECT_NEAR(at(Activation::gelu_tanh, -1.5f), -0.75 * (1 + std::tanh(z)), 1e-6);
  EXPECT_EQ(at(Activation::relu, -1.5f), 0);
  EXPECT_EQ(at(Activation::relu2, 1.5f), 2.25);
}

TEST(Activation, GatesWithUpWhenThereIsOne) {
  std::vector<float> gate = {-1.0f, 0.0f, 2.0f}, up = {3.0f, 4.0f, 5.0f};
  ops::activate(active_kernels(), Activation::relu2, gate.data(), up.data(), 3);
  EXPECT_EQ(gate, (std::vector<float>{0.0f, 0.0f, 20.0f}));
  ops::activate(active_kernels(), Activation::relu, up.data(), nullptr, 3);
  EXPECT_EQ(up, (std::vector<float>{3.0f, 4.0f, 5.0f}));
}

TEST(Activation, LimitsBoundBothOperands) {
  std::vector<float> gate = {8.0f, -1.0f, 1.0f, 6.0f}, up = {5.0f, -9.0f, 1.5f, -0.5f};
  const std::vector<float> x = gate, other = up;
  ActivationFunction limited(Activation::silu);
  limited.limit = 2.0f;
  ops::activate(active_kernels(), limited, gate.data(), up.data(), 4);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double silu = static_cast<double>(x[i]) / (1 + std::exp(-static_cast<double>(x[i])));
    const double bounded = std::min(silu, 2.0) * std::clamp(static_cast<double>(other[i]), -2.0, 2.0);
    EXPECT_NEAR(static_cast<double>(gate[i]), bounded, 1e-6) << i;
  }
}

TEST(Softmax, SumsToOneAndSurvivesLargeScores) {
  std::vector<float> x = {1e4f, 1e4f - 1.0f, -1e4f};
  ops::softmax(active_kernels(), x.data(), 3);
  const double e = std::exp(-1.0);
  EXPECT_NEAR(static_cast<double>(x[0]), 1 / (1 + e), 1e-6);
  EXPECT_NEAR(static_cast<double>(x[1]), e / (1 + e), 1e-6);
  EXPECT_EQ(x[2], 0.0f);
}

}  // namespace
}  // namespace plumb::activation_functions_test
