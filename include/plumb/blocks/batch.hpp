#pragma once
/// @file
/// What a forward pass takes: rows of (token, position, sequence). One sequence is the special case of one; a prompt,
/// one step of generation, a step of many sequences and the check of a guess all use the same entry.

#include <cstdint>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// One row of a batch.
struct BatchRow {
  Token token = 0;
  std::int32_t position = 0;  ///< 0 for the first token of a sequence
  std::int32_t sequence = 0;
  bool logits = false;  ///< the row asks for what the pass makes: logits, unless PassOutput says otherwise
};

/// What a pass makes of the rows that ask.
enum class PassOutput {
  logits,  ///< by the head, which the model must have
  states,  ///< the stream after the last norm, of which embeddings are made
};

}  // namespace plumb
