#pragma once
/// @file
/// Which experts the rows of a batch visit, and the rows of each expert side by side, so that a product with an
/// expert's weights serves all its rows at once.
///
///     p      = softmax(scores of the row)          [E]
///     chosen = the k largest p; of equal ones the lowest index
///     weight = p of the chosen, divided by their sum where the model wants that
///
/// Every (row, chosen expert) is a slot. Slots are sorted by expert, then by row.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/softmax.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// The routing of one batch. Sized up front; routing allocates nothing. One a worker: each routes the whole batch for
/// itself, which costs less than a barrier when there are few rows and little beside the products when there are many.
class Routing {
 public:
  Routing() = default;
  /// For batches of up to `max_rows` rows over `count` experts of which each row visits `used`, 1 to count.
  Routing(std::int64_t max_rows, int count, int used)
      : count_(count),
        used_(used),
        probabilities_(static_cast<std::size_t>(count)),
        chosen_(static_cast<std::size_t>(count)),
        first_(static_cast<std::size_t>(count) + 1) {
    const auto slots = static_cast<std::size_t>(checked_mul<std::int64_t>(max_rows, used, "routing"));
    visits_.resize(slots);
    row_.resize(slots);
  }

  /// One expert that a row visits.
  struct Visit {
    int expert = 0;
    float weight = 0;
    std::int64_t slot = 0;
  };

  /// Chooses for `rows` rows of scores[n * stride + e]. `sum_to_one`: the weights of a row are divided by their sum.
  /// Scores that are not finite choose some experts, never one twice.
  void route(const KernelTable& kernels, const float* scores, std::int64_t stride, std::int64_t rows, bool sum_to_one) {
    std::fill(first_.begin(), first_.end(), 0);
    for (std::int64_t n = 0; n < rows; ++n) {
      choose(kernels, scores + n * stride, visits_of(n), sum_to_one);
      for (const Visit& visit : visits_of(n)) ++first_[static_cast<std::size_t>(visit.expert) + 1];
    }
    for (std::size_t e = 1; e < first_.size(); ++e) first_[e] += first_[e - 1];
    // Fills each expert's slots from its first on, then moves the firsts back.
    for (std::int64_t n = 0; n < rows; ++n)
      for (Visit& visit : visits_of(n)) {
        visit.slot = first_[static_cast<std::size_t>(visit.expert)]++;
        row_[static_cast<std::size_t>(visit.slot)] = n;
      }
    std::rotate(first_.begin(), first_.end() - 1, first_.end());
    first_[0] = 0;
  }

  int count() const { return count_; }
  /// Slots of expert e; none if no row visits it.
  Range slots(int e) const { return {first_[static_cast<std::size_t>(e)], first_[static_cast<std::size_t>(e) + 1]}; }
  /// The row of the batch behind each slot of `range`.
  const std::int64_t* rows(Range range) const { return row_.data() + range.begin; }
  /// The experts of row n, in rising order.
  std::span<const Visit> visits(std::int64_t n) const {
    return {visits_.data() + n * used_, static_cast<std::size_t>(used_)};
  }

 private:
  std::span<Visit> visits_of(std::int64_t n) { return {visits_.data() + n * used_, static_cast<std::size_t>(used_)}; }

  void choose(const KernelTable& kernels, const float* scores, std::span<Visit> visits, bool sum_to_one) {
    std::copy_n(scores, count_, probabilities_.data());
    softmax(kernels, probabilities_.data(), count_);
    std::fill(chosen_.begin(), chosen_.end(), false);
    for (int i = 0; i < used_; ++i) {
      int best = -1;
      for (int e = 0; e < count_; ++e) {
        if (chosen_[static_cast<std::size_t>(e)]) continue;
        if (best < 0 || probabilities_[static_cast<std::size_t>(e)] > probabilities_[static_cast<std::size_t>(best)])
          best = e;
      }
      chosen_[static_cast<std::size_t>(best)] = true;
    }
    float sum = 0;
    auto next = visits.begin();
    for (int e = 0; e < count_; ++e) {
      if (!chosen_[static_cast<std::size_t>(e)]) continue;
      *next++ = {e, probabilities_[static_cast<std::size_t>(e)], 0};
      sum += probabilities_[static_cast<std::size_t>(e)];
    }
    if (!sum_to_one) return;
    for (Visit& visit : visits) visit.weight /= sum;
  }

  int count_ = 0, used_ = 0;
  std::vector<float> probabilities_;  // [count], of one row
  std::vector<char> chosen_;          // [count], of one row
  std::vector<Visit> visits_;         // [rows, used]
  std::vector<std::int64_t> row_;     // [slots]
  std::vector<std::int64_t> first_;   // [count + 1], first slot of each expert
};

/// Prepares tile t of x, whose rows are rows row[0], row[1], ... of `from`, in the wanted forms. `gathered` is room for
/// 16 rows of x.cols values. x.values is not read.
inline void prepare_gathered_tile(const KernelTable& kernels, Activations x, ActivationForms forms, int t,
                                  const float* from, std::int64_t from_stride, const std::int64_t* row,
                                  float* gathered) {
  const Range tile = x.tile(t);
  x.stride = x.cols;
  for (std::int64_t i = 0; i < tile.size(); ++i)
    std::copy_n(from + row[tile.begin + i] * from_stride, x.cols, gathered + i * x.cols);
  prepare_tile(kernels, x, forms, t, {0, x.cols}, gathered);
}

}  // namespace plumb::ops
