#pragma once
/// @file
/// From logits to the next token: penalties, filters, temperature, one draw.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// Added to one token's logit before anything else. -infinity bans the token.
struct LogitBias {
  Token token = kNoToken;
  float bias = 0.0f;
};

/// A token with the natural logarithm of its probability.
struct TokenLogprob {
  Token token = kNoToken;
  float logprob = 0.0f;
};

/// What is applied, in this order: logit_bias, penalties, top_k, typical_p, top_p, min_p, temperature. Each filter sees
/// the probabilities of the tokens that the one before it kept, at temperature 1. The defaults draw from the model's
/// own distribution.
struct SamplerOptions {
  float temperature = 1.0f;  ///< divides the logits; 0 = greedy: the most probable token, the lowest id among equals
  std::int64_t top_k = 0;    ///< keep this many of the most probable tokens; 0 = all
  float typical_p = 1.0f;    ///< keep the tokens whose surprise is nearest to the entropy, up to this mass (locally
                             ///< typical sampling, Meister et al. 2022); 1 = all
  float top_p = 1.0f;        ///< keep the smallest set of most probable tokens with this mass (nucleus); 1 = all
  float min_p = 0.0f;        ///< keep tokens at least this probable relative to the most probable one; 0 = all

  float repetition_penalty = 1.0f;   ///< > 1: divides positive and multiplies negative logits of recent tokens (CTRL)
  float frequency_penalty = 0.0f;    ///< subtracted once per recent occurrence
  float presence_penalty = 0.0f;     ///< subtracted from every token that occurred recently
  std::int64_t penalty_last_n = 64;  ///< how many tokens are recent; 0 = none, -1 = all

  std::vector<LogitBias> logit_bias = {};
  std::uint64_t seed = 0;      ///< the same seed and logits give the same tokens, on every platform
  std::int64_t logprobs = -1;  ///< also report log-probabilities: -1 none, 0 of the chosen token, n of the n best too
};

/// Draws tokens. Holds the history that penalties look at, the random state and its scratch memory: one per sequence.
/// A copy draws what the original would.
class PLUMB_API Sampler {
 public:
  /// @throws Error{invalid_argument} naming the option: NaN, infinite or negative temperature, probabilities outside
  /// [0, 1], negative counts, a repetition penalty <= 0, NaN or +infinite bias; {out_of_range} for a biased token
  /// outside the vocabulary.
  Sampler(SamplerOptions options, std::int64_t n_vocab);
  Sampler(const Sampler& other);
  Sampler& operator=(const Sampler& other);
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;
  ~Sampler();

  /// The next token, which also joins the history. NaN logits count as impossible and +infinite ones as the largest
  /// number. Takes O(n_vocab) time and allocates nothing after the first call. logits: [n_vocab].
  /// @throws Error{invalid_argument} when logits.size() is not n_vocab, {bad_value} when no token is possible.
  Token sample(std::span<const float> logits);

  /// Adds a token that was not drawn here (the prompt) to the history. @throws Error{out_of_range}.
  void accept(Token token);
  /// As new: no history, the seed again.
  void reset();

  const SamplerOptions& options() const;
  /// log-probability of the last token under softmax(logits): the model's own opinion, before any option. 0 unless
  /// options().logprobs >= 0.
  float logprob() const;
  /// The options().logprobs most probable tokens of the last call, best first, lowest id first among equals.
  std::span<const TokenLogprob> top_logprobs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb
