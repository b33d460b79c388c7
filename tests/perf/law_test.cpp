// The fitted law against laws that are known, tables of Student's distribution, and intervals against chance.

#include "plumb/perf/law.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "plumb/core/error.hpp"

namespace plumb::law_test {
namespace {

/// bytes and operations that vary apart over three orders of magnitude.
std::vector<LawPoint> points(double overhead, double per_byte, double per_operation) {
  std::vector<LawPoint> all;
  for (const double bytes : {1e6, 1e7, 1e8, 1e9})
    for (const double intensity : {0.5, 4.0, 30.0})
      all.push_back({bytes, bytes * intensity, overhead + per_byte * bytes + per_operation * bytes * intensity});
  return all;
}

TEST(Law, FindsTheCoefficientsOfExactTimes) {
  const Law law = fit_law(points(1e-4, 2e-11, 3e-12), LawPriority::bytes);
  EXPECT_NEAR(law.term(LawTerm::overhead).value / 1e-4, 1, 1e-9);
  EXPECT_NEAR(law.term(LawTerm::bytes).value / 2e-11, 1, 1e-9);
  EXPECT_NEAR(law.term(LawTerm::operations).value / 3e-12, 1, 1e-9);
  EXPECT_EQ(law.degrees_of_freedom, 9);
  EXPECT_LT(law.relative_error, 1e-9);
  for (const double residual : law.residuals) EXPECT_LT(std::abs(residual), 1e-9);
}

TEST(Law, CostsDoNotGoBelowZero) {
  std::vector<LawPoint> all = points(0, 2e-11, 3e-12);
  for (LawPoint& p : all) p.seconds -= 1e-6;  // as if starting saved a microsecond
  const Law law = fit_law(all, LawPriority::bytes);
  EXPECT_EQ(law.term(LawTerm::overhead).state, TermState::zero);
  EXPECT_EQ(law.term(LawTerm::overhead).value, 0);
  for (const LawTerm term : kLawTerms) EXPECT_GE(law.term(term).value, 0);
  EXPECT_EQ(law.degrees_of_freedom, 10);
}

TEST(Law, WhatMovesTogetherIsNotToldApart) {
  std::vector<LawPoint> all;
  for (const double bytes : {1e6, 5e6, 3e7, 2e8, 1e9}) all.push_back({bytes, 2 * bytes, 1e-4 + bytes * 3e-11});
  const Law decode = fit_law(all, LawPriority::bytes), prompt = fit_law(all, LawPriority::operations);
  EXPECT_EQ(decode.term(LawTerm::operations).state, TermState::not_separable);
  EXPECT_NEAR(decode.term(LawTerm::bytes).value / 3e-11, 1, 1e-9);
  EXPECT_EQ(prompt.term(LawTerm::bytes).state, TermState::not_separable);
  EXPECT_NEAR(prompt.term(LawTerm::operations).value / 1.5e-11, 1, 1e-9);
  EXPECT_NEAR(prompt.predict(7e6, 14e6), 1e-4 + 7e6 * 3e-11, 1e-12);
}

// Student's t, two-sided 95%: values of printed tables.
TEST(Law, StudentsQuantiles) {
  for (const auto& [degrees, t] :
       {std::pair{1, 12.706}, {2, 4.303}, {3, 3.182}, {4, 2.776}, {5, 2.571}, {10, 2.228}, {30, 2.042}, {120, 1.980}})
    EXPECT_NEAR(student_quantile(0.95, degrees), t, 6e-4) << degrees;
  EXPECT_NEAR(student_quantile(0.99, 7), 3.499, 6e-4);
}

TEST(Law, NinetyFivePercentOfIntervalsHoldTheTruth) {
  constexpr int kTrials = 600;
  std::mt19937 random(20240521);
  std::normal_distribution<double> noise(0, 0.05);
  int inside[3] = {};
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<LawPoint> all = points(1e-3, 2e-10, 3e-11);
    for (LawPoint& p : all) p.seconds *= 1 + noise(random);
    const Law law = fit_law(all, LawPriority::bytes);
    const double truth[] = {1e-3, 2e-10, 3e-11};
    for (std::size_t i = 0; i < 3; ++i) inside[i] += law.terms[i].low <= truth[i] && truth[i] <= law.terms[i].high;
  }
  // Binomial: 0.95 +- 5 standard deviations of 0.9%; a little more below, since weights follow the noisy times.
  for (const int count : inside) EXPECT_NEAR(count / static_cast<double>(kTrials), 0.95, 0.05) << "seed 20240521";
}

TEST(Law, RefusesTooLittle) {
  const std::vector<LawPoint> all = points(1e-4, 2e-11, 3e-12);
  EXPECT_THROW(fit_law(std::span(all).first(3), LawPriority::bytes), Error);
  std::vector<LawPoint> bad = all;
  bad[2].seconds = 0;
  EXPECT_THROW(fit_law(bad, LawPriority::bytes), Error);
  EXPECT_THROW(student_quantile(0.95, 0), Error);
  EXPECT_THROW(student_quantile(1, 3), Error);
}

}  // namespace
}  // namespace plumb::law_test
