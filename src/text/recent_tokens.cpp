#include "recent_tokens.hpp"

#include <algorithm>

namespace plumb::inline PLUMB_ABI {

RecentTokens::RecentTokens(std::int64_t n_vocab, std::int64_t last_n) : last_n_(last_n) {
  if (last_n == 0) return;
  const auto size = static_cast<std::size_t>(n_vocab);
  counts_.assign(size, 0);
  where_.assign(size, 0);
  present_.reserve(size);
  constexpr std::int64_t kReserved = 1 << 16;  // longer windows grow as they fill
  if (last_n > 0) ring_.reserve(static_cast<std::size_t>(std::min(last_n, kReserved)));
}

void RecentTokens::add(Token token) {
  if (last_n_ == 0) return;
  const auto id = static_cast<std::size_t>(token);
  if (counts_[id]++ == 0) {
    where_[id] = static_cast<std::int32_t>(present_.size());
    present_.push_back(token);
  }
  if (last_n_ < 0) return;
  if (static_cast<std::int64_t>(ring_.size()) < last_n_) {
    ring_.push_back(token);
    return;
  }
  const auto oldest = static_cast<std::size_t>(ring_[next_]);
  ring_[next_] = token;
  next_ = (next_ + 1) % ring_.size();
  if (--counts_[oldest] == 0) {
    const Token moved = present_.back();
    present_[static_cast<std::size_t>(where_[oldest])] = moved;
    where_[static_cast<std::size_t>(moved)] = where_[oldest];
    present_.pop_back();
  }
}

void RecentTokens::clear() {
  for (const Token token : present_) counts_[static_cast<std::size_t>(token)] = 0;
  present_.clear();
  ring_.clear();
  next_ = 0;
}

void RecentTokens::penalise(const SamplerOptions& options, std::span<float> logits) const {
  for (const Token token : present_) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / options.repetition_penalty : logit * options.repetition_penalty;
    logit -= static_cast<float>(counts_[static_cast<std::size_t>(token)]) * options.frequency_penalty;
    logit = as_logit(logit - options.presence_penalty);
  }
}

}  // namespace plumb
