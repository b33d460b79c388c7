/// Fuzzer: any bytes as a model file with a vocabulary. Building the tokenizer, decoding every token and encoding a
/// text must end in an answer or a plumb::Error. Seeds: gguf_corpus.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/aligned_copy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumb;
  const test::AlignedCopy copy({reinterpret_cast<const char*>(data), size});
  try {
    const Tokenizer tokenizer = Tokenizer::from_file(GgufFile::from_memory(copy.bytes()));
    std::size_t bytes = 0;
    for (Token token = 0; token < tokenizer.size(); ++token) bytes += tokenizer.decode(token).size();
    const std::vector<Token> tokens =
        tokenizer.encode("<s> the there\n\xff\u4e2d 12345<|endoftext|>", {.add_special = true, .parse_special = true});
    bytes += tokenizer.decode(tokens).size();
    static volatile std::size_t sink;  // the compiler may not drop the reads
    sink = bytes;
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
