#pragma once
/// How the next token is drawn: the same options in every command that generates.

#include <limits>

#include "../text/sampler_options.hpp"
#include "arguments.hpp"
#include "options.hpp"
#include "plumb/text/sampler.hpp"

namespace plumb::cli {

inline void add_sampling(const Command& command, SamplerOptions& sampling) {
  const auto option = [&](const char* names, auto& value, const char* help) {
    command.add_option(names, value, help).show_default().group("Sampling");
  };
  option("--temp,--temperature", sampling.temperature, "0: always the most probable token");
  option("--top-k", sampling.top_k, "Keep this many of the most probable tokens; 0: all");
  option("--top-p", sampling.top_p, "Keep the most probable tokens with this mass; 1: all");
  option("--min-p", sampling.min_p, "Keep tokens at least this probable relative to the best; 0: all");
  option("--typical", sampling.typical_p, "Locally typical sampling with this mass; 1: off");
  option("--repeat-penalty", sampling.repetition_penalty, "Divides the logits of recent tokens; 1: off");
  option("--frequency-penalty", sampling.frequency_penalty, "Subtracted once per recent occurrence");
  option("--presence-penalty", sampling.presence_penalty, "Subtracted from every token that occurred recently");
  option("--repeat-last-n", sampling.penalty_last_n, "How many tokens are recent; -1: all");
  option("-s,--seed", sampling.seed, "The same seed gives the same text");
}

/// To be called before a model is loaded. @throws UsageError for options that no sampler takes.
inline void check_sampling(const SamplerOptions& sampling) {
  as_usage([&] { check_options(sampling, std::numeric_limits<Token>::max()); });
}

}  // namespace plumb::cli
