#include "sampler_options.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

[[noreturn]] void fail(std::string_view option, const std::string& found, std::string_view expected,
                       ErrorCode code = ErrorCode::invalid_argument) {
  throw Error(code, "sampling: " + std::string(option) + " is " + found + ", expected " + std::string(expected));
}

void check_probability(std::string_view option, float value) {
  if (!(value >= 0.0f && value <= 1.0f)) fail(option, std::to_string(value), "0 to 1");
}

void check_finite(std::string_view option, float value) {
  if (!std::isfinite(value)) fail(option, std::to_string(value), "a finite number");
}

}  // namespace

void check_options(const SamplerOptions& options, std::int64_t n_vocab) {
  if (n_vocab < 1 || n_vocab > std::numeric_limits<Token>::max())
    fail("vocabulary size", std::to_string(n_vocab), "1 to 2147483647");
  if (!(options.temperature >= 0.0f) || !std::isfinite(options.temperature))
    fail("temperature", std::to_string(options.temperature), "0 (greedy) or a positive number");
  if (options.top_k < 0) fail("top_k", std::to_string(options.top_k), "0 (all) or a positive count");
  check_probability("typical_p", options.typical_p);
  check_probability("top_p", options.top_p);
  check_probability("min_p", options.min_p);
  if (!(options.repetition_penalty > 0.0f) || !std::isfinite(options.repetition_penalty))
    fail("repetition_penalty", std::to_string(options.repetition_penalty), "a positive number, 1 = none");
  check_finite("frequency_penalty", options.frequency_penalty);
  check_finite("presence_penalty", options.presence_penalty);
  if (options.penalty_last_n < -1)
    fail("penalty_last_n", std::to_string(options.penalty_last_n), "-1 (all), 0 (none) or a count");
  if (options.logprobs < -1) fail("logprobs", std::to_string(options.logprobs), "-1 (none) or a count");
  for (const LogitBias& bias : options.logit_bias) {
    if (bias.token < 0 || bias.token >= n_vocab)
      fail("the token of a logit_bias", std::to_string(bias.token), "0 to " + std::to_string(n_vocab - 1),
           ErrorCode::out_of_range);
    if (std::isnan(bias.bias) || bias.bias == std::numeric_limits<float>::infinity())
      fail("a logit_bias", std::to_string(bias.bias), "a finite number, or -infinity to ban the token");
  }
}

}  // namespace plumb
