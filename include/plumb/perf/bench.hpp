#pragma once
/// @file
/// Whole-model speed in the terms that users of llama-bench know: prompt processing and text generation, at a depth.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/model/model.hpp"

namespace plumb::inline PLUMB_ABI {

/// What one repetition times: `prompt` tokens read in one go, then `generate` tokens read one at a time, by each of
/// `sequences` sequences that hold `depth` tokens already. Filling the depth is not timed.
struct BenchTest {
  int prompt = 0;
  int generate = 0;
  int depth = 0;
  int sequences = 1;

  /// Tokens that one repetition reads, over all sequences.
  std::int64_t tokens() const { return (std::int64_t{prompt} + generate) * sequences; }
  /// "pp512", "tg128", "pp512+tg128", "tg128 @ d3500", "tg128 x4".
  std::string name() const;
};

/// How to run it.
struct BenchSettings {
  int threads = 0;        ///< 0 = OMP_NUM_THREADS or all processors
  int batch = 512;        ///< rows of one forward pass of a prompt
  DType kv = DType::f16;  ///< f32, f16 or i8
  int repetitions = 5;
  bool warmup = true;  ///< one repetition before the timed ones (of generation: one token)
};

/// What came out.
struct BenchResult {
  BenchTest test;
  BenchSettings settings;       ///< with the threads that were used
  std::vector<double> seconds;  ///< of each repetition

  /// Tokens per second of each repetition.
  std::vector<double> rates() const;
  double mean_rate() const;
  /// Sample standard deviation; 0 for one repetition.
  double rate_deviation() const;
};

/// Runs one test in a session of its own. Tokens are pseudo-random, and what was computed is checked to be finite.
/// @throws Error{invalid_argument} for a test without tokens, negative numbers or fewer than one repetition, and the
/// errors of Session; Error{bad_value} when logits are not finite.
PLUMB_API BenchResult run_bench(const Model& model, const BenchTest& test, const BenchSettings& settings);

/// The matrices of one role (all layers) that have one type.
struct TensorClass {
  std::string role;  ///< "attn_q", "output"
  DType type;
  int count = 0;          ///< matrices
  std::size_t bytes = 0;  ///< of all of them
  bool fast = true;       ///< packed, and the tier has kernels for the type
};

/// Types of the weights by role, in the order of a forward pass. The embedding, whose rows are only looked up, counts
/// as fast.
PLUMB_API std::vector<TensorClass> tensor_classes(const Model& model);

/// "Q4_0: all", or roles and how many matrices by type: "Q4_K: attn_q x22 attn_v x11 ...; Q6_K: attn_v x11 output x1".
PLUMB_API std::string describe_types(const std::vector<TensorClass>& classes);

}  // namespace plumb
