#pragma once
/// @file
/// The tokens that may still be drawn, and the filters that make them fewer.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// The logit of a token that is never drawn.
inline constexpr float kImpossible = -std::numeric_limits<float>::infinity();

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

/// Tokens with their logits, by ascending id; among equal logits the lower id is the more probable. At first a whole
/// row of logits, seen in place; what a filter leaves is copied together, so that the steps after it are short.
///
/// Weights are whole numbers whose sum stays below 2^53, so that sums are exact in any order: every filter and draw is
/// the same on every platform, however the loops are vectorised. What is less probable than 2^-36 of the best (in a
/// vocabulary of 128 000) has weight 0 and is never drawn. Nothing is ever sorted as a whole: a filter finds the last
/// token that it keeps by partial selection, then passes once over all. Filters keep at least one token.
class Candidates {
 public:
  explicit Candidates(std::int64_t n_vocab);

  /// All tokens of a row, which must stay as it is until the draw. At least one logit is above -infinity; none is NaN
  /// or +infinite. logits: [<= n_vocab]
  void assign(std::span<const float> logits);
  /// Some tokens of a row, by ascending id.
  void assign(std::span<const TopSelector::Entry> entries);

  /// Weights are exp(logit / temperature), the largest being 2^scale. temperature > 0.
  void weigh(double temperature);
  double total() const { return total_; }
  int scale() const { return scale_; }
  float max() const { return max_; }

  std::size_t size() const { return logits_.size(); }
  Token token(std::size_t i) const { return whole_ ? static_cast<Token>(i) : tokens_[i]; }
  /// weight(i) / total() is the probability of token(i).
  double weight(std::size_t i) const { return weights_[i]; }

  // Filters look at the weights, which must be those of the present tokens at temperature 1.
  void keep_typical(double mass);
  void keep_top_p(double mass);
  void keep_min_p(double ratio);

  /// The token whose share of the weights contains `point`, a whole number below total().
  Token at(double point) const;

 private:
  /// A candidate in some order: by `key`, the lower index first among equals.
  struct Ranked {
    double key;
    std::size_t index;
    double weight;
    bool operator<(const Ranked& other) const { return key != other.key ? key < other.key : index < other.index; }
  };
  /// Keeps the candidates for which keep(index) holds.
  template <class Keep>
  void compact(Keep keep);
  /// Keeps the shortest run of candidates with a weight of `wanted`, in ascending order of key_of(logit) >= 0 nats.
  template <class KeyOf>
  void keep_mass(double wanted, KeyOf key_of);
  Ranked last_of_mass(double wanted);
  double mass_of(double share) const;

  int scale_;
  float max_ = 0.0f;
  double total_ = 0;
  bool whole_ = true;              // logits_ is a row of the caller's; the tokens are its places
  std::span<const float> logits_;  // the caller's row, or kept_
  std::vector<float> kept_;        // [n_vocab], as tokens_ and weights_; the first size() of each are in use
  std::vector<Token> tokens_;
  std::vector<double> weights_;
  std::vector<Ranked> ranked_;  // scratch: candidates among which a boundary lies
};

}  // namespace plumb
