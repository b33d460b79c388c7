#pragma once
/// @file
/// The merges of a tokenizer.json: half a million pairs of spellings, each to be found in the vocabulary.

#include <string>
#include <string_view>
#include <vector>

#include "merge_table.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

/// `json`: an array of "left right" or ["left", "right"]. `continuing_prefix`: what `right` begins with and `left
/// right` together does not have there. @throws Error{bad_value, wrong_type} for malformed text, {bad_tokenizer} for a
/// merge that is not two spellings, or whose parts or result are no tokens.
std::vector<Merge> read_json_merges(std::string_view json, const std::string& source, const ModelPieces& pieces,
                                    std::string_view continuing_prefix);

}  // namespace plumb
