#pragma once
/// @file
/// Measuring a model: what a pass must do and move by the ledger, how long it took, and so what was achieved.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/session.hpp"
#include "plumb/perf/ledger.hpp"
#include "plumb/perf/parameters.hpp"

namespace plumb {

/// The types in which a bound model stores its matrices.
WeightTypes weight_types(const Model& model);

/// What to run. Lengths are cut to what the context holds.
struct MeasureOptions {
  int prompt = 256;             ///< tokens of the measured prefill; 0 = none
  int tokens = 32;              ///< tokens decoded one by one; 0 = none
  int depth = 0;                ///< tokens in the cache before either
  int repetitions = 5;          ///< the two are timed in turn this often; the median counts
  double max_seconds = 10;      ///< no further repetition starts after this long; at least one is made
  SessionOptions session = {};  ///< context 0: as much as the lengths need
  /// Called before each timed run with what is coming and how much of the measurement is done, 0 to 1.
  std::function<void(std::string_view what, double done)> progress = {};
};

/// One kind of pass, timed.
struct PassTiming {
  int tokens = 0;               ///< new tokens in a timed run; 0: not measured
  std::vector<double> seconds;  ///< of each repetition
  Ledger work;                  ///< of a whole run

  double median() const;
  double fastest() const;
  double slowest() const;
  double tokens_per_second() const { return tokens / median(); }
  /// Bytes of weights, keys and values over time, in 10^9 a second.
  double gigabytes_per_second() const;
  /// Arithmetic operations over time, in 10^9 a second.
  double gigaops_per_second() const { return work.operations().total() / median() * 1e-9; }
};

/// A measured model.
struct Measurement {
  std::string name;  ///< of the model, or where it came from
  ModelConfig config;
  WeightTypes weights;
  ParameterCount parameters;
  double weight_bytes = 0;        ///< all weights, a tied head once
  double kv_bytes_per_token = 0;  ///< keys and values that one token adds to the cache
  Operations token_operations;    ///< of decoding one token at the middle of the measured positions
  Traffic token_bytes;            ///< likewise
  int depth = 0, threads = 0;
  DType kv = DType::f32;
  std::string tier;  ///< instruction set of the kernels
  PassTiming prefill, decode;
};

/// Runs and times the model. @throws Error{invalid_argument} for lengths that are negative or together 0,
/// Error{context_overflow} for a depth that leaves no room, and what Session throws.
Measurement measure(const Model& model, const MeasureOptions& options = {});

}  // namespace plumb
