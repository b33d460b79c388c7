#pragma once
/// @file
/// How well a model predicts a text (perplexity), and how far the predictions of two models are apart: what a smaller
/// model costs. Logarithms are natural; sums are double; every mean comes with its standard error, which takes the
/// tokens for independent draws, as is the custom, and so is a little too small.

#include <cstddef>
#include <cstdint>
#include <span>

#include "plumb/model/text_windows.hpp"

namespace plumb::inline PLUMB_ABI {

/// A mean and its standard error: the sample's standard deviation over the root of its size; 0 for one value.
struct Estimate {
  double value = 0, error = 0;
};

/// How well one model predicts a text.
struct Perplexity {
  std::size_t text_tokens = 0;  ///< of the text
  std::size_t scored = 0;       ///< of them, how many were predicted and counted
  int context = 0, stride = 0;  ///< of the windows
  Estimate nll;                 ///< mean of -ln p(token | the window before it)

  /// exp(mean nll); its error is that of the mean times the value (first order).
  Estimate perplexity() const;
  /// Bits for each byte of the text, which has `bytes` of them: what models with other vocabularies are compared by.
  /// The scored tokens are taken to be as long as those of the whole text.
  Estimate bits_per_byte(std::size_t bytes) const;
};

/// How far apart two models are on the scored tokens of a text. p is the softmax of the base, q of the other.
struct LogitComparison {
  Perplexity base, other;
  Estimate nll_difference;  ///< mean of -ln q(token) + ln p(token): ln of the ratio of perplexities. The pairing takes
                            ///< out what both models find hard, so its error is far below those of the two
  Estimate kl;              ///< mean over tokens of KL(p || q) = sum_v p(v) ln(p(v) / q(v)), in nats
  double kl_median = 0, kl_99 = 0, kl_max = 0;  ///< over tokens; 99: the 99th percentile
  Estimate top1;         ///< share of tokens for which both models find the same token most likely
  Estimate top5;         ///< mean share of the base's five most likely tokens among the five of the other
  Estimate logits_nmse;  ///< sum (other - base)^2 / sum base^2 over all scored logits; error of the ratio of means
};

/// @throws Error as for_each_scored_token(); {bad_value} where a prediction is no finite number.
Perplexity measure_perplexity(const Model& model, std::span<const Token> text, const WindowOptions& windows = {},
                              const SessionOptions& session = {}, const WindowProgress& progress = {});

/// Both models read the text side by side, window by window. Memory: 8 bytes a scored token beside the two sessions.
/// @throws Error as for_each_scored_token(); {bad_value} where a prediction is no finite number.
PLUMB_API LogitComparison compare_logits(const Model& base, const Model& other, std::span<const Token> text,
                                         const WindowOptions& windows = {}, const SessionOptions& session = {},
                                         const WindowProgress& progress = {});

}  // namespace plumb
