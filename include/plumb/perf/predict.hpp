#pragma once
/// @file
/// The prediction: the ledger of a pass, priced by the profile of a machine.
///
///   product     multiply-adds / rate of the type's kernel, as measured for that many columns with weights that live
///               where those of this pass live (a core's cache, the last cache, memory)
///   attention   KV heads x start + scores x time of a score, keys and values coming from there as well
///   both        and what they take beyond that in the passes of probe models, where activations lie in another core's
///               cache and weights are not yet on their way
///   the rest    a start and a time per value, as probe models take them
///   meeting     what probe models spend in barriers: per layer, per pass, and as a share of the work
///
/// Everything is shared out as the forward pass does, so an operation takes as long as its busiest worker. Where a
/// profile has no such measurement (that of another tool, say), bytes / bandwidth and operations / peak stand in.
/// Beside the expected time stand the two ceilings of the hardware, bytes / bandwidth and operations / peak rate; which
/// of them binds is part of the answer.

#include <string_view>
#include <vector>

#include "plumb/perf/ledger.hpp"
#include "plumb/perf/machine.hpp"
#include "plumb/perf/parameters.hpp"

namespace plumb::inline PLUMB_ABI {

/// What an operation waits for.
enum class Ceiling {
  memory,      ///< bandwidth of main memory
  cache,       ///< bandwidth of a cache: the working set fits
  arithmetic,  ///< the rate of multiplies and adds, unpacking included
  meeting,     ///< threads waiting for each other
};

constexpr std::string_view ceiling_name(Ceiling ceiling) {
  switch (ceiling) {
    case Ceiling::memory: return "memory";
    case Ceiling::cache: return "cache";
    case Ceiling::arithmetic: return "arithmetic";
    case Ceiling::meeting: return "meeting";
  }
  return "unknown";
}

/// Predicted time of one operation and the ceilings above it.
struct OpTime {
  Op op;
  int layer = -1;
  double memory_seconds = 0;      ///< bytes / bandwidth of the level where they live
  double arithmetic_seconds = 0;  ///< operations / peak rate of the unit
  double seconds = 0;             ///< expected
  Ceiling ceiling = Ceiling::arithmetic;

  /// What the ceiling that binds would take.
  double ceiling_seconds() const { return ceiling == Ceiling::arithmetic ? arithmetic_seconds : memory_seconds; }
};

/// Predicted time of a pass.
struct PLUMB_API Prediction {
  std::vector<OpTime> ops;     ///< in the order of the ledger
  double meeting_seconds = 0;  ///< barriers and the parallel region
  double working_set = 0;      ///< bytes that the pass touches
  double bandwidth = 0;        ///< bytes per second at that working set
  double seconds() const;
  /// The part of the time that each ceiling binds.
  double seconds_of(Ceiling ceiling) const;
  /// The ceiling that binds longest.
  Ceiling ceiling() const;
  /// Summed over layers.
  OpTime sum_of(Op op) const;
  Prediction& operator+=(const Prediction& other);
};

/// Divides a ledger by a machine, for `threads` threads.
PLUMB_API Prediction predict(const Ledger& ledger, const Machine& machine, int threads);

/// Work and prediction of several passes.
struct PassForecast {
  Ledger work;
  Prediction prediction;
};

/// Reading `prompt` tokens behind `depth` others, in passes of at most `batch` rows; only the last asks for logits.
/// `pass` gives types. @throws Error{invalid_argument}.
PLUMB_API PassForecast forecast_prompt(const ModelSpec& spec, PassOptions pass, std::int64_t depth, std::int64_t prompt,
                                       std::int64_t batch, const Machine& machine, int threads);

/// What is asked of a model.
struct ForecastOptions {
  WeightTypes weights = DType::f16;
  DType kv = DType::f32;        ///< as sessions have it unless told otherwise
  std::int64_t context = 4096;  ///< positions the session has room for
  std::int64_t prompt = 512;    ///< tokens read before the first is generated
  std::int64_t sequences = 1;   ///< decoded side by side
  std::int64_t batch = 512;     ///< rows of one pass while the prompt is read
  int threads = 0;              ///< 0: as many as the machine makes use of
};

/// Predicted latency and memory of a model on a machine.
struct Forecast {
  ParameterCount parameters;
  MemoryUse memory;
  int threads = 1;
  Prediction prefill;      ///< reading the prompt, logits of its last token included; or making its embedding
  bool generates = true;   ///< false: the model makes embeddings alone, and what follows is empty
  Prediction decode;       ///< one token of each sequence right after the prompt
  Prediction decode_full;  ///< the same at the end of the context
  Ledger decode_ledger;    ///< what `decode` was divided from
  Ledger prefill_ledger;   ///< the passes of `prefill` one after the other
  bool fits = true;        ///< memory() is within what the machine has

  double time_to_first_token() const { return prefill.seconds(); }
  double time_per_token() const { return decode.seconds(); }
};

/// @throws Error{bad_value} for a configuration, {invalid_argument} for options that make no sense.
PLUMB_API Forecast forecast(const ModelSpec& spec, const ForecastOptions& options, const Machine& machine);

}  // namespace plumb
