#include "plumb/quantize/importance.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "plumb/core/checked.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/quant/dequantize.hpp"
#include "src/quantize/legacy_importance.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr const char *kDatasets = "imatrix.datasets", *kChunkCount = "imatrix.chunk_count",
                     *kChunkSize = "imatrix.chunk_size";

/// A tensor's values as f32, all finite and not negative.
std::vector<float> checked_values(const GgufFile& file, const GgufTensor& tensor) {
  if (tensor.view.dtype() != DType::f32)
    file.fail_tensor(ErrorCode::wrong_type, tensor.name,
                     "is " + std::string(dtype_name(tensor.view.dtype())) + ", expected F32");
  std::vector<float> values(static_cast<std::size_t>(tensor.view.shape().elements()));
  std::memcpy(values.data(), tensor.view.data(), values.size() * sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!(values[i] >= 0) || !std::isfinite(values[i]))
      file.fail_tensor(ErrorCode::bad_value, tensor.name,
                       "value " + std::to_string(i) + " is " + std::to_string(values[i]) +
                           ", expected a finite number that is not negative");
  return values;
}

ImportanceEntry read_entry(const GgufFile& file, const GgufTensor& sums, std::string_view name) {
  const GgufTensor& counts = file.get_tensor(std::string(name) + std::string(kCounts));
  ImportanceEntry entry;
  entry.columns = sums.view.cols();
  entry.sums = checked_values(file, sums);
  entry.counts = checked_values(file, counts);
  if (entry.counts.empty() || entry.sums.size() != entry.counts.size() * static_cast<std::size_t>(entry.columns))
    file.fail_tensor(ErrorCode::bad_shape, sums.name,
                     "has shape " + sums.view.shape().to_string() + ", which disagrees with counts of shape " +
                         counts.view.shape().to_string());
  return entry;
}

}  // namespace

void ImportanceMatrix::add(std::string_view name, std::span<const float> rows, std::int64_t columns,
                           std::int64_t matrix, std::int64_t matrices) {
  if (columns < 1 || rows.size() % static_cast<std::size_t>(columns) != 0)
    throw Error(ErrorCode::bad_shape,
                "activations for tensor " + quote(name) + " are no rows of " + std::to_string(columns));
  std::vector<double> squares(static_cast<std::size_t>(columns));
  for (std::size_t first = 0; first < rows.size(); first += squares.size())
    for (std::size_t k = 0; k < squares.size(); ++k) {
      const auto x = static_cast<double>(rows[first + k]);
      squares[k] += x * x;
    }
  const std::size_t tokens = rows.size() / squares.size();
  add_sums(name, squares, static_cast<double>(tokens), matrix, matrices);
}

void ImportanceMatrix::add_sums(std::string_view name, std::span<const double> squares, double count,
                                std::int64_t matrix, std::int64_t matrices) {
  const auto columns = static_cast<std::int64_t>(squares.size());
  if (columns < 1 || matrix < 0 || matrix >= matrices)
    throw Error(ErrorCode::bad_shape, "importance for tensor " + quote(name) + ": matrix " + std::to_string(matrix) +
                                          " of " + std::to_string(matrices) + " with " + std::to_string(columns) +
                                          " columns");
  ImportanceEntry& entry = entries_[std::string(name)];
  if (entry.counts.empty()) {
    entry.columns = columns;
    entry.counts.resize(static_cast<std::size_t>(matrices));
    entry.sums.resize(static_cast<std::size_t>(checked_mul(matrices, columns, "importance")));
  }
  if (entry.columns != columns || entry.matrices() != matrices)
    throw Error(ErrorCode::bad_shape, "activations for tensor " + quote(name) + " changed their shape");
  for (std::size_t k = 0; k < squares.size(); ++k) {
    float& sum = entry.sums[static_cast<std::size_t>(matrix * columns) + k];
    sum = static_cast<float>(static_cast<double>(sum) + squares[k]);
    if (!std::isfinite(sum))
      throw Error(ErrorCode::bad_value, "activations for tensor " + quote(name) + ": the sum of squares of column " +
                                            std::to_string(k) + " is not finite");
  }
  entry.counts[static_cast<std::size_t>(matrix)] += static_cast<float>(count);
}

std::vector<float> ImportanceMatrix::mean_squares(std::string_view name, std::int64_t columns, std::int64_t matrix,
                                                  std::int64_t matrices) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return {};
  const ImportanceEntry& entry = found->second;
  if (entry.matrices() == 1) matrix = 0, matrices = 1;
  if (entry.columns != columns || entry.matrices() != matrices || matrix < 0 || matrix >= matrices) return {};
  const float count = entry.counts[static_cast<std::size_t>(matrix)];
  if (!(count > 0)) return {};  // an expert that no token chose
  std::vector<float> means(static_cast<std::size_t>(columns));
  for (std::size_t k = 0; k < means.size(); ++k)
    means[k] = entry.sums[static_cast<std::size_t>(matrix * columns) + k] / count;
  return means;
}

bool ImportanceMatrix::knows(std::string_view name, const Shape& shape) const {
  if (shape.rank() < 2 || shape.elements() == 0) return false;
  const std::int64_t matrices = shape.rank() > 2 ? shape.rows() / shape[shape.rank() - 2] : 1;
  for (std::int64_t matrix = 0; matrix < matrices; ++matrix)
    if (!mean_squares(name, shape.cols(), matrix, matrices).empty()) return true;
  return false;
}

ImportanceMatrix ImportanceMatrix::read(const std::filesystem::path& path) {
  const std::shared_ptr<const FileMapping> mapping = FileMapping::open(path);
  return from_memory(mapping->bytes(), mapping->name());
}

ImportanceMatrix ImportanceMatrix::from_memory(std::span<const std::byte> bytes, const std::string& name) {
  std::uint32_t magic = 0;
  if (bytes.size() >= sizeof magic) std::memcpy(&magic, bytes.data(), sizeof magic);
  ImportanceMatrix matrix;
  if (magic != kGgufMagic) {
    detail::read_legacy_importance(bytes, name, matrix.entries_, matrix.datasets_, matrix.chunk_count);
    return matrix;
  }
  const GgufFile file = GgufFile::from_memory(bytes, name);
  if (file.string_or("general.type", "imatrix") != "imatrix")
    file.fail_key(ErrorCode::bad_value, "general.type",
                  "is " + quote(file.get_string("general.type")) + ", expected 'imatrix'");
  if (file.find(kDatasets) != nullptr)
    for (const std::string_view dataset : file.get_strings(kDatasets)) matrix.datasets_.emplace_back(dataset);
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  matrix.chunk_count = static_cast<std::uint32_t>(file.int_or(kChunkCount, 0, 0, kMost));
  matrix.chunk_size = static_cast<std::uint32_t>(file.int_or(kChunkSize, 0, 0, kMost));
  for (const GgufTensor& tensor : file.tensors())
    if (tensor.name.ends_with(kSums)) {
      const std::string_view of = tensor.name.substr(0, tensor.name.size() - kSums.size());
      matrix.entries_.emplace(std::string(of), read_entry(file, tensor, of));
    }
  if (matrix.entries_.empty())
    throw Error(ErrorCode::missing_key,
                file.path() + ": holds no importance: no tensor's name ends in " + quote(kSums));
  return matrix;
}

void ImportanceMatrix::write(const std::filesystem::path& path) const {
  GgufWriter writer;
  writer.set("general.type", "imatrix");
  writer.set(kDatasets, GgufArray::of_strings(std::span<const std::string>(datasets_)));
  writer.set(kChunkCount, chunk_count);
  writer.set(kChunkSize, chunk_size);
  for (const auto& [name, entry] : entries_) {
    writer.add_tensor(name + std::string(kSums), DType::f32, Shape{entry.matrices(), entry.columns});
    writer.add_tensor(name + std::string(kCounts), DType::f32, Shape{entry.matrices(), 1});
  }
  auto next = entries_.begin();
  bool sums = true;
  writer.write(path, [&](const GgufTensorPlan&, const GgufAppend& append) {
    append(std::as_bytes(std::span(sums ? next->second.sums : next->second.counts)));
    if (!sums) ++next;
    sums = !sums;
  });
}

}  // namespace plumb
