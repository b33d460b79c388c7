#pragma once
/// @file
/// The tokens that penalties look at.

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plumb/text/sampler.hpp"

namespace plumb::inline PLUMB_ABI {

/// NaN is impossible, +infinity the largest number: differences of what remains are numbers, or -infinity.
inline float as_logit(float value) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  return value <= kLargest ? value : std::isnan(value) ? -std::numeric_limits<float>::infinity() : kLargest;
}

/// Counts the last n tokens of a sequence.
class RecentTokens {
 public:
  /// `last_n`: tokens that count as recent, or -1 for all.
  RecentTokens(std::int64_t n_vocab, std::int64_t last_n);
  void add(Token token);
  void clear();
  /// Applies the penalties of `options` to the logits of recent tokens. logits: [n_vocab].
  void penalise(const SamplerOptions& options, std::span<float> logits) const;

 private:
  std::int64_t last_n_;
  std::vector<std::int32_t> counts_;  // [n_vocab] how often each token is among the recent ones
  std::vector<Token> present_;        // the tokens whose count is not 0, in any order
  std::vector<std::int32_t> where_;   // [n_vocab] position in present_, for tokens that are there
  std::vector<Token> ring_;           // the recent tokens when last_n_ > 0; the oldest is at next_ once it is full
  std::size_t next_ = 0;
};

}  // namespace plumb
