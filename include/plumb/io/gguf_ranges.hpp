#pragma once
/// @file
/// The header of a GGUF file that is elsewhere, read in ranges: what a model is, without its weights and without most
/// of its vocabulary.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "plumb/io/model_file.hpp"

namespace plumb::inline PLUMB_ABI {

/// A file of which ranges can be had.
struct RangeReader {
  std::uint64_t size = 0;  ///< of the whole file
  /// Fills `out` with the bytes from `offset` on, all of them inside the file.
  std::function<void(std::uint64_t offset, std::span<std::byte> out)> read;
};
/// Opens the file of a name: the model, or another part of it beside the first. @throws what it likes.
using OpenRanges = std::function<RangeReader(const std::string& name)>;

/// Most bytes that are asked for, of all parts together.
inline constexpr std::uint64_t kMostRangeBytes = 2'000'000;

/// A model file without its data: every byte of a tensor reads as zero.
struct RangedModel {
  ModelFile file;
  std::uint64_t bytes = 0;    ///< of all parts, as they are
  std::uint64_t fetched = 0;  ///< of these
};

/// Reads keys and the list of tensors, in ranges that grow as they follow each other. Long arrays are stepped over and
/// missing in the result; where long arrays of strings (tokens, merges), of which nothing says how long they are, end
/// is found by looking at few places.
/// @throws as GgufFile::open; Error{truncated, bad_value} for headers that end too early or are malformed,
/// {unsupported_type} for one that `most` bytes do not reach around.
PLUMB_API RangedModel open_gguf_by_ranges(const std::string& name, const OpenRanges& open,
                                          std::uint64_t most = kMostRangeBytes);

}  // namespace plumb
