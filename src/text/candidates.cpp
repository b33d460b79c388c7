#include "candidates.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "fixed_exp.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Orders are cut into buckets of an eighth of a nat, so that partial selection has to look at the candidates of one
// bucket only: among 128 000 real logits that is a handful.
constexpr std::size_t kBuckets = 256;
constexpr double kBucketsPerNat = 8;
std::size_t bucket_of(double key) {
  return static_cast<std::size_t>(std::min(key * kBucketsPerNat, static_cast<double>(kBuckets - 1)));
}

/// Exact, since the terms are whole numbers with a small enough sum.
double sum_of(std::span<const double> weights) {
  double sum = 0;
  const double* weight = weights.data();
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < weights.size(); ++i) sum += weight[i];
  return sum;
}

}  // namespace

std::span<TopSelector::Entry> TopSelector::select(std::span<const float> logits, std::int64_t count) {
  const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(count, static_cast<std::int64_t>(logits.size())));
  const std::size_t limit = std::max<std::size_t>(2 * wanted, 64);
  buffer_.clear();
  buffer_.reserve(limit);
  float bar = kImpossible;  // what a logit must exceed: of equal ones the earlier, lower id is already in
  const auto shrink = [&] {
    std::nth_element(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(wanted) - 1, buffer_.end(),
                     more_probable);
    buffer_.resize(wanted);
    bar = buffer_.back().logit;
  };
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] > bar)) continue;
    buffer_.push_back({logits[id], static_cast<Token>(id)});
    if (buffer_.size() == limit) shrink();
  }
  if (buffer_.size() > wanted) shrink();
  return buffer_;
}

Candidates::Candidates(std::int64_t n_vocab)
    : scale_(53 - static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n_vocab)))),
      weights_(static_cast<std::size_t>(n_vocab)) {}

void Candidates::assign(std::span<const float> logits) {
  logits_ = logits;
  whole_ = true;
}

void Candidates::assign(std::span<const TopSelector::Entry> entries) {
  kept_.resize(weights_.size());
  tokens_.resize(weights_.size());
  std::size_t count = 0;
  for (const TopSelector::Entry& entry : entries) {
    kept_[count] = entry.logit;
    tokens_[count++] = entry.token;
  }
  logits_ = std::span(kept_).first(count);
  whole_ = false;
}

void Candidates::weigh(double temperature) {
  const std::size_t size = logits_.size();
  const float* logit = logits_.data();
  double* weight = weights_.data();
  float max = kImpossible;
#pragma omp simd reduction(max : max)
  for (std::size_t i = 0; i < size; ++i) max = logit[i] > max ? logit[i] : max;
  const double top = static_cast<double>(max), factor = 1.0 / temperature;
  const int scale = scale_;
  // Two loops: with the comparison in the second one g++ 12 does not vectorise it.
#pragma omp simd
  for (std::size_t i = 0; i < size; ++i) {
    const double exponent = (static_cast<double>(logit[i]) - top) * factor;
    weight[i] = exponent > kFixedExpMin ? exponent : kFixedExpMin;  // -infinity and NaN too
  }
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (std::size_t i = 0; i < size; ++i) {
    weight[i] = fixed_exp(weight[i], scale);
    total += weight[i];
  }
  max_ = max;
  total_ = total;
}

template <class Keep>
void Candidates::compact(Keep keep) {
  kept_.resize(weights_.size());
  tokens_.resize(weights_.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    if (!keep(i)) continue;
    const Token token_i = token(i);
    kept_[count] = logits_[i];
    tokens_[count] = token_i;
    weights_[count] = weights_[i];
    ++count;
  }
  logits_ = std::span(kept_).first(count);
  whole_ = false;
}

Candidates::Ranked Candidates::last_of_mass(double wanted) {
  // The one sought is always in [low, high), and `wanted` is what the weights from low on must still add up to.
  auto low = ranked_.begin(), high = ranked_.end();
  while (high - low > 1) {
    const auto middle = low + (high - low) / 2;
    std::nth_element(low, middle, high);
    double sum = 0;
    for (auto ranked = low; ranked != middle; ++ranked) sum += ranked->weight;
    if (sum >= wanted) {
      high = middle;
    } else {
      wanted -= sum;
      low = middle;
    }
  }
  return *low;
}

template <class KeyOf>
void Candidates::keep_mass(double wanted, KeyOf key_of) {
  std::array<double, kBuckets> sums{};
  for (std::size_t i = 0; i < logits_.size(); ++i) sums[bucket_of(key_of(logits_[i]))] += weights_[i];
  std::size_t bucket = 0;
  while (sums[bucket] < wanted) wanted -= sums[bucket++];

  ranked_.clear();
  ranked_.reserve(weights_.size());
  for (std::size_t i = 0; i < logits_.size(); ++i)
    if (const double key = key_of(logits_[i]); weights_[i] > 0 && bucket_of(key) == bucket)
      ranked_.push_back({key, i, weights_[i]});
  const Ranked last = last_of_mass(wanted);
  compact([&](std::size_t i) {
    const double key = key_of(logits_[i]);
    return key < last.key || (key == last.key && i <= last.index);
  });
}

/// A share of the total as a whole number, 1 at least.
double Candidates::mass_of(double share) const { return std::clamp(std::ceil(share * total_), 1.0, total_); }

void Candidates::keep_top_p(double mass) {
  // What weighs less than an equal share of the mass to be dropped cannot be needed: all of it together weighs less
  // than that mass. This leaves a tenth of a large vocabulary.
  const double wanted = mass_of(mass), negligible = (total_ - wanted) / static_cast<double>(size());
  compact([&](std::size_t i) { return weights_[i] > 0 && weights_[i] >= negligible; });
  const auto max = static_cast<double>(max_);
  keep_mass(wanted, [max](float logit) { return max - static_cast<double>(logit); });
}

void Candidates::keep_typical(double mass) {
  // |surprise - entropy|: with surprise = log Z - logit the log Z of both cancels, and what is left is how far a logit
  // is from the mean logit. The sum is not exact, so its order is fixed.
  compact([&](std::size_t i) { return weights_[i] > 0; });
  const auto max = static_cast<double>(max_);
  double mean = 0;
  for (std::size_t i = 0; i < size(); ++i) mean += weights_[i] * (max - static_cast<double>(logits_[i]));
  mean /= total_;
  keep_mass(mass_of(mass), [max, mean](float logit) { return std::fabs(max - static_cast<double>(logit) - mean); });
}

void Candidates::keep_min_p(double ratio) {
  const double limit = ratio * static_cast<double>(std::uint64_t{1} << scale_);
  compact([&](std::size_t i) { return weights_[i] >= limit; });
}

Token Candidates::at(double point) const {
  constexpr std::size_t kBlock = 256;
  const auto all = std::span(weights_).first(size());
  std::size_t begin = 0;
  for (; begin + kBlock < all.size(); begin += kBlock) {
    const double sum = sum_of(all.subspan(begin, kBlock));
    if (point < sum) break;
    point -= sum;
  }
  for (std::size_t i = begin; i < all.size(); ++i) {
    if (point < all[i]) return token(i);
    point -= all[i];
  }
  return token(size() - 1);  // not for points below total()
}

}  // namespace plumb
