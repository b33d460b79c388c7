// Sentences about a sweep.

#include <algorithm>
#include <cmath>

#include "../core/format.hpp"
#include "page/quantities.hpp"
#include "plumb/perf/report.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using page::seconds_text;

/// "31.2 GB/s [30.1, 32.4]" of a cost per byte: the interval turns over with the reciprocal.
std::string rate_text(const LawCoefficient& c, std::string_view unit) {
  const std::string fastest = c.low > 0 ? formatted("{:.3g}", 1e-9 / c.low) : "unbounded";
  return formatted("{:.3g} {} [{:.3g}, {}]", 1e-9 / c.value, unit, 1e-9 / c.high, fastest);
}

std::string term_text(const Law& law, LawTerm which) {
  const LawCoefficient& c = law.term(which);
  std::string name(law_term_name(which));
  if (c.state == TermState::zero) return name + " 0";
  if (c.state == TermState::not_separable) return name + " not told apart";
  switch (which) {
    case LawTerm::overhead:
      return formatted("{} [{}, {}]", seconds_text(c.value), seconds_text(c.low), seconds_text(c.high));
    case LawTerm::bytes: return "bytes / " + rate_text(c, "GB/s");
    case LawTerm::operations: return "operations / " + rate_text(c, "GOP/s");
  }
  return name;
}

}  // namespace

std::string describe_law(const Sweep& sweep, const SeriesLaw& law) {
  const std::vector<double>& residuals = law.law.residuals;
  const auto worst = std::max_element(residuals.begin(), residuals.end(),
                                      [](double a, double b) { return std::abs(a) < std::abs(b); });
  const std::size_t point = law.points[static_cast<std::size_t>(worst - residuals.begin())];
  return formatted("{} {}: time = {} + {} + {}; {} points, standard error {:.0f}%, furthest {:+.0f}% ({})",
                   law.prefill ? "prompt" : "decode", law.series, term_text(law.law, LawTerm::overhead),
                   term_text(law.law, LawTerm::bytes), term_text(law.law, LawTerm::operations), residuals.size(),
                   100 * law.law.relative_error, 100 * *worst, sweep.points[point].setting.label);
}

std::string describe_slow_bits(const Sweep& sweep, const SlowBits& bits) {
  const SweepPoint &fewer = sweep.points[bits.fewer], &more = sweep.points[bits.more];
  return formatted("{} {}: {} takes {:.2f} times as long as {}. {}", bits.prefill ? "prompt" : "decode",
                   fewer.setting.label, fewer.fallbacks.beside(fewer.setting.type), bits.ratio,
                   more.fallbacks.beside(more.setting.type), bits.why);
}

/// A model has its type when no more than one matrix in so many has another.
constexpr int kFewOf = 10;

std::string describe_no_slow_bits(const Sweep& sweep) {
  std::vector<std::string> fell_back;
  std::size_t as_asked = 0;
  for (const SweepPoint& point : sweep.points) {
    const std::string name = point.fallbacks.beside(point.setting.type);
    if (point.fallbacks.count() * kFewOf <= point.fallbacks.matrices)
      ++as_asked;
    else if (std::find(fell_back.begin(), fell_back.end(), name) == fell_back.end())
      fell_back.push_back(name);
  }
  std::string text;
  if (sweep.slow_bits.empty())
    text = fell_back.empty() ? "No such case among these points."
           : as_asked > 1    ? "No such case among the points that have the type they are called after."
                             : "This cannot be answered here: too few points have the type they are called after.";
  if (fell_back.empty()) return text;
  text += text.empty() ? "" : " ";
  text += "Their rows do not divide into the blocks of these types, so that they say nothing of their bits: ";
  for (std::size_t i = 0; i < fell_back.size(); ++i) text += (i > 0 ? ", " : "") + fell_back[i];
  return text + '.';
}

}  // namespace plumb
