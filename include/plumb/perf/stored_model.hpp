#pragma once
/// @file
/// What a model file holds, of whatever architecture: parameters, bytes, and what a token must read of them. For files
/// whose architecture nobody here can describe.

#include <cstdint>
#include <string>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {

/// The tensors of one element type.
struct StoredType {
  DType type = DType::f32;
  std::int64_t tensors = 0, parameters = 0;
  double bytes = 0;
};

/// A model by its tensors alone.
struct PLUMB_API StoredModel {
  std::string name, architecture;  ///< printable; empty where no key says it
  std::vector<StoredType> types;   ///< most bytes first
  std::int64_t parameters = 0;
  double bytes = 0;  ///< of all tensors
  /// What decoding a token reads: everything once, but of experts the share that is used, and of tables of tokens and
  /// positions a row, unless the table is the head.
  double token_bytes = 0;
  int experts = 0, experts_used = 0;       ///< 0: the file has none
  std::vector<std::string> left_out = {};  ///< what belongs to pictures or sounds and is not counted, a sentence each

  /// Time of a token by bytes and bandwidth alone: no token is faster.
  double seconds_per_token(const Machine& machine, int threads) const;
};

/// Adds up the tensors of a file.
PLUMB_API StoredModel describe_stored(const ModelFile& file);

}  // namespace plumb
