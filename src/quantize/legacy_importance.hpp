#pragma once
/// @file
/// The binary importance files that came before the GGUF form.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "plumb/quantize/importance.hpp"

namespace plumb::inline PLUMB_ABI::detail {

/// Layout, all little-endian: i32 entries; for each i32 length, name, i32 calls, i32 values, f32 values[]: the mean
/// squares times `calls`; then, optionally, i32 chunks, i32 length, name of the text. @throws Error{truncated,
/// bad_value, duplicate} naming file, entry and field.
void read_legacy_importance(std::span<const std::byte> bytes, const std::string& file,
                            std::map<std::string, ImportanceEntry, std::less<>>& entries,
                            std::vector<std::string>& datasets, std::uint32_t& chunk_count);

}  // namespace plumb::detail
