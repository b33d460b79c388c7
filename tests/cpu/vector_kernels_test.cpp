// Row kernels of every tier: element functions swept against long double, norms and rotation against double, softmax
// sums; every length around the vector width with forbidden pages behind and before the buffers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <random>
#include <vector>

#include "tests/support/guarded.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::vector_kernels_test {
namespace {

using test::Guard;
using test::Guarded;
using Wide = long double;

/// Distance in units of the last place of the f32 nearest to `want`; units of denormal numbers below 2^-126.
double ulps(float got, Wide want) {
  if (std::isinf(got) && std::fabs(want) > 3.402823567e38L && (got > 0) == (want > 0)) return 0;
  const float nearest = std::fabs(static_cast<float>(want));
  const float next = std::nextafter(nearest, INFINITY);
  return static_cast<double>(std::fabs(static_cast<Wide>(got) - want) /
                             (static_cast<Wide>(next) - static_cast<Wide>(nearest)));
}

using InPlace = std::function<void(float*, std::int64_t)>;

/// Every value low, low + step, ... in calls of changing length, so that each value also meets a masked tail.
void sweep(const char* name, float low, float high, float step, double bound, const InPlace& kernel,
           const std::function<Wide(Wide)>& exact) {
  std::vector<float> x;
  for (float v = low; v < high; v += step) x.push_back(v);
  std::vector<float> y = x;
  for (std::size_t i = 0, n = 1; i < y.size(); i += n, n = n % 40 + 1)
    kernel(y.data() + i, static_cast<std::int64_t>(std::min(n, y.size() - i)));
  double worst = 0;
  float at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double distance = ulps(y[i], exact(static_cast<Wide>(x[i])));
    ASSERT_FALSE(std::isnan(distance)) << name << "(" << x[i] << ") = " << y[i];
    if (distance > worst) worst = distance, at = x[i];
  }
  EXPECT_LE(worst, bound) << name << " at " << at;
}

Wide exact_silu(Wide x) { return x / (1 + std::exp(-x)); }
Wide exact_gelu(Wide x) { return 0.5L * x * std::erfc(-x / std::numbers::sqrt2_v<Wide>); }
Wide exact_gelu_tanh(Wide x) {
  const Wide z = std::sqrt(2 / std::numbers::pi_v<Wide>) * (x + 0.044715L * x * x * x);
  return x / (1 + std::exp(-2 * z));
}

class VectorKernelsOf : public testing::TestWithParam<Isa> {
 protected:
  const VectorKernels& v = kernels_for(GetParam()).vector;
  InPlace gate(ActivationKernel act) {
    return [act](float* x, std::int64_t n) { act(x, nullptr, n); };
  }
  InPlace of(void (*f)(const float*, float*, std::int64_t)) {
    return [f](float* x, std::int64_t n) { f(x, x, n); };
  }
};

TEST_P(VectorKernelsOf, ElementFunctionsAreWithinTheirUlps) {
  // Ranges reach into the denormal results: exp ends below 2^-149 at -104, the activation functions at x e^x.
  sweep("exp", -110, 90, 0.00173f, 2, of(v.exp), [](Wide x) { return std::exp(x); });
  sweep("exp near 0", -1e-3f, 1e-3f, 1.1e-7f, 2, of(v.exp), [](Wide x) { return std::exp(x); });
  sweep("tanh", -12, 12, 0.00031f, 3, of(v.tanh), [](Wide x) { return std::tanh(x); });
  sweep("silu", -120, 100, 0.00173f, 3, gate(v.silu), exact_silu);
  sweep("gelu", -15, 15, 0.00031f, 4, gate(v.gelu), exact_gelu);
  sweep("gelu_tanh", -12, 12, 0.00031f, 4, gate(v.gelu_tanh), exact_gelu_tanh);
}

/// Against long double, in units of the last place of the larger of the two terms.
TEST_P(VectorKernelsOf, XieluIsItsCurve) {
  const XieluCurve curve{0.9f, 1.4f, 0.5f, -1e-6f};
  for (float at = -110.0f; at < 20.0f; at += 0.0173f)
    for (const float near : {1.0f, 1e-3f, 1e-6f, 1e-9f}) {
      const float x = at * near;
      float got[17];
      std::fill_n(got, 17, x);
      v.xielu(curve, got, 17);
      const Wide w = x, linear = static_cast<Wide>(curve.linear) * w;
      const Wide low = std::expm1(std::min(w, static_cast<Wide>(curve.eps))) - w;
      const Wide curved = x > 0 ? static_cast<Wide>(curve.above) * w * w : static_cast<Wide>(curve.below) * low;
      // Of the linear term, the curved one, and x, which is taken off inside of it.
      const Wide largest = std::max({std::abs(linear), std::abs(curved), x > 0 ? Wide{0} : std::abs(w)});
      const Wide unit = std::max(largest * 0x1p-23L, Wide{1e-45L});
      EXPECT_LE(std::abs(static_cast<Wide>(got[0]) - (linear + curved)), 4 * unit) << x;
      EXPECT_EQ(got[16], got[0]) << x;
    }
  std::vector<float> x = {NAN, INFINITY, 0.0f};
  v.xielu(curve, x.data(), 3);
  EXPECT_TRUE(std::isnan(x[0]));
  EXPECT_EQ(x[1], INFINITY);
  EXPECT_NEAR(x[2], 1.4f * -1e-6f, 1e-9f);
}

TEST_P(VectorKernelsOf, SmallArgumentsKeepTheirRelativeError) {
  for (const float x : {1e-38f, -1e-30f, 1e-42f, 3e-8f, -2e-5f}) {
    const auto apply = [&](const InPlace& f) {
      float y = x;
      f(&y, 1);
      return y;
    };
    EXPECT_LE(ulps(apply(gate(v.silu)), exact_silu(static_cast<Wide>(x))), 3) << x;
    EXPECT_LE(ulps(apply(gate(v.gelu)), exact_gelu(static_cast<Wide>(x))), 4) << x;
    EXPECT_LE(ulps(apply(gate(v.gelu_tanh)), exact_gelu_tanh(static_cast<Wide>(x))), 4) << x;
    EXPECT_LE(ulps(apply(of(v.tanh)), std::tanh(static_cast<Wide>(x))), 3) << x;
  }
}

TEST_P(VectorKernelsOf, ExtremesAndNan) {
  const float infinity = INFINITY;
  for (const ActivationKernel act : {v.silu, v.gelu, v.gelu_tanh, v.relu, v.relu2}) {
    std::vector<float> x = {-infinity, -1e30f, -1000.0f, 1000.0f, 1e10f, infinity, NAN};
    act(x.data(), nullptr, 7);
    for (int i : {0, 1, 2}) EXPECT_EQ(x[static_cast<std::size_t>(i)], 0.0f) << i;
    EXPECT_EQ(x[3], act == v.relu2 ? 1e6f : 1000.0f);
    EXPECT_EQ(x[4], act == v.relu2 ? 1e10f * 1e10f : 1e10f);
    EXPECT_EQ(x[5], infinity);
    EXPECT_TRUE(std::isnan(x[6]));
  }
  std::vector<float> x = {-infinity, -200.0f, 89.0f, infinity, NAN};
  v.exp(x.data(), x.data(), 5);
  EXPECT_EQ(x[0], 0.0f);
  EXPECT_EQ(x[1], 0.0f);
  EXPECT_EQ(x[2], infinity);
  EXPECT_EQ(x[3], infinity);
  EXPECT_TRUE(std::isnan(x[4]));
}

TEST_P(VectorKernelsOf, GatesMultiplyWithUpAndStayInTheirBuffers) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const Guard guard : {Guard::behind, Guard::before})
    for (std::size_t n = 1; n <= 49; ++n)
      for (const ActivationKernel act : {v.silu, v.gelu, v.gelu_tanh, v.relu, v.relu2}) {
        Guarded<float> gate(n, guard), up(n, guard), alone(n, guard);
        for (std::size_t i = 0; i < n; ++i) gate[i] = alone[i] = normal(random), up[i] = normal(random);
        act(gate.data(), up.data(), static_cast<std::int64_t>(n));
        act(alone.data(), nullptr, static_cast<std::int64_t>(n));
        for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(gate[i], alone[i] * up[i]);
      }
}

TEST_P(VectorKernelsOf, NormsEqualDoubleAtEveryLength) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(5.0f, 0.5f);  // a mean that dwarfs the spread
  for (std::size_t n = 1; n <= 130; ++n) {
    Guarded<float> x(n), weight(n), bias(n), y(n);
    double squares = 0, sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = normal(random), weight[i] = normal(random), bias[i] = normal(random);
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]), sum += static_cast<double>(x[i]);
    }
    const double count = static_cast<double>(n), mean = sum / count;
    double deviation = 0;
    for (const float value : x) deviation += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);

    v.rms_norm(x.data(), weight.data(), 1e-5f, y.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i) {  // roundings: scale, x * scale, * weight
      const double want =
          static_cast<double>(x[i]) / std::sqrt(squares / count + double{1e-5f}) * static_cast<double>(weight[i]);
      EXPECT_NEAR(static_cast<double>(y[i]), want, 3 * 0x1p-24 * std::fabs(want) * (1 + 1e-6)) << n;
    }
    v.layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, y.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i) {  // roundings: unit, * weight, + bias
      const double unit = (static_cast<double>(x[i]) - mean) / std::sqrt(deviation / count + double{1e-5f});
      const double scaled = unit * static_cast<double>(weight[i]), want = scaled + static_cast<double>(bias[i]);
      EXPECT_NEAR(static_cast<double>(y[i]), want,
                  0x1p-24 * (2 * std::fabs(scaled) + std::fabs(want)) * (1 + 1e-6) + 1e-12)
          << n;
    }
  }
}

TEST_P(VectorKernelsOf, NormsOfLargeNumbersDoNotOverflow) {
  std::vector<float> x(33, 1e30f);
  v.rms_norm(x.data(), nullptr, 1e-5f, x.data(), 33);
  for (const float y : x) EXPECT_NEAR(y, 1.0f, 1e-6f);
  std::vector<float> zeros(33, 0.0f);
  v.rms_norm(zeros.data(), nullptr, 1e-5f, zeros.data(), 33);
  v.layer_norm(zeros.data(), nullptr, nullptr, 1e-5f, zeros.data(), 33);
  for (const float y : zeros) EXPECT_EQ(y, 0.0f);
}

TEST_P(VectorKernelsOf, RotationEqualsComplexMultiplication) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (const bool interleaved : {false, true})
    for (std::size_t pairs = 1; pairs <= 70; ++pairs) {
      Guarded<float> head(2 * pairs), cos_sin(2 * pairs);
      std::vector<float> before(2 * pairs);
      for (std::size_t i = 0; i < 2 * pairs; ++i) head[i] = before[i] = normal(random), cos_sin[i] = normal(random);
      (interleaved ? v.rotate_interleaved : v.rotate_halves)(cos_sin.data(), static_cast<std::int64_t>(pairs),
                                                             head.data());
      for (std::size_t i = 0; i < pairs; ++i) {
        const std::size_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + pairs;
        const double a = static_cast<double>(before[first]), b = static_cast<double>(before[second]);
        const double cos = static_cast<double>(cos_sin[i]), sin = static_cast<double>(cos_sin[pairs + i]);
        const double size = std::fabs(a) + std::fabs(b);
        const double bound = 2 * 0x1p-24 * size * (std::fabs(cos) + std::fabs(sin));
        EXPECT_NEAR(static_cast<double>(head[first]), a * cos - b * sin, bound);
        EXPECT_NEAR(static_cast<double>(head[second]), a * sin + b * cos, bound);
      }
    }
}

TEST_P(VectorKernelsOf, SoftmaxEqualsDoubleAtEveryLength) {
  std::mt19937 random(13);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  for (std::size_t n = 1; n <= 70; ++n) {
    Guarded<float> x(n);
    double sum = 0;
    for (float& value : x) value = normal(random) + 300.0f;
    const std::vector<float> scores(x.begin(), x.end());
    const double top = static_cast<double>(*std::max_element(scores.begin(), scores.end()));
    for (const float s : scores) sum += std::exp(static_cast<double>(s) - top);
    v.softmax(x.data(), static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i) {
      const double want = std::exp(static_cast<double>(scores[i]) - top) / sum;
      // s - top rounds by half an ULP of at most 32; exp adds 2 ULP, the scale and the product one each.
      EXPECT_NEAR(static_cast<double>(x[i]), want, (32 * 0x1p-24 + 4 * 0x1p-23) * want);
    }
  }
  std::vector<float> masked = {-INFINITY, 3.0f, -INFINITY};
  v.softmax(masked.data(), 3);
  EXPECT_EQ(masked, (std::vector<float>{0.0f, 1.0f, 0.0f}));
}

TEST_P(VectorKernelsOf, WeightedSumsEqualDoubleAtEveryLengthAndCount) {
  std::mt19937 random(19);
  std::normal_distribution<float> normal;
  for (std::size_t n = 1; n <= 40; ++n)
    for (const int count : {0, 1, 2, 7, 16}) {
      std::vector<std::vector<float>> values(static_cast<std::size_t>(count), std::vector<float>(n));
      std::vector<float> weights;
      Guarded<float> sum(n);
      for (float& value : sum) value = normal(random);
      const std::vector<float> before(sum.begin(), sum.end());
      std::vector<std::unique_ptr<Guarded<float>>> rows;
      std::vector<const float*> pointers;
      for (auto& row : values) {
        for (float& value : row) value = normal(random);
        weights.push_back(normal(random));
        rows.push_back(std::make_unique<Guarded<float>>(row));
        pointers.push_back(rows.back()->data());
      }
      for (const bool add : {true, false}) {  // `sum` holds the first one's answer, which the second must not read
        v.weighted_sum(pointers.data(), weights.data(), count, add, sum.data(), static_cast<std::int64_t>(n));
        for (std::size_t k = 0; k < n; ++k) {
          double want = add ? static_cast<double>(before[k]) : 0, magnitude = std::abs(want);
          for (std::size_t i = 0; i < rows.size(); ++i) {
            const double term = static_cast<double>(weights[i]) * static_cast<double>(values[i][k]);
            want += term;
            magnitude += std::abs(term);
          }
          EXPECT_NEAR(static_cast<double>(sum[k]), want, (count + 2) * 0x1p-24 * magnitude) << n << " x " << count;
        }
      }
    }
}

TEST(VectorKernels, RmsNormIsBitwiseEqualInEveryTier) {
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  std::vector<float> x(777), weight(777), first;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = normal(random), weight[i] = normal(random);
  for (const Isa isa : test::tiers_here()) {
    std::vector<float> y(x.size());
    kernels_for(isa).vector.rms_norm(x.data(), weight.data(), 1e-6f, y.data(), 777);
    if (first.empty()) first = y;
    EXPECT_EQ(y, first) << isa_name(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTier, VectorKernelsOf, testing::ValuesIn(test::tiers_here()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace plumb::vector_kernels_test
