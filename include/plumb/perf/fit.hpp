#pragma once
/// @file
/// The prediction turned round: which models a machine runs within a budget of time and memory.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/perf/machine.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/perf/predict.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a model may cost. Times hold at the end of the context, where a token takes longest.
struct Budget {
  double latency = 0;           ///< seconds per token; 0: any
  double memory = 0;            ///< bytes of weights, keys and values, and scratch; 0: what the machine has
  std::int64_t context = 4096;  ///< positions
  double first_token = 0;       ///< seconds until the first token; 0: any
  std::int64_t prompt = 512;    ///< tokens of the prompt that comes before it
};

/// Where to look.
struct FitOptions {
  Budget budget;
  std::vector<std::string> types;  ///< as weight_types_by_name; empty: Q4_0, Q8_0, F16 and between, see kFitTypes
  DType kv = DType::f32;
  int threads = 0;          ///< 0: all that the profile knows
  bool free_shape = false;  ///< free width and depth of a Llama shape instead of presets
  bool runnable = false;    ///< only models that have a forward pass here
};

/// The types that are tried when none are named, fewest bits first.
inline constexpr std::string_view kFitTypes[] = {"q4_0", "q4_k", "q5_k", "q6_k", "q8_0", "f16"};

/// A model within the budget.
struct FitChoice {
  std::string name;
  ModelSpec spec;
  std::string type;  ///< the one with the most bits that meets the budget
  Forecast forecast;
  bool runnable = true;  ///< has a forward pass here
  double latency() const { return forecast.decode_full.seconds(); }
};

/// Models that meet the budget, most parameters first, each with the most bits per weight that it can afford. Models
/// whose own context is shorter than the budget's do not qualify.
/// @throws Error{invalid_argument} for a budget that is negative, not finite or without a limit, or a prompt longer
/// than the context; as weight_types_by_name.
std::vector<FitChoice> fit_models(const FitOptions& options, const Machine& machine);

/// The Llama shape of `width` (a multiple of 128) that fit_models tries: heads of 64, a quarter as many KV heads, a
/// feed-forward block of 8/3 widths, a layer per 64 of width up to 4096 and a growth with the square root beyond, 32000
/// tokens and a tied head. @throws Error{bad_value} as check_spec.
ModelSpec free_shape(int width, std::int64_t context);

/// Measures a choice with random weights at the end of its context. @throws as Model::random and measure, and
/// Error{unsupported_architecture} when it has no forward pass here.
Measurement verify_choice(const FitChoice& choice, const FitOptions& options,
                          const std::function<void(std::string_view what, double done)>& progress = {});

}  // namespace plumb
