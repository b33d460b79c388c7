#include "plumb/model/synth.hpp"

#include <algorithm>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/random_weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Bytes made at once by all threads before they are written.
constexpr std::size_t kChunkBytes = std::size_t{8} << 20;

/// Makes rows in chunks and hands each to `append`, in order.
void write_rows(const RandomTensor& tensor, AlignedBuffer& chunk, const GgufAppend& append) {
  const std::size_t row_bytes = tensor.row_bytes();
  const std::int64_t rows = tensor.shape().rows();
  const std::int64_t at_once = std::max<std::int64_t>(1, static_cast<std::int64_t>(kChunkBytes / row_bytes));
  const std::size_t needed = static_cast<std::size_t>(std::min(at_once, rows)) * row_bytes;
  if (chunk.size() < needed) chunk = AlignedBuffer(std::max(needed, kChunkBytes));
  for (std::int64_t first = 0; first < rows; first += at_once) {
    const std::int64_t n = std::min(at_once, rows - first);
    run_parallel(default_threads(), [&](const Worker& worker) {
      const Range mine = worker.share(n);
      for (std::int64_t r = mine.begin; r < mine.end; ++r)
        tensor.fill(first + r, chunk.data() + static_cast<std::size_t>(r) * row_bytes);
    });
    append({chunk.data(), static_cast<std::size_t>(n) * row_bytes});
  }
}

}  // namespace

void write_random_model(const std::filesystem::path& path, const ModelSpec& spec, const SynthOptions& options) {
  check_spec(spec, spec.name.empty() ? "configuration" : spec.name);
  const std::vector<RandomTensor> tensors =
      random_tensors(spec, weight_types_by_name(options.type, spec), options.seed);
  GgufWriter writer;
  write_spec(writer, spec);
  const int file_type = Recipe::parse(options.type).file_type();
  if (file_type >= 0) writer.set("general.file_type", static_cast<std::uint32_t>(file_type));
  writer.set("general.quantization_version", std::uint32_t{2});
  if (spec.vocab_size >= kSmallestSynthVocabulary) set_vocabulary(writer, synthetic_vocabulary(spec.vocab_size));
  std::uint64_t total = 0, done = 0;
  for (const RandomTensor& tensor : tensors) {
    writer.add_tensor(tensor_name(spec, tensor.id()), tensor.type(), tensor.shape());
    total += writer.tensors().back().bytes;
  }
  AlignedBuffer chunk;
  auto next = tensors.begin();  // the writer asks in the order in which tensors were added
  writer.write(path, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    write_rows(*next++, chunk, append);
    done += plan.bytes;
    if (options.progress) options.progress(static_cast<double>(done) / static_cast<double>(total));
  });
}

}  // namespace plumb
