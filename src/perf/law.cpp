#include "plumb/perf/law.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
/// Products of up to three columns: a size that the compiler knows, which spares it Eigen's blocked algorithms.
using Small = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 3, 3>;

/// Share of a column that the kept ones must leave unexplained: its square is 1 / (variance inflation).
const double kSeparable = std::sqrt(0.1);

/// P(|T| <= t): the finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
double student_inside(double t, int degrees) {
  const double angle = std::atan(t / std::sqrt(degrees)), c = std::cos(angle), s = std::sin(angle);
  const bool odd = degrees % 2 != 0;
  double term = odd ? c : 1, sum = degrees == 1 ? 0 : term;
  for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= c * c * (k - 1) / k;
    sum += term;
  }
  return odd ? 2 / std::numbers::pi * (angle + s * sum) : s * sum;
}

/// Columns that the ones before them (in order of priority) do not explain.
std::vector<int> separable_columns(const MatrixXd& columns, const std::vector<int>& order) {
  std::vector<int> kept;
  MatrixXd basis(columns.rows(), 0);
  for (const int column : order) {
    const double size = columns.col(column).norm();
    if (!(size > 0)) continue;
    VectorXd rest = columns.col(column) / size;
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough (Kahan)
      const VectorXd shares = basis.transpose().lazyProduct(rest);
      rest -= basis.lazyProduct(shares);
    }
    if (rest.norm() < kSeparable) continue;
    basis.conservativeResize(Eigen::NoChange, basis.cols() + 1);
    basis.col(basis.cols() - 1) = rest.normalized();
    kept.push_back(column);
  }
  return kept;
}

/// Columns of a fit at unit length, so that their products with each other say nothing of their units.
struct Scaled {
  MatrixXd x;
  VectorXd lengths;

  Scaled(const MatrixXd& columns, const std::vector<int>& chosen)
      : x(columns.rows(), static_cast<Eigen::Index>(chosen.size())), lengths(x.cols()) {
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
      const auto column = columns.col(chosen[static_cast<std::size_t>(i)]);
      lengths[i] = column.norm();
      x.col(i) = column / lengths[i];
    }
  }

  /// The inverse of x^T x. Columns that separable_columns() kept have a condition below 10^2, which squared costs four
  /// of a double's sixteen digits.
  Small inverse() const {
    const Small products = x.transpose().lazyProduct(x);
    return products.llt().solve(Small::Identity(x.cols(), x.cols()));
  }
};

struct Fit {
  std::vector<int> columns;
  VectorXd coefficients;
  double squares = 0;
};

/// Ordinary least squares on some columns; nothing when a coefficient is not above zero.
std::optional<Fit> positive_fit(const MatrixXd& columns, const VectorXd& target, const std::vector<int>& chosen) {
  const Scaled scaled(columns, chosen);
  const VectorXd towards = scaled.x.transpose().lazyProduct(target);
  Fit fit{chosen, scaled.inverse().lazyProduct(towards), 0};
  if (!(fit.coefficients.minCoeff() > 0)) return std::nullopt;
  fit.squares = (scaled.x.lazyProduct(fit.coefficients) - target).squaredNorm();
  fit.coefficients = fit.coefficients.cwiseQuotient(scaled.lengths);
  return fit;
}

/// The best fit without negative coefficients: columns and target are above zero, so single columns always qualify.
Fit best_positive_fit(const MatrixXd& columns, const VectorXd& target, const std::vector<int>& kept) {
  std::optional<Fit> best;
  for (unsigned subset = 1; subset < 1u << kept.size(); ++subset) {
    std::vector<int> chosen;
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (subset >> i & 1) chosen.push_back(kept[i]);
    std::optional<Fit> fit = positive_fit(columns, target, chosen);
    if (fit && (!best || fit->squares < best->squares)) best = std::move(fit);
  }
  return *best;
}

/// Standard errors of the coefficients of a fit with residual variance `variance`.
VectorXd standard_errors(const MatrixXd& columns, const Fit& fit, double variance) {
  const Scaled scaled(columns, fit.columns);
  return (variance * scaled.inverse().diagonal()).cwiseSqrt().cwiseQuotient(scaled.lengths);
}

}  // namespace

double student_quantile(double inside, int degrees) {
  if (!(inside > 0 && inside < 1) || degrees < 1)
    throw Error(ErrorCode::invalid_argument, "quantile " + std::to_string(inside) + " of " + std::to_string(degrees) +
                                                 " degrees: expected 0 < quantile < 1 and at least 1 degree");
  double low = 0, high = 1;
  while (student_inside(high, degrees) < inside && high < 1e12) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (student_inside(middle, degrees) < inside ? low : high) = middle;
  }
  return high;
}

Law fit_law(std::span<const LawPoint> points, LawPriority priority) {
  if (points.size() < kLawPoints)
    throw Error(ErrorCode::invalid_argument, "a law needs at least " + std::to_string(kLawPoints) + " points, found " +
                                                 std::to_string(points.size()));
  const auto n = static_cast<Eigen::Index>(points.size());
  MatrixXd columns(n, 3);  // divided by the time of each point, so that the target is 1
  for (Eigen::Index i = 0; i < n; ++i) {
    const LawPoint& point = points[static_cast<std::size_t>(i)];
    if (!(point.seconds > 0) || !std::isfinite(point.seconds))
      throw Error(ErrorCode::invalid_argument,
                  "a time of " + std::to_string(point.seconds) + " s: expected above zero");
    columns.row(i) << 1 / point.seconds, point.bytes / point.seconds, point.operations / point.seconds;
  }
  const VectorXd target = VectorXd::Ones(n);
  const std::vector<int> order = priority == LawPriority::bytes ? std::vector{1, 0, 2} : std::vector{2, 0, 1};
  const std::vector<int> kept = separable_columns(columns, order);
  const Fit fit = best_positive_fit(columns, target, kept);

  Law law;
  law.degrees_of_freedom = static_cast<int>(n) - static_cast<int>(fit.columns.size());
  const double variance = fit.squares / law.degrees_of_freedom;
  law.relative_error = std::sqrt(variance);
  const VectorXd errors = standard_errors(columns, fit, variance);
  const double t = student_quantile(0.95, law.degrees_of_freedom);
  for (const int column : kept) law.terms[static_cast<std::size_t>(column)].state = TermState::zero;
  for (std::size_t i = 0; i < fit.columns.size(); ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    const double value = fit.coefficients[at], margin = t * errors[at];
    law.terms[static_cast<std::size_t>(fit.columns[i])] = {TermState::fitted, value, std::max(0.0, value - margin),
                                                           value + margin};
  }
  for (const LawPoint& point : points) {
    law.seconds.push_back(law.predict(point.bytes, point.operations));
    law.residuals.push_back(point.seconds / law.seconds.back() - 1);
  }
  return law;
}

}  // namespace plumb
