/// Fuzzer: any bytes as a safetensors file. What is accepted must be tensors that lie in the file one behind the other.
/// Seeds: fixture_corpus.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/io/safetensors.hpp"
#include "tests/support/aligned_copy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumb;
  const test::AlignedCopy copy({reinterpret_cast<const char*>(data), size});
  try {
    const Safetensors file = Safetensors::from_mapping(FileMapping::borrow(copy.bytes(), "input"));
    std::size_t bytes = 0, sum = 0;
    for (const SafeTensor& tensor : file.tensors()) {
      if (file.find(tensor.name) != &tensor) std::abort();
      bytes += tensor.bytes.size();
      if (!tensor.bytes.empty()) sum += std::to_integer<std::size_t>(tensor.bytes.back());
    }
    if (bytes > size) std::abort();
    static volatile std::size_t sink;  // the compiler may not drop the reads
    sink = sum;
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
