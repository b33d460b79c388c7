/// Fuzzer: any bytes as a config.json. What is accepted has a name for every tensor, and is written to GGUF keys or
/// refused. Seeds: fixture_corpus.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/model/check_spec.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumb;
  try {
    const ModelSpec spec = spec_from_json({reinterpret_cast<const char*>(data), size}, "input");
    constexpr int kFewLayers = 64;  // thousands of them show nothing new
    if (spec.n_layers() > kFewLayers) return 0;
    std::size_t bytes = 0;
    for_each_tensor(spec, [&](const TensorSpec& tensor) { bytes += tensor_name(spec, tensor.id).size(); });
    [[maybe_unused]] static volatile std::size_t sink;  // the compiler may not drop the names
    sink = bytes;
    GgufWriter writer;
    write_spec(writer, spec);
    check_runnable(spec, "input");
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
