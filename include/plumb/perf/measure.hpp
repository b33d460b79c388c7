#pragma once
/// @file
/// Measuring a model: what a pass must do and move by the ledger, how long it took, and so what was achieved.

#include <array>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/session.hpp"
#include "plumb/perf/ledger.hpp"
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/system_info.hpp"

namespace plumb::inline PLUMB_ABI {

/// The types in which a bound model stores its matrices.
PLUMB_API WeightTypes weight_types(const Model& model);

/// What to run. Lengths are cut to what the context holds.
struct MeasureOptions {
  int prompt = 256;             ///< tokens of the measured prefill, read by one sequence; 0 = none
  int tokens = 32;              ///< tokens decoded one by one, by each of session.sequences side by side; 0 = none
  int depth = 0;                ///< tokens in the cache of each sequence before either
  int repetitions = 5;          ///< the two are timed in turn this often; the median counts
  double max_seconds = 10;      ///< no further repetition starts after this long; at least one is made
  SessionOptions session = {};  ///< context 0: as much as the lengths need
  /// Called before each timed run with what is coming and how much of the measurement is done, 0 to 1.
  std::function<void(std::string_view what, double done)> progress = {};
};

/// The options with lengths cut to what the context of this configuration holds, and a context.
/// @throws Error{invalid_argument} for lengths that are negative or together 0, Error{context_overflow} for a depth
/// that leaves no room.
PLUMB_API MeasureOptions fitted_options(MeasureOptions options, const ModelSpec& spec);

/// Ledgers of the forward passes that one repetition makes, in order.
struct TimedPasses {
  std::vector<Ledger> prefill, decode;
};

/// The passes of a measurement with fitted options. `exact` as in LoadOptions.
PLUMB_API TimedPasses timed_passes(const ModelSpec& spec, const WeightTypes& weights, const MeasureOptions& options,
                                   bool exact = false);

/// Where the time of a run goes: means over the threads, so that busy and meeting add up to seconds.
struct TracedRun {
  double seconds = 0;
  std::array<double, std::size(kAllOps)> busy = {};  ///< work on each operation, by Op
  double meeting = 0;                                ///< waiting for each other, opening and closing the region
};

/// One kind of pass, timed.
struct PLUMB_API PassTiming {
  int tokens = 0;                       ///< new tokens in a timed run; 0: not measured
  int passes = 0;                       ///< forward passes in a timed run
  std::vector<double> seconds;          ///< of each repetition
  Ledger work;                          ///< of a whole run
  std::optional<TracedRun> trace = {};  ///< of the fastest traced run

  double median() const;
  double fastest() const;
  double slowest() const;
  double tokens_per_second() const { return tokens / median(); }
  /// Of decoding: how long a token takes to come.
  double seconds_per_pass() const { return median() / passes; }
  /// The value that this share of the runs does not exceed; between runs, the line from one to the next.
  double quantile(double share) const;
  /// The middle half of the runs: third quartile less first, as a share of the median. One run that the system
  /// interrupted does not move it.
  double spread() const { return (quantile(0.75) - quantile(0.25)) / median(); }
  /// Bytes of weights, keys and values over time, in 10^9 a second.
  double gigabytes_per_second() const;
  /// Arithmetic operations over time, in 10^9 a second.
  double gigaops_per_second() const { return work.operations().total() / median() * 1e-9; }
};

/// A measured model.
struct Measurement {
  std::string name;  ///< of the model, or where it came from
  ModelSpec spec;
  WeightTypes weights;
  ParameterCount parameters;
  double weight_bytes = 0;        ///< all weights, a tied head once
  double kv_bytes_per_token = 0;  ///< keys and values that one token adds to the cache
  Operations token_operations;    ///< of decoding one token at the middle of the measured positions
  Traffic token_bytes;            ///< likewise
  int depth = 0, threads = 0, sequences = 1;
  DType kv = DType::f32;
  std::string tier;     ///< instruction set of the kernels
  std::string kernels;  ///< which matrices have which type, and whether the tier has packed kernels for it
  SystemInfo system;    ///< processor, page size, huge pages, governor, load at the time
  PassTiming prefill, decode;
};

/// A model under measurement. Repetitions of several can be interleaved, so that what disturbs the machine for a while
/// disturbs all of them.
class PLUMB_API Measuring {
 public:
  /// Makes the session, fills the cache to the depth and runs one token, which touches all weights.
  /// @throws as fitted_options and Session.
  Measuring(const Model& model, const MeasureOptions& options);

  /// Times one prefill and one run of decoding. `done` says for the progress callback how far the whole is, 0 to 1, and
  /// `next` where it will be.
  void repeat(double done = 0, double next = 1);

  /// Runs both `runs` times more with the clock on every operation; the fastest run of each is the trace of the result.
  /// Not among the timed runs.
  void trace(int runs = 1);

  const Measurement& result() const { return result_; }
  Session& session() { return session_; }

 private:
  void decode_all(int first, int count);
  void read_prompt();
  void generate();
  void rewind();
  void announce(std::string_view what, double done) const;

  MeasureOptions options_;
  Session session_;
  std::vector<Token> text_;
  std::vector<BatchRow> rows_;
  Measurement result_;
};

/// Runs and times the model. @throws as Measuring.
PLUMB_API Measurement measure(const Model& model, const MeasureOptions& options = {});

}  // namespace plumb
