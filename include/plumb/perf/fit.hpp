#pragma once
/// @file
/// The prediction in reverse: which models a machine runs within a budget of time and memory.

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
  double latency = 0;           ///< seconds between two tokens of a user; 0: any
  double memory = 0;            ///< bytes of weights, keys and values, and scratch; 0: any
  std::int64_t context = 4096;  ///< positions of each user
  double first_token = 0;       ///< seconds until the first token, no other user's prompt being read; 0: any
  std::int64_t prompt = 512;    ///< tokens of the prompt that comes before it
  std::int64_t users = 1;       ///< sequences that are decoded side by side, each with a cache of its own
};

/// Where to look.
struct FitOptions {
  Budget budget;
  std::vector<std::string> types;  ///< as weight_types_by_name; empty: those of kFitTypes
  DType kv = DType::f32;
  int threads = 0;          ///< 0: all that the profile knows
  bool free_shape = false;  ///< free width and depth of a Llama shape instead of presets
  bool runnable = false;    ///< only models that have a forward pass here
  double score = 0;         ///< only presets with at least this published score (percent); 0: all
};

/// The types that are tried when none are named, fewest bits first. 16 bits are twice as large as Q8_0 and hardly
/// better.
inline constexpr std::string_view kFitTypes[] = {"q4_0", "q4_k_m", "q5_k_m", "q6_k", "q8_0"};

/// How far a model is beyond each limit of a budget, as a share of the limit; 0: within it.
struct Excess {
  double latency = 0, memory = 0, first_token = 0;
  double worst() const;
};

/// A model, in a type, and what it costs.
struct PLUMB_API FitChoice {
  std::string name;
  ModelSpec spec;
  std::string type;
  Forecast forecast;
  bool runnable = true;               ///< has a forward pass here
  double file_bytes = 0;              ///< of a GGUF file of it
  std::vector<std::string> others{};  ///< presets of the same shape, which cost the same
  Excess excess{};                    ///< of misses
  double latency() const { return forecast.decode_full.seconds(); }
};

/// A preset that nobody trained for as many positions as the budget asks for.
struct ShortContext {
  std::string name;
  std::int64_t context = 0;
};

/// What fits, and what else there is to say.
struct FitResult {
  std::vector<FitChoice> choices;            ///< most parameters first
  std::vector<FitChoice> misses;             ///< where nothing fits: the nearest first, each in its nearest type
  std::vector<ShortContext> short_contexts;  ///< not looked at
};

/// Models that meet the budget, each in the type with the most bits that does. Presets of the same cost are one choice.
/// @throws Error{invalid_argument} for a budget that is negative, not finite or without a limit, or a prompt longer
/// than the context; as weight_types_by_name.
PLUMB_API FitResult fit_models(const FitOptions& options, const Machine& machine);

/// The share of a predicted time that it may be off by. Nothing so far: profiles do not hold their spread yet.
PLUMB_API std::optional<double> margin_of(const Prediction& prediction);

/// The Llama shape of `width` (a multiple of 128) that fit_models tries: heads of 64, a quarter as many KV heads, a
/// feed-forward block of 8/3 widths, a layer per 64 of width up to 4096 and a growth with the square root beyond, 32000
/// tokens and a tied head. @throws Error{bad_value} as check_spec.
PLUMB_API ModelSpec free_shape(int width, std::int64_t context);

/// Measures a choice with random weights at the end of its context, for as many users. @throws as Model::random and
/// measure, and Error{unsupported_architecture} when it has no forward pass here.
PLUMB_API Measurement verify_choice(const FitChoice& choice, const FitOptions& options,
                                    const std::function<void(std::string_view what, double done)>& progress = {});

}  // namespace plumb
