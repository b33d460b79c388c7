#pragma once
/// What a session makes of its options: checked, and with the model's own where they say nothing.

#include <algorithm>
#include <cstdint>
#include <string>

#include "plumb/core/parallel.hpp"
#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {

inline constexpr int kMaxSequences = 1 << 16, kMaxBatch = 1 << 20, kMaxCheckpoints = 1 << 16;

/// @throws Error{invalid_argument} for an option outside [low, high].
inline int option_in_range(const char* name, int value, int low, int high) {
  if (value < low || value > high)
    throw Error(ErrorCode::invalid_argument, std::string(name) + " " + std::to_string(value) + ": expected " +
                                                 std::to_string(low) + " to " + std::to_string(high));
  return value;
}

inline int chosen_threads(const SessionOptions& options) {
  const int wanted = option_in_range("threads", options.threads, 0, kMostThreads);
  return wanted == 0 ? default_threads() : granted_threads(wanted);
}

inline int chosen_context(const SessionOptions& options, const ModelSpec& spec) {
  const int context =
      option_in_range("context", options.context, 0, SpecLimits::kContext) == 0 ? spec.context : options.context;
  if (spec.embedding.positions && context > spec.context)
    throw Error(
        ErrorCode::invalid_argument,
        "context " + std::to_string(context) + ": the model's table of positions has " + std::to_string(spec.context));
  return context;
}

/// No more rows than all sequences can hold together.
inline int chosen_batch(const SessionOptions& options, const ModelSpec& spec) {
  const std::int64_t all = std::int64_t{chosen_context(options, spec)} * options.sequences;
  return static_cast<int>(std::min<std::int64_t>(option_in_range("batch", options.batch, 1, kMaxBatch), all));
}

}  // namespace plumb
