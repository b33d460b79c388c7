#pragma once
/// @file
/// Which tokens end a generation, and which are control tokens whatever the file calls them.

#include <vector>

#include "piece_index.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// All tokens that end a generation: eos, eot, eom, extra_ends, and those whose spelling is known to end a turn or a
/// text in some model family; ascending. GGUF files name only the first of a family's several end tokens.
std::vector<Token> find_end_tokens(const Vocabulary& vocabulary, const PieceIndex& index);

/// Makes tokens with the spelling of a turn or document mark control tokens, since some converters call them normal.
void mark_control_tokens(Vocabulary& vocabulary, const PieceIndex& index);

/// The first of the known end-of-turn spellings that is a token, or kNoToken.
Token find_end_of_turn(const PieceIndex& index);

}  // namespace plumb
