/// Fuzzer: any bytes as a session of a small model, signed anew so that the reader sees more than the checksum. What is
/// accepted is continued.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "plumb/core/checksum.hpp"
#include "tests/support/state_models.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A file of this model in place of what is hard to guess: the beginning, the size, the fingerprint.
  static plumb::Session session(plumb::Model::random(plumb::test::hybrid_spec(), plumb::DType::f32, 1),
                                {.context = 64, .threads = 1});
  static const std::vector<std::byte> empty = session.save();
  std::vector<std::byte> file(size);
  if (size > 0) std::memcpy(file.data(), data, size);
  if (file.size() >= 40) {
    std::memcpy(file.data(), empty.data(), 32);
    const std::uint64_t bytes = file.size();
    std::memcpy(file.data() + 16, &bytes, sizeof(bytes));
    const std::uint64_t sum = plumb::checksum(std::span(file).first(file.size() - sizeof(bytes)));
    std::memcpy(file.data() + file.size() - sizeof(sum), &sum, sizeof(sum));
  }
  try {
    session.restore(file);
    session.decode(1);
  } catch (const plumb::Error&) {  // the expected answer to most inputs
  }
  return 0;
}
