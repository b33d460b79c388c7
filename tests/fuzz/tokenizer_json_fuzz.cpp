/// Fuzzer: any bytes as a tokenizer.json. Reading it, encoding a text and decoding ids must end in an answer or a
/// plumb::Error, within the limits on time and memory. Seeds: tokenizer.json files of a few kilobytes.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plumb/text/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumb;
  try {
    const Tokenizer tokenizer = Tokenizer::from_json({reinterpret_cast<const char*>(data), size});
    const std::vector<Token> tokens =
        tokenizer.encode("<s> The  quick\u00e9 br\u00d6wn f\u4e2dx, 12345!\n\xff<|end|> [MASK]",
                         {.add_special = true, .parse_special = true});
    std::size_t bytes = tokenizer.decode(tokens).size();
    for (Token token = 0; token < tokenizer.size(); ++token) bytes += tokenizer.decode(token).size();
    static volatile std::size_t sink;  // the compiler may not drop the reads
    sink = bytes;
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
