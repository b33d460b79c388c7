#include "plumb/model/synth.hpp"

#include <algorithm>
#include <map>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/random_weights.hpp"
#include "plumb/model/weights.hpp"

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

/// A tensor of the file: one of ours, or several stacked by rows.
struct Written {
  std::string name;
  std::vector<const RandomTensor*> parts;

  Shape shape() const {
    const Shape& first = parts.front()->shape();
    if (parts.size() == 1) return first;
    std::int64_t rows = 0;
    for (const RandomTensor* part : parts) rows += part->shape()[0];
    return first.rank() == 1 ? Shape{rows} : Shape{rows, first.cols()};
  }
};

/// Our tensors as the spec's family lays them out.
std::vector<Written> in_file(const ModelSpec& spec, const std::vector<RandomTensor>& tensors) {
  std::vector<Written> written;
  std::map<std::string, std::size_t> fused;
  for (const RandomTensor& tensor : tensors) {
    const auto whole = fused_tensor(spec, {tensor.id(), tensor.shape()});
    if (!whole) {
      written.push_back({tensor_name(spec, tensor.id()), {&tensor}});
      continue;
    }
    const auto [found, first] = fused.try_emplace(whole->name, written.size());
    if (first) written.push_back({whole->name, {}});
    written[found->second].parts.push_back(&tensor);
  }
  for (Written& tensor : written)
    std::stable_sort(tensor.parts.begin(), tensor.parts.end(),
                     [](const RandomTensor* a, const RandomTensor* b) { return a->id().role < b->id().role; });
  return written;
}

}  // namespace

GgufWriter plan_model_file(const ModelSpec& spec, std::string_view type) {
  GgufWriter writer;
  write_spec(writer, spec);
  const int file_type = Recipe::parse(type).file_type();
  if (file_type >= 0) writer.set("general.file_type", static_cast<std::uint32_t>(file_type));
  writer.set("general.quantization_version", std::uint32_t{2});
  const std::vector<RandomTensor> tensors = random_tensors(spec, weight_types_by_name(type, spec), 0);
  for (const Written& tensor : in_file(spec, tensors))
    writer.add_tensor(tensor.name, tensor.parts.front()->type(), tensor.shape());
  return writer;
}

std::uint64_t tensor_bytes(const GgufWriter& writer) {
  std::uint64_t total = 0;
  for (const GgufTensorPlan& tensor : writer.tensors()) total += tensor.bytes;
  return total;
}

void write_random_model(const std::filesystem::path& path, const ModelSpec& spec, const SynthOptions& options) {
  check_spec(spec, spec.name.empty() ? "configuration" : spec.name);
  GgufWriter writer = plan_model_file(spec, options.type);
  if (spec.vocab_size >= kSmallestSynthVocabulary) set_vocabulary(writer, synthetic_vocabulary(spec.vocab_size));
  const std::vector<RandomTensor> tensors =
      random_tensors(spec, weight_types_by_name(options.type, spec), options.seed);
  const std::vector<Written> written = in_file(spec, tensors);
  const std::uint64_t total = tensor_bytes(writer);
  std::uint64_t done = 0;
  AlignedBuffer chunk;
  auto next = written.begin();  // the writer asks in the order in which tensors were added
  writer.write(path, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    for (const RandomTensor* part : next->parts) write_rows(*part, chunk, append);
    ++next;
    done += plan.bytes;
    if (options.progress) options.progress(static_cast<double>(done) / static_cast<double>(total));
  });
}

}  // namespace plumb
