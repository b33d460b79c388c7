/// Fuzzer: any bytes as an importance file of either form. Reading and asking for every matrix's columns must end in
/// finite numbers or a plumb::Error. Seeds: gguf_corpus.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/quantize/importance.hpp"
#include "tests/support/aligned_copy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const plumb::test::AlignedCopy copy({reinterpret_cast<const char*>(data), size});
  try {
    const plumb::ImportanceMatrix matrix = plumb::ImportanceMatrix::from_memory(copy.bytes());
    if (matrix.empty()) std::abort();
    for (const auto& [name, entry] : matrix.entries()) {
      if (entry.sums.size() != entry.counts.size() * static_cast<std::size_t>(entry.columns)) std::abort();
      for (const float sum : entry.sums)
        if (!std::isfinite(sum) || sum < 0) std::abort();
      for (std::int64_t m = 0; m < entry.matrices(); ++m)
        (void)matrix.mean_squares(name, entry.columns, m, entry.matrices());
    }
  } catch (const plumb::Error&) {  // the expected answer to most inputs
  }
  return 0;
}
