#include "plumb/ops/norm.hpp"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/numeric.hpp"

namespace plumb::norm_test {
namespace {

TEST(Norm, RmsEqualsEigenInDouble) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.3f, 2.0f);
  for (int n : {1, 3, 64, 65, 4096}) {
    Eigen::VectorXf x(n), w(n), y(n);
    for (int i = 0; i < n; ++i) x[i] = normal(random), w[i] = normal(random);
    const float eps = 1e-5f;
    const Eigen::VectorXd wide = x.cast<double>();
    const Eigen::VectorXd want = wide / std::sqrt(wide.squaredNorm() / n + static_cast<double>(eps));
    ops::rms_norm(active_kernels(), x.data(), w.data(), eps, y.data(), n);
    for (int i = 0; i < n; ++i) {
      const double weighted = want[i] * static_cast<double>(w[i]);
      EXPECT_NEAR(static_cast<double>(y[i]), weighted, 3 * 0x1p-24 * std::fabs(weighted));
    }
    ops::rms_norm(active_kernels(), x.data(), nullptr, eps, x.data(), n);  // in place, without weight
    for (int i = 0; i < n; ++i) EXPECT_NEAR(static_cast<double>(x[i]), want[i], 2 * 0x1p-24 * std::fabs(want[i]));
  }
}

TEST(Norm, LayerNormEqualsEigenInDouble) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal(5.0f, 0.5f);  // a mean that dwarfs the spread
  for (int n : {2, 63, 768}) {
    Eigen::VectorXf x(n), w(n), b(n), y(n);
    for (int i = 0; i < n; ++i) x[i] = normal(random), w[i] = normal(random), b[i] = normal(random);
    const Eigen::VectorXd wide = x.cast<double>();
    const Eigen::VectorXd centred = wide.array() - wide.mean();
    const Eigen::VectorXd unit = centred / std::sqrt(centred.squaredNorm() / n + 1e-5f);
    ops::layer_norm(active_kernels(), x.data(), w.data(), b.data(), 1e-5f, y.data(), n);
    for (int i = 0; i < n; ++i) {
      const double want = unit[i] * static_cast<double>(w[i]) + static_cast<double>(b[i]);
      const double scale = std::fabs(unit[i] * static_cast<double>(w[i])) + std::fabs(want);
      EXPECT_NEAR(static_cast<double>(y[i]), want, 4 * 0x1p-24 * scale);
    }
  }
}

TEST(Norm, ZeroRowStaysZero) {
  std::vector<float> x(32, 0.0f), w(32, 2.0f);
  ops::rms_norm(active_kernels(), x.data(), w.data(), 1e-6f, x.data(), 32);
  for (const float v : x) EXPECT_EQ(v, 0.0f);
}

}  // namespace
}  // namespace plumb::norm_test
