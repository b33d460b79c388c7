#pragma once
/// @file
/// Which experts the rows of a batch visit, and the rows of each expert side by side, so that a product with an
/// expert's weights serves all its rows at once.
///
///     p      = softmax or sigmoid of the row's scores          [E]
///     chosen = the k largest p + bias, of the best groups; of equal ones the lowest index
///     weight = p of the chosen, divided by their sum where the model wants that, times a scale
///
/// Every (row, chosen expert) is a slot. Slots are sorted by expert, then by row.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/softmax.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// How scores become a choice of experts and their weights.
struct RoutingRule {
  bool sigmoid = false;       ///< p is a sigmoid of each score rather than a softmax over all (deepseek v3)
  bool renormalise = true;    ///< the weights of a row are divided by their sum
  float weight_scale = 1.0f;  ///< multiplies the weights
  bool by_score = false;      ///< the choice goes by the scores themselves, which p may round to the same (llama4)
  int groups = 0;             ///< experts are chosen within the best groups of equal size (deepseek); 0: no groups
  int groups_used = 0;        ///< groups that a row may visit
  bool best_two = true;       ///< a group is as good as its two best experts together; false: as its best

  bool operator==(const RoutingRule&) const = default;
};

/// The routing of one batch. Sized up front; routing allocates nothing. One a worker: each routes the whole batch for
/// itself, which costs less than a barrier when there are few rows and little beside the products when there are many.
class Routing {
 public:
  Routing() = default;
  /// For batches of up to `max_rows` rows over up to `count` experts of which each row visits up to `used`.
  Routing(std::int64_t max_rows, int count, int used)
      : count_(count),
        used_(used),
        probabilities_(static_cast<std::size_t>(count)),
        preference_(static_cast<std::size_t>(count)),
        group_(static_cast<std::size_t>(count)),
        first_(static_cast<std::size_t>(count) + 1) {
    const auto slots = static_cast<std::size_t>(checked_mul<std::int64_t>(max_rows, used, "routing"));
    visits_.resize(slots);
    row_.resize(slots);
    weight_.resize(slots);
  }

  /// One expert that a row visits.
  struct Visit {
    int expert = 0;
    float weight = 0;
    std::int64_t slot = 0;
  };

  /// The experts of a layer: 1 to count of them, of which each row visits 1 to used.
  struct Experts {
    int count = 0, used = 0;
    RoutingRule rule = {};
    const float* bias = nullptr;  // [count], added to p for the choice alone, or none
  };

  /// Chooses for `rows` rows of scores[n * stride + e]. Scores that are not finite choose some experts, never one
  /// twice.
  void route(const KernelTable& kernels, const Experts& experts, const float* scores, std::int64_t stride,
             std::int64_t rows) {
    count_ = experts.count;
    used_ = experts.used;
    first_.assign(static_cast<std::size_t>(count_) + 1, 0);
    for (std::int64_t n = 0; n < rows; ++n) {
      choose(kernels, experts, scores + n * stride, visits_of(n));
      for (const Visit& visit : visits_of(n)) ++first_[static_cast<std::size_t>(visit.expert) + 1];
    }
    for (std::size_t e = 1; e < first_.size(); ++e) first_[e] += first_[e - 1];
    // Fills each expert's slots from its first on, then moves the firsts back.
    for (std::int64_t n = 0; n < rows; ++n)
      for (Visit& visit : visits_of(n)) {
        visit.slot = first_[static_cast<std::size_t>(visit.expert)]++;
        row_[static_cast<std::size_t>(visit.slot)] = n;
        weight_[static_cast<std::size_t>(visit.slot)] = visit.weight;
      }
    std::rotate(first_.begin(), first_.end() - 1, first_.end());
    first_[0] = 0;
  }

  int count() const { return count_; }
  /// Slots of expert e; none if no row visits it.
  Range slots(int e) const { return {first_[static_cast<std::size_t>(e)], first_[static_cast<std::size_t>(e) + 1]}; }
  /// The row of the batch behind each slot of `range`.
  const std::int64_t* rows(Range range) const { return row_.data() + range.begin; }
  /// The weight of each of these slots.
  const float* weights(Range range) const { return weight_.data() + range.begin; }
  /// The experts of row n, in rising order.
  std::span<const Visit> visits(std::int64_t n) const {
    return {visits_.data() + n * used_, static_cast<std::size_t>(used_)};
  }

 private:
  std::span<Visit> visits_of(std::int64_t n) { return {visits_.data() + n * used_, static_cast<std::size_t>(used_)}; }

  void choose(const KernelTable& kernels, const Experts& experts, const float* scores, std::span<Visit> visits) {
    float* const p = probabilities_.data();
    std::copy_n(scores, count_, p);
    if (experts.rule.sigmoid)
      for (int e = 0; e < count_; ++e) p[e] = 1.0f / (1.0f + std::exp(-p[e]));
    else
      softmax(kernels, p, count_);
    for (int e = 0; e < count_; ++e)
      preference_[static_cast<std::size_t>(e)] =
          (experts.rule.by_score ? scores[e] : p[e]) + (experts.bias ? experts.bias[e] : 0);
    if (experts.rule.groups > 1) leave_out_groups(experts.rule);
    for (int i = 0; i < used_; ++i) preference_[static_cast<std::size_t>(best_of(preference_, count_))] = kChosen;
    float sum = 0;
    auto next = visits.begin();
    for (int e = 0; e < count_; ++e) {
      if (preference_[static_cast<std::size_t>(e)] != kChosen) continue;
      *next++ = {e, p[e], 0};
      sum += p[e];
    }
    if (experts.rule.sigmoid) sum = std::max(sum, kSmallestSum);
    for (Visit& visit : visits) {
      if (experts.rule.renormalise) visit.weight /= sum;
      visit.weight *= experts.rule.weight_scale;
    }
  }

  /// Experts outside the best groups are not to be chosen.
  void leave_out_groups(const RoutingRule& rule) {
    const int size = count_ / rule.groups;
    for (int g = 0; g < rule.groups; ++g) {
      const std::span<const float> own{preference_.data() + g * size, static_cast<std::size_t>(size)};
      float best = -INFINITY, second = -INFINITY;
      for (const float value : own) {
        second = std::max(second, std::min(best, value));
        best = std::max(best, value);
      }
      group_[static_cast<std::size_t>(g)] = rule.best_two && size > 1 ? best + second : best;
    }
    for (int i = 0; i < rule.groups_used; ++i) group_[static_cast<std::size_t>(best_of(group_, rule.groups))] = kChosen;
    for (int e = 0; e < count_; ++e)
      if (group_[static_cast<std::size_t>(e / size)] != kChosen) preference_[static_cast<std::size_t>(e)] = kLeftOut;
  }

  /// The first of the largest values that are not chosen yet. Values that are no numbers come last.
  static int best_of(const std::vector<float>& values, int n) {
    int best = -1;
    for (int i = 0; i < n; ++i) {
      const float value = values[static_cast<std::size_t>(i)];
      if (value != kChosen && (best < 0 || value > values[static_cast<std::size_t>(best)])) best = i;
    }
    return best;
  }

  static constexpr float kChosen = std::numeric_limits<float>::infinity();  // a mark: no sum of probabilities is that
  static constexpr float kLeftOut = -std::numeric_limits<float>::infinity();
  static constexpr float kSmallestSum = 6.103515625e-5f;  // 2^-14, below which other engines do not divide either

  int count_ = 0, used_ = 0;
  std::vector<float> probabilities_;  // [count], of one row
  std::vector<float> preference_;     // [count], what the choice of one row is made by
  std::vector<float> group_;          // [groups], likewise
  std::vector<Visit> visits_;         // [rows, used]
  std::vector<std::int64_t> row_;     // [slots]
  std::vector<float> weight_;         // [slots]
  std::vector<std::int64_t> first_;   // [count + 1], first slot of each expert
};

/// Rows row[tile.begin], row[tile.begin + 1], ... of `from` side by side, each times its weight where there are some.
inline void gather_rows(const float* from, std::int64_t from_stride, std::int64_t cols, const std::int64_t* row,
                        const float* weight, Range tile, float* gathered) {
  for (std::int64_t i = tile.begin; i < tile.end; ++i, gathered += cols) {
    std::copy_n(from + row[i] * from_stride, cols, gathered);
    for (std::int64_t k = 0; weight != nullptr && k < cols; ++k) gathered[k] *= weight[i];
  }
}

/// Prepares tile t of x, whose rows are rows row[0], row[1], ... of `from`, times weight[0], ... unless that is null,
/// in the wanted forms. `gathered` is room for 16 rows of x.cols values. x.values is not read.
inline void prepare_gathered_tile(const KernelTable& kernels, Activations x, ActivationForms forms, int t,
                                  const float* from, std::int64_t from_stride, const std::int64_t* row,
                                  const float* weight, float* gathered) {
  x.stride = x.cols;
  gather_rows(from, from_stride, x.cols, row, weight, x.tile(t), gathered);
  prepare_tile(kernels, x, forms, t, {0, x.cols}, gathered);
}

}  // namespace plumb::ops
