/// Fuzzer: any bytes as a model file. Opening, reading every value, building the tokenizer and the model, and a few
/// tokens through both must end in an answer or a plumb::Error.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plumb/io/gguf.hpp"
#include "tests/support/aligned_copy.hpp"

namespace {

/// Reads what a program that trusts the opened file would read.
void walk(const plumb::GgufFile& file) {
  std::size_t sum = 0;
  for (const plumb::GgufEntry& entry : file.metadata()) sum += entry.value.to_string(1 << 20).size();
  for (const plumb::GgufTensor& tensor : file.tensors()) {
    const plumb::ConstTensorView& view = tensor.view;
    sum += std::to_integer<std::size_t>(view.data()[view.bytes() - 1]);
  }
  static volatile std::size_t sink;  // the compiler may not drop the reads
  sink = sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const plumb::test::AlignedCopy copy({reinterpret_cast<const char*>(data), size});
  try {
    walk(plumb::GgufFile::from_memory(copy.bytes()));
  } catch (const plumb::Error&) {  // the expected answer to most inputs
  }
  return 0;
}
