#pragma once
/// @file
/// How good the prediction is: models that played no part in measuring the machine are predicted, then run.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/spec.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {

/// One thing to predict and measure: reading a prompt, or decoding a token of each sequence at a depth.
struct VerifyCase {
  ModelSpec spec;
  DType type = DType::q4_0;
  int prompt = 0;     ///< > 0: read so many tokens; else decode
  int depth = 0;      ///< tokens that each sequence holds before
  int sequences = 1;  ///< decoded side by side

  bool decodes() const { return prompt == 0; }
  std::string name() const;  ///< "stories-15m Q4_0 tg1 x4 @ d512"
};

/// The cases that the project reports: known models and made-up shapes from about 1 million to 1.1 billion parameters,
/// F16, Q8_0, Q4_0, Q4_K and Q6_K, depths of 0 to 3500, one sequence and four, prompts of 128 and 512; three hybrids
/// and three mixtures of experts. None of these shapes, nor any of their matrices, takes part in measuring a machine.
std::vector<VerifyCase> held_out_cases();

/// A case with both times, of one pass: the prompt, or one token of each sequence.
struct VerifyResult {
  VerifyCase what;
  double predicted = 0, measured = 0;  ///< seconds
  double profile_alone = 0;            ///< predicted with the profile as it is, however long ago it was measured
  double memory = 1;                   ///< bandwidth at the case's working set, now over then
  double moving = 0;                   ///< share of the measured time that weights and states take at this bandwidth
  double spread = 0;                   ///< the median repetition over the one that counts, less one
  double error() const { return predicted / measured - 1; }
  double error_alone() const { return profile_alone / measured - 1; }
};

/// Magnitudes of errors: the middle one, and the one that nine in ten do not exceed.
struct ErrorSummary {
  int cases = 0;
  double median = 0, p90 = 0;
};
/// Of the cases that decode, or of those that read a prompt. `alone`: with the profile as it is.
ErrorSummary summarize(const std::vector<VerifyResult>& results, bool decode, bool alone = false);

/// How to verify.
struct VerifyOptions {
  int threads = 0;                        ///< 0: as many as the machine makes use of
  int repetitions = 5;                    ///< at least; the lower quartile counts
  std::vector<std::string> filters = {};  ///< only cases whose name contains one of these; empty: all
  std::function<void(double fraction, std::string_view what)> progress = {};
};

/// Predicts and runs. What a shared machine changes is measured again between the cases (`refreshed`), and the
/// prediction is the mean of those with the machine before the case and after it. A case whose repetitions differ
/// widely was disturbed and is run again, twice at most, whatever its error. @throws as Model::random and run_bench.
std::vector<VerifyResult> verify(const std::vector<VerifyCase>& cases, const Machine& machine,
                                 const VerifyOptions& options = {});

}  // namespace plumb
