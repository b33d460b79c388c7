#pragma once
/// @file
/// The tokens that may still be drawn, and the filters that make them fewer.

#include <cstdint>
#include <span>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb {

/// A row of logits in which a removed token has -infinity, and the weights that follow from it. A place in the row
/// stands for a token; places ascend with ids, and among equal logits the lower place is the more probable.
///
/// Weights are whole numbers whose sum stays below 2^53, so that sums are exact in any order: every filter and draw is
/// the same on every platform, however the loops are vectorised. What is less probable than 2^-36 of the best (in a
/// vocabulary of 128 000) has weight 0 and is never drawn. Nothing is ever sorted as a whole: a filter finds the last
/// token that it keeps by partial selection, then passes once over all. Filters keep at least one token.
class Candidates {
 public:
  /// `most`: places of the longest row.
  explicit Candidates(std::int64_t most);

  /// Looks at this row from now on and changes it. At least one logit is above -infinity; none is NaN or +infinite.
  void assign(std::span<float> logits) { logits_ = logits; }
  /// Weights are exp(logit / temperature), the largest being 2^scale. temperature > 0.
  void weigh(double temperature);
  double total() const { return total_; }
  /// weights()[place] / total() is the probability. [row]
  std::span<const double> weights() const { return std::span(weights_).first(logits_.size()); }
  int scale() const { return scale_; }
  float max() const { return max_; }

  // These look at the weights, which must be those of the present row at temperature 1.
  void keep_typical(double mass);
  void keep_top_p(double mass);
  void keep_min_p(double ratio);

  /// The place whose share of the weights contains `point`, a whole number below total().
  std::size_t at(double point) const;

 private:
  /// A place in some order of the candidates: by `key`, the lower place first among equals.
  struct Ranked {
    double key;
    std::uint32_t place;
    double weight;
    bool operator<(const Ranked& other) const { return key != other.key ? key < other.key : place < other.place; }
  };
  /// Keeps the shortest run of candidates with `mass` of the weight, in ascending order of key_of(logit) >= 0 nats.
  template <class KeyOf>
  void keep_mass(double mass, KeyOf key_of);
  Ranked last_of_mass(double wanted);

  int scale_;
  float max_ = 0.0f;
  double total_ = 0;
  std::span<float> logits_;
  std::vector<double> weights_;
  std::vector<Ranked> ranked_;  // scratch: candidates among which a boundary lies
};

/// The most probable tokens of a row.
class TopSelector {
 public:
  struct Entry {
    float logit;
    Token token;
  };
  /// The `count` largest logits, in no particular order; of equal ones the lower ids. Fewer if fewer are above
  /// -infinity. O(n) with a buffer of 2 count entries, unless the row ascends. 0 < count. Valid until the next call.
  std::span<Entry> select(std::span<const float> logits, std::int64_t count);

 private:
  std::vector<Entry> buffer_;
};

/// Higher logit first, then lower id.
inline bool more_probable(const TopSelector::Entry& a, const TopSelector::Entry& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

}  // namespace plumb
