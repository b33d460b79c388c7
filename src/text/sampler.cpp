#include "plumb/text/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "candidates.hpp"
#include "plumb/core/error.hpp"
#include "random.hpp"
#include "recent_tokens.hpp"
#include "sampler_options.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

bool has_penalties(const SamplerOptions& options) {
  return options.penalty_last_n != 0 &&
         (options.repetition_penalty != 1.0f || options.frequency_penalty != 0.0f || options.presence_penalty != 0.0f);
}

/// The place of the largest number, the first among equals; 0 when there is none.
std::size_t place_of_max(std::span<const float> row) {
  float max = kImpossible;
  const float* value = row.data();
#pragma omp simd reduction(max : max)
  for (std::size_t i = 0; i < row.size(); ++i) max = value[i] > max ? value[i] : max;
  const auto found = std::find(row.begin(), row.end(), max);
  return found == row.end() ? 0 : static_cast<std::size_t>(found - row.begin());
}

}  // namespace

struct Sampler::State {
  State(SamplerOptions o, std::int64_t size)
      : options(std::move(o)),
        n_vocab(size),
        random(options.seed),
        recent(size, has_penalties(options) ? options.penalty_last_n : 0),
        logits(static_cast<std::size_t>(size)),
        candidates(size) {
    top_logprobs.reserve(static_cast<std::size_t>(std::clamp<std::int64_t>(options.logprobs, 0, size)));
  }

  void clean(std::span<const float> row);
  void note_logprobs();
  void adjust();
  Token draw();

  SamplerOptions options;
  std::int64_t n_vocab;
  RandomBits random;
  RecentTokens recent;
  std::vector<float> logits;  // [n_vocab] the row, then with bias and penalties
  Candidates candidates;
  TopSelector selector;
  double log_sum = 0;  // log of the sum of exp(logit) over the row as given
  float logprob = 0.0f;
  std::vector<TokenLogprob> top_logprobs;
};

void Sampler::State::clean(std::span<const float> row) {
  const float* from = row.data();
  float* to = logits.data();
#pragma omp simd
  for (std::size_t i = 0; i < row.size(); ++i) to[i] = as_logit(from[i]);
}

/// Fills log_sum and top_logprobs, from the row before any option.
void Sampler::State::note_logprobs() {
  candidates.assign(logits);
  candidates.weigh(1.0);
  log_sum = static_cast<double>(candidates.max()) + std::log(std::ldexp(candidates.total(), -candidates.scale()));
  top_logprobs.clear();
  if (options.logprobs == 0) return;
  const std::span<TopSelector::Entry> best = selector.select(logits, options.logprobs);
  std::sort(best.begin(), best.end(), more_probable);
  for (const TopSelector::Entry& entry : best)
    top_logprobs.push_back({entry.token, static_cast<float>(static_cast<double>(entry.logit) - log_sum)});
}

void Sampler::State::adjust() {
  for (const LogitBias& bias : options.logit_bias) {
    float& logit = logits[static_cast<std::size_t>(bias.token)];
    logit = as_logit(logit + bias.bias);
  }
  recent.penalise(options, logits);
}

Token Sampler::State::draw() {
  const std::size_t best = place_of_max(logits);
  if (logits[best] == kImpossible) throw Error(ErrorCode::bad_value, "sampling: none of the logits allows a token");
  if (options.temperature == 0.0f) return static_cast<Token>(best);

  if (options.top_k > 0 && options.top_k < n_vocab) {
    const std::span<TopSelector::Entry> top = selector.select(logits, options.top_k);
    std::sort(top.begin(), top.end(), [](const auto& a, const auto& b) { return a.token < b.token; });
    candidates.assign(std::span<const TopSelector::Entry>(top));
  } else {
    candidates.assign(logits);
  }
  const auto filter = [&](bool active, float argument, void (Candidates::*keep)(double)) {
    if (!active) return;
    candidates.weigh(1.0);
    (candidates.*keep)(static_cast<double>(argument));
  };
  filter(options.typical_p < 1.0f, options.typical_p, &Candidates::keep_typical);
  filter(options.top_p < 1.0f, options.top_p, &Candidates::keep_top_p);
  filter(options.min_p > 0.0f, options.min_p, &Candidates::keep_min_p);
  candidates.weigh(static_cast<double>(options.temperature));
  return candidates.at(static_cast<double>(random.below(static_cast<std::uint64_t>(candidates.total()))));
}

Sampler::Sampler(SamplerOptions options, std::int64_t n_vocab) {
  check_options(options, n_vocab);
  state_ = std::make_unique<State>(std::move(options), n_vocab);
}
Sampler::Sampler(const Sampler& other) : state_(std::make_unique<State>(*other.state_)) {}
Sampler& Sampler::operator=(const Sampler& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

Token Sampler::sample(std::span<const float> logits) {
  State& state = *state_;
  if (static_cast<std::int64_t>(logits.size()) != state.n_vocab)
    throw Error(ErrorCode::invalid_argument, "sampling: " + std::to_string(logits.size()) +
                                                 " logits for a vocabulary of " + std::to_string(state.n_vocab));
  state.clean(logits);
  const bool report = state.options.logprobs >= 0;
  if (report) state.note_logprobs();
  state.adjust();
  const Token token = state.draw();
  const float own = as_logit(logits[static_cast<std::size_t>(token)]);
  if (report) state.logprob = static_cast<float>(static_cast<double>(own) - state.log_sum);
  state.recent.add(token);
  return token;
}

void Sampler::accept(Token token) {
  if (token < 0 || token >= state_->n_vocab)
    throw Error(ErrorCode::out_of_range,
                "sampling: token " + std::to_string(token) + " in a vocabulary of " + std::to_string(state_->n_vocab));
  state_->recent.add(token);
}

void Sampler::reset() {
  state_->random = RandomBits(state_->options.seed);
  state_->recent.clear();
  state_->logprob = 0.0f;
  state_->top_logprobs.clear();
}

const SamplerOptions& Sampler::options() const { return state_->options; }
float Sampler::logprob() const { return state_->logprob; }
std::span<const TokenLogprob> Sampler::top_logprobs() const { return state_->top_logprobs; }

}  // namespace plumb
