#pragma once
/// @file
/// Where the time of a model goes: for every operation of a pass what it must do and move (the ledger), how long it
/// should take (the prediction), how long it took (a trace of the real pass), and how near that is to the ceiling that
/// binds it.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/session.hpp"
#include "plumb/perf/predict.hpp"

namespace plumb::inline PLUMB_ABI {

/// What to run and trace.
struct ExplainOptions {
  int prompt = 128;              ///< tokens of the traced prefill; 0 = none
  int tokens = 16;               ///< tokens of each sequence decoded in a traced run; 0 = none
  int depth = 0;                 ///< tokens that each sequence holds before either
  int repetitions = 5;           ///< the run of median duration is the one explained
  SessionOptions session = {};   ///< context 0: as much as the lengths need
  SamplerOptions sampling = {};  ///< how the next token is chosen
  std::function<void(double fraction, std::string_view what)> progress = {};
};

/// One operation of a pass, summed over layers.
struct OpReport {
  Op op;
  OpWork work;         ///< what it must do and move
  OpTime predicted;    ///< zero where nothing is predicted (sampling)
  double seconds = 0;  ///< measured: work of the busiest worker
  double waiting = 0;  ///< mean time of a worker in barriers before a product, inside and at the end of the operation

  bool by_bytes() const { return predicted.ceiling == Ceiling::memory || predicted.ceiling == Ceiling::cache; }
  /// Bytes per second of weights, keys, values and activations.
  double bytes_per_second() const { return seconds > 0 ? work.bytes.total() / seconds : 0; }
  /// Arithmetic operations per second.
  double operations_per_second() const { return seconds > 0 ? work.operations.total() / seconds : 0; }
  /// What the ceiling that binds would take, over what it took: 1 = at the ceiling.
  double share_of_ceiling() const { return seconds > 0 ? predicted.ceiling_seconds() / seconds : 0; }
};

/// One kind of pass: decoding one token of each sequence, or reading the prompt.
struct PassReport {
  double seconds = 0;          ///< measured, sampling included
  double pass_seconds = 0;     ///< measured, the forward passes alone
  double meeting_seconds = 0;  ///< measured: barriers, skew between workers, opening and closing the parallel region
  std::vector<OpReport> ops;   ///< in the order of kAllOps; together with meeting_seconds they make up `seconds`
  Ledger work;
  Prediction predicted;

  bool empty() const { return ops.empty(); }
};

/// A model explained.
struct PLUMB_API Explanation {
  std::string name;
  ModelSpec spec;
  WeightTypes weights;
  DType kv = DType::f32;
  std::string tier;  ///< instruction set of the kernels
  int threads = 0, sequences = 1, depth = 0, prompt = 0;
  PassReport decode, prefill;
};

/// Runs the model with a trace. @throws Error{invalid_argument} for lengths that are negative or all zero,
/// Error{context_overflow} when they do not fit the context, and what Session throws.
PLUMB_API Explanation explain(const Model& model, const Machine& machine, const ExplainOptions& options = {});

}  // namespace plumb
