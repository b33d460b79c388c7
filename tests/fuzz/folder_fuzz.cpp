/// Fuzzer: any bytes as a folder: a config.json, a zero, and the header of its model.safetensors, which gets as many
/// zeros of data as it speaks of. Every tensor of a folder that is accepted is made. Seeds: fixture_corpus.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/io/open_model.hpp"
#include "tests/support/safetensors_bytes.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

constexpr std::uint64_t kMostData = std::uint64_t{1} << 21;

/// The largest number behind "data_offsets": [N, that a file may well have.
std::uint64_t data_of(std::string_view header) {
  std::uint64_t most = 0, number = 0;
  for (const char c : header) {
    if (c >= '0' && c <= '9') {
      number = std::min(number * 10 + static_cast<std::uint64_t>(c - '0'), kMostData + 1);
      continue;
    }
    if (c == ']' && number <= kMostData) most = std::max(most, number);
    number = 0;
  }
  return most;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumb;
  static const test::TempDir folder;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), size);
  const std::string header(input.substr(std::min(zero + 1, size)));
  folder.file("config.json", input.substr(0, zero));
  folder.file("model.safetensors", test::safetensors_bytes(header, 0) + std::string(data_of(header), '\0'));
  try {
    const ModelFile file = open_model_file(folder.path());
    std::size_t sum = 0;
    for (const GgufTensor& tensor : file.tensors()) {
      if (tensor.view.bytes() > 16 * kMostData) continue;
      const HeldTensor held = file.hold(tensor);
      sum += std::to_integer<std::size_t>(held.view.data()[held.view.bytes() - 1]);
    }
    [[maybe_unused]] static volatile std::size_t sink;  // the compiler may not drop the reads
    sink = sum;
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
