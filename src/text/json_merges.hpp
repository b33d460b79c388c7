#pragma once
/// @file
/// The merges of a tokenizer.json: half a million pairs of spellings, each to be found in the vocabulary.

#include <span>
#include <string>
#include <string_view>

#include "large_list.hpp"
#include "merge_table.hpp"
#include "word_model.hpp"

namespace plumb::inline PLUMB_ABI {

/// `json`: an array of "left right" or ["left", "right"]. `continuing_prefix`: what `right` begins with and `left
/// right` together does not have there. @throws Error{bad_value, wrong_type} for malformed text, {bad_tokenizer} for a
/// merge that is not two spellings, or whose parts or result are no tokens.
/// `commas`: places between elements, where the array may be cut to be read by several threads; may be empty.
LargeList<Merge> read_json_merges(std::string_view json, std::span<const std::size_t> commas, const std::string& source,
                                  const ModelPieces& pieces, std::string_view continuing_prefix);

}  // namespace plumb
