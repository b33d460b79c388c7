#include "plumb/model/evaluate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Mean and spread of a stream of values (Welford 1962).
class Mean {
 public:
  void add(double x) {
    ++count_;
    const double off = x - mean_;
    mean_ += off / static_cast<double>(count_);
    squares_ += off * (x - mean_);
  }
  std::size_t count() const { return count_; }
  Estimate estimate() const {
    const auto n = static_cast<double>(count_);
    return {mean_, count_ > 1 ? std::sqrt(squares_ / (n - 1) / n) : 0};
  }

 private:
  std::size_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

/// The ratio of two means of paired values, error by the delta method: that of the mean of (x - ratio y), over mean y.
class Ratio {
 public:
  void add(double x, double y) {
    ++n_;
    x_ += x, y_ += y, xx_ += x * x, xy_ += x * y, yy_ += y * y;
  }
  Estimate estimate() const {
    if (!(y_ > 0)) return {};
    const double r = x_ / y_, squares = std::max(xx_ - 2 * r * xy_ + r * r * yy_, 0.0);
    return {r, n_ > 1 ? std::sqrt(squares * n_ / (n_ - 1)) / y_ : 0};
  }

 private:
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0, yy_ = 0;
};

/// ln of the sum of exponentials.
double log_sum_exp(std::span<const float> logits) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

double at(std::span<const float> logits, Token token) {
  return static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

/// sum_v p(v) (ln p(v) - ln q(v)) from logits and their log_sum_exp. Never below 0 but for rounding.
double kl_divergence(std::span<const float> base, double base_lse, std::span<const float> other, double other_lse) {
  double sum = 0;
  for (std::size_t v = 0; v < base.size(); ++v) {
    const double ln_p = static_cast<double>(base[v]) - base_lse, ln_q = static_cast<double>(other[v]) - other_lse;
    if (const double p = std::exp(ln_p); p > 0) sum += p * (ln_p - ln_q);
  }
  return std::max(sum, 0.0);
}

constexpr std::size_t kTop = 5;

/// The most likely tokens, most likely first, the lower id before the higher where two are equal. Fewer when the
/// vocabulary is smaller.
class TopTokens {
 public:
  explicit TopTokens(std::span<const float> logits) {
    for (std::size_t v = 0; v < logits.size(); ++v) {
      if (size_ == kTop && !(logits[v] > logits[ids_[kTop - 1]])) continue;
      std::size_t place = size_ < kTop ? size_++ : kTop - 1;
      for (; place > 0 && logits[v] > logits[ids_[place - 1]]; --place) ids_[place] = ids_[place - 1];
      ids_[place] = v;
    }
  }
  std::size_t first() const { return ids_[0]; }
  /// Share of these that are in `other` too.
  double shared(const TopTokens& other) const {
    const auto end = other.ids_.begin() + static_cast<std::ptrdiff_t>(other.size_);
    std::size_t both = 0;
    for (std::size_t i = 0; i < size_; ++i) both += std::find(other.ids_.begin(), end, ids_[i]) != end ? 1 : 0;
    return static_cast<double>(both) / static_cast<double>(size_);
  }

 private:
  std::array<std::size_t, kTop> ids_{};
  std::size_t size_ = 0;
};

/// The value below which the share `part` of all lies, between the two nearest by place.
double percentile(const std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// @throws Error{bad_value} for what is no finite number: nothing measured afterwards would be one.
void check_finite(double value, const Model& model, const char* what) {
  if (!std::isfinite(value))
    throw Error(ErrorCode::bad_value, model.source() + ": " + what + " is " + std::to_string(value) +
                                          ", expected a finite number; weights may be damaged");
}

Perplexity perplexity_of(const Mean& nll, std::span<const Token> text, const WindowOptions& windows,
                         const ModelSpec& spec) {
  return {text.size(), nll.count(), window_context(windows, spec), windows.stride, nll.estimate()};
}

}  // namespace

Estimate Perplexity::perplexity() const {
  const double value = std::exp(nll.value);
  return {value, value * nll.error};
}

Estimate Perplexity::bits_per_byte(std::size_t bytes) const {
  const double scale =
      bytes > 0 ? static_cast<double>(text_tokens) / static_cast<double>(bytes) / std::numbers::ln2 : 0;
  return {nll.value * scale, nll.error * scale};
}

Perplexity measure_perplexity(const Model& model, std::span<const Token> text, const WindowOptions& windows,
                              const SessionOptions& session, const WindowProgress& progress) {
  Mean nll;
  for_each_scored_token(
      {&model, 1}, text, windows, session,
      [&](Token token, std::span<const std::span<const float>> logits) {
        const double loss = log_sum_exp(logits[0]) - at(logits[0], token);
        check_finite(loss, model, "the loss of a token");
        nll.add(loss);
      },
      progress);
  return perplexity_of(nll, text, windows, model.spec());
}

LogitComparison compare_logits(const Model& base, const Model& other, std::span<const Token> text,
                               const WindowOptions& windows, const SessionOptions& session,
                               const WindowProgress& progress) {
  const std::array models{base, other};
  Mean base_nll, other_nll, difference, kl, top1, top5;
  Ratio nmse;
  std::vector<double> all_kl;
  const auto visit = [&](Token token, std::span<const std::span<const float>> logits) {
    const std::span<const float> p = logits[0], q = logits[1];
    const double p_lse = log_sum_exp(p), q_lse = log_sum_exp(q);
    const double p_nll = p_lse - at(p, token), q_nll = q_lse - at(q, token);
    check_finite(p_nll, base, "the loss of a token");
    check_finite(q_nll, other, "the loss of a token");
    base_nll.add(p_nll);
    other_nll.add(q_nll);
    difference.add(q_nll - p_nll);
    all_kl.push_back(kl_divergence(p, p_lse, q, q_lse));
    check_finite(all_kl.back(), other, "the divergence of a prediction");
    kl.add(all_kl.back());
    const TopTokens p_top(p), q_top(q);
    top1.add(p_top.first() == q_top.first() ? 1 : 0);
    top5.add(p_top.shared(q_top));
    double error = 0, power = 0;
    for (std::size_t v = 0; v < p.size(); ++v) {
      const double want = static_cast<double>(p[v]), off = static_cast<double>(q[v]) - want;
      error += off * off;
      power += want * want;
    }
    nmse.add(error, power);
  };
  for_each_scored_token(models, text, windows, session, visit, progress);

  LogitComparison result;
  result.base = perplexity_of(base_nll, text, windows, base.spec());
  result.other = perplexity_of(other_nll, text, windows, base.spec());
  result.nll_difference = difference.estimate();
  result.kl = kl.estimate();
  std::sort(all_kl.begin(), all_kl.end());
  result.kl_median = percentile(all_kl, 0.5);
  result.kl_99 = percentile(all_kl, 0.99);
  result.kl_max = all_kl.empty() ? 0 : all_kl.back();
  result.top1 = top1.estimate();
  result.top5 = top5.estimate();
  result.logits_nmse = nmse.estimate();
  return result;
}

}  // namespace plumb
