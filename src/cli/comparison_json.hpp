#pragma once
/// A comparison of two models as JSON.

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "plumb/model/evaluate.hpp"

namespace plumb::cli {

inline Json comparison_json(const LogitComparison& c) {
  const auto estimate = [](const Estimate& e) -> Json { return {{"value", e.value}, {"error", e.error}}; };
  return {{"scored_tokens", c.base.scored},
          {"context", c.base.context},
          {"stride", c.base.stride},
          {"base_perplexity", estimate(c.base.perplexity())},
          {"other_perplexity", estimate(c.other.perplexity())},
          {"base_nll", estimate(c.base.nll)},
          {"other_nll", estimate(c.other.nll)},
          {"nll_difference", estimate(c.nll_difference)},
          {"kl_mean", estimate(c.kl)},
          {"kl_median", c.kl_median},
          {"kl_99", c.kl_99},
          {"kl_max", c.kl_max},
          {"top1_agreement", estimate(c.top1)},
          {"top5_agreement", estimate(c.top5)},
          {"logits_nmse", estimate(c.logits_nmse)}};
}

}  // namespace plumb::cli
