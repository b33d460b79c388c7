#pragma once
/// Importance files in both forms, encoded independently of the library.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/gguf_builder.hpp"

namespace plumb::test {

inline std::string encoded_floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += encoded(value);
  return bytes;
}

/// A GGUF importance file: a matrix of 6 columns and a stack of 2 experts of 4.
inline GgufBuilder small_imatrix() {
  GgufBuilder file;
  file.set_string("general.type", "imatrix");
  const std::vector<std::string> datasets = {"calib.txt"};
  file.set_strings("imatrix.datasets", datasets);
  file.set_u32("imatrix.chunk_count", 3);
  file.set_u32("imatrix.chunk_size", 16);
  const auto add = [&](const char* name, std::vector<std::uint64_t> dims, const std::vector<float>& values) {
    file.tensors.push_back({name, std::move(dims), 0, encoded_floats(values), {}, {}, {}});
  };
  add("blk.0.attn_q.weight.in_sum2", {6, 1}, {1, 2, 3, 0, 5, 6});
  add("blk.0.attn_q.weight.counts", {1, 1}, {48});
  add("blk.0.ffn_up_exps.weight.in_sum2", {4, 2}, {1, 1, 2, 2, 9, 8, 7, 6});
  add("blk.0.ffn_up_exps.weight.counts", {1, 2}, {40, 8});
  return file;
}

/// One entry of the older form.
inline std::string legacy_entry(std::string_view name, std::int32_t calls, const std::vector<float>& values) {
  return encoded(static_cast<std::int32_t>(name.size())) + std::string(name) + encoded(calls) +
         encoded(static_cast<std::int32_t>(values.size())) + encoded_floats(values);
}

/// A file of the older form: two entries, the number of chunks and the name of the text.
inline std::string small_legacy_imatrix() {
  return encoded(std::int32_t{2}) + legacy_entry("blk.0.attn_q.weight", 3, {1, 2, 3, 0, 5, 6}) +
         legacy_entry("output.weight", 3, {4, 4, 2}) + encoded(std::int32_t{3}) + encoded(std::int32_t{9}) +
         "calib.txt";
}

}  // namespace plumb::test
