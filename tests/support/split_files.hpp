#pragma once
/// Split models: the parts of a built file, and their files.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::test {

/// "m-00002-of-00003.gguf" for part 1 of 3.
inline std::string part_name(std::size_t part, std::size_t count, std::string_view name = "m") {
  const auto five = [](std::size_t n) {
    const std::string digits = std::to_string(n);
    return std::string(5 - digits.size(), '0') + digits;
  };
  return std::string(name) + "-" + five(part + 1) + "-of-" + five(count) + ".gguf";
}

/// Tensors dealt to parts in runs, metadata in the first, as other engines split files. The first has no tensors when
/// `metadata_alone`.
inline std::vector<GgufBuilder> split(const GgufBuilder& whole, std::size_t count, bool metadata_alone = false) {
  std::vector<GgufBuilder> parts(count);
  parts[0].pairs = whole.pairs;
  const std::size_t first = metadata_alone ? 1 : 0, n = whole.tensors.size();
  for (std::size_t i = 0; i < n; ++i) parts[first + i * (count - first) / n].tensors.push_back(whole.tensors[i]);
  for (std::size_t p = 0; p < count; ++p) {
    parts[p].set("split.no", value_type::u16, encoded(static_cast<std::uint16_t>(p)));
    parts[p].set("split.count", value_type::u16, encoded(static_cast<std::uint16_t>(count)));
    parts[p].set("split.tensors.count", value_type::i32, encoded(static_cast<std::int32_t>(n)));
  }
  return parts;
}

/// Writes the parts under their names and answers the path of the first.
inline std::filesystem::path write_parts(const TempDir& dir, const std::vector<GgufBuilder>& parts) {
  for (std::size_t p = 0; p < parts.size(); ++p) dir.file(part_name(p, parts.size()), parts[p].bytes());
  return dir / part_name(0, parts.size());
}

}  // namespace plumb::test
