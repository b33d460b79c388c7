#pragma once
/// @file
/// The fitted law of a sweep: time = overhead + bytes / bandwidth + operations / rate.
///
/// Statistics. Times of a sweep span orders of magnitude, and errors of timing are a share of the time: so the relative
/// error is what is minimised, sum of ((law - time) / time)^2, which is least squares on rows divided by their time.
/// The three coefficients are costs and cannot be below zero. With so few columns the constrained optimum is found
/// exactly: it is the best of the ordinary fits over each subset of columns whose coefficients are all positive. A
/// column that the others explain (variance inflation above 10: bytes and operations of one type grow together in most
/// sweeps) is left out, because no fit could tell its share from theirs; its cost is then part of theirs. Intervals are
/// the usual 95% of a linear model, coefficient +- t(0.975, n - p) * standard error, of the columns in the fit. They
/// speak of scatter about the law, and are too narrow where the law itself is wrong: look at the residuals.

#include <array>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// One observation.
struct LawPoint {
  double bytes = 0;       ///< moved
  double operations = 0;  ///< done
  double seconds = 0;     ///< taken; above zero
};

/// The terms of the law, by index.
enum class LawTerm { overhead, bytes, operations };
inline constexpr std::array kLawTerms{LawTerm::overhead, LawTerm::bytes, LawTerm::operations};

constexpr std::string_view law_term_name(LawTerm term) {
  switch (term) {
    case LawTerm::overhead: return "overhead";
    case LawTerm::bytes: return "bytes";
    case LawTerm::operations: return "operations";
  }
  return "unknown";
}

/// What became of a term.
enum class TermState {
  fitted,         ///< has a coefficient and an interval
  zero,           ///< the data want it below zero: it is zero, without an interval
  not_separable,  ///< moves together with the fitted terms, and is part of them
};

/// One term: seconds per pass (overhead), per byte or per operation.
struct LawCoefficient {
  TermState state = TermState::not_separable;
  double value = 0;
  double low = 0, high = 0;  ///< 95% interval, not below zero
};

/// A fitted law.
struct Law {
  std::array<LawCoefficient, 3> terms;  ///< by LawTerm
  std::vector<double> seconds;          ///< what the law says of each point
  std::vector<double> residuals;        ///< measured / law - 1 of each point
  int degrees_of_freedom = 0;           ///< points less fitted terms
  double relative_error = 0;            ///< standard error of a point, as a share of its time

  const LawCoefficient& term(LawTerm which) const { return terms[static_cast<std::size_t>(which)]; }
  double predict(double bytes, double operations) const {
    return terms[0].value + terms[1].value * bytes + terms[2].value * operations;
  }
};

/// Which of two terms that move together is kept: decoding waits for bytes, prompts for operations.
enum class LawPriority { bytes, operations };

/// Fewest points that a law is fitted to: one more than its terms.
inline constexpr std::size_t kLawPoints = 4;

/// Fits the law. @throws Error{invalid_argument} for fewer than kLawPoints points, or a time that is not finite and
/// above zero.
Law fit_law(std::span<const LawPoint> points, LawPriority priority);

/// The t with P(|T| <= t) = `inside` for Student's distribution. @throws Error{invalid_argument} unless
/// 0 < inside < 1 and degrees >= 1.
double student_quantile(double inside, int degrees);

}  // namespace plumb
