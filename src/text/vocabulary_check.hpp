#pragma once
/// @file
/// Refuses vocabularies that contradict themselves.

#include "piece_index.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

/// @throws Error{bad_tokenizer} for lengths that differ, a type outside the enumeration, a NaN score, a text token
/// without spelling, a byte token not spelled <0xHH>; {duplicate} for two tokens with one spelling; {out_of_range} for
/// a special id outside the vocabulary. Messages name source, key and token.
void check_vocabulary(const Vocabulary& vocabulary, const PieceIndex& index);

}  // namespace plumb
