#include "plumb/io/gguf_writer.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "plumb/core/printable.hpp"
#include "plumb/io/atomic_file.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

void append_bytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  const std::size_t at = out.size();
  out.resize(at + bytes.size());  // g++ 12 takes insert() for an overflow at -O3
  std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
}

template <class T>
void append_number(std::vector<std::byte>& out, T value) {
  append_bytes(out, std::as_bytes(std::span(&value, 1)));
}

/// Length and bytes, as the format stores every string.
void append_string(std::vector<std::byte>& out, std::string_view text) {
  append_number<std::uint64_t>(out, text.size());
  append_bytes(out, std::as_bytes(std::span(text)));
}

void append_type(std::vector<std::byte>& out, GgufType type) { append_number(out, static_cast<std::uint32_t>(type)); }

void check_name(std::string_view name, const char* kind) {
  if (name.empty() || name.size() > kGgufMaxName)
    throw Error(ErrorCode::invalid_argument, std::string("the name of a ") + kind + " has " +
                                                 std::to_string(name.size()) + " bytes, expected 1 to " +
                                                 std::to_string(kGgufMaxName));
}

}  // namespace

GgufArray GgufArray::of_strings(std::span<const std::string> values) {
  GgufArray array(GgufType::string);
  for (const std::string& value : values) array.add(value);
  return array;
}

GgufArray GgufArray::of_strings(std::span<const std::string_view> values) {
  GgufArray array(GgufType::string);
  for (const std::string_view value : values) array.add(value);
  return array;
}

void GgufArray::expect(GgufType type) const {
  if (type != element_type_)
    throw Error(ErrorCode::invalid_argument, "an array of " + std::string(gguf_type_name(element_type_)) +
                                                 " cannot take an element of type " +
                                                 std::string(gguf_type_name(type)));
}

void GgufArray::append(std::span<const std::byte> element) {
  append_bytes(payload_, element);
  ++size_;
}

void GgufArray::add(std::string_view value) {
  expect(GgufType::string);
  append_string(payload_, value);
  ++size_;
}

void GgufArray::add(const GgufArray& value) {
  expect(GgufType::array);
  append_type(payload_, value.element_type());
  append_number<std::uint64_t>(payload_, value.size());
  append(value.payload());
}

GgufWriter::GgufWriter(std::uint32_t alignment, std::uint32_t version) : alignment_(alignment), version_(version) {
  if (version != 2 && version != 3)
    throw Error(ErrorCode::invalid_argument,
                "GGUF version " + std::to_string(version) + " cannot be written, only 2 and 3");
  if (alignment < 8 || alignment > kGgufMaxAlignment || !std::has_single_bit(alignment))
    throw Error(ErrorCode::invalid_argument, "alignment " + std::to_string(alignment) +
                                                 " is not a power of two between 8 and " +
                                                 std::to_string(kGgufMaxAlignment));
  if (alignment != kGgufDefaultAlignment) {
    Pair& pair = pair_for("general.alignment");
    append_type(pair.encoded, GgufType::u32);
    append_number(pair.encoded, alignment);
  }
}

GgufWriter::Pair& GgufWriter::pair_for(std::string_view key) {
  const auto found = pair_index_.find(key);
  if (found != pair_index_.end()) return pairs_[found->second];
  pair_index_.emplace(std::string(key), pairs_.size());
  return pairs_.emplace_back(Pair{std::string(key), {}});
}

void GgufWriter::set_encoded(std::string_view key, GgufType type, std::span<const std::byte> payload) {
  check_name(key, "key");
  if (key == "general.alignment")
    throw Error(ErrorCode::invalid_argument, "general.alignment is set by the writer's constructor");
  std::vector<std::byte>& encoded = pair_for(key).encoded;
  encoded.clear();
  append_type(encoded, type);
  append_bytes(encoded, payload);
}

void GgufWriter::set(std::string_view key, std::string_view value) {
  std::vector<std::byte> payload;
  append_string(payload, value);
  set_encoded(key, GgufType::string, payload);
}

void GgufWriter::set(std::string_view key, const GgufArray& value) {
  std::vector<std::byte> payload;
  append_type(payload, value.element_type());
  append_number<std::uint64_t>(payload, value.size());
  append_bytes(payload, value.payload());
  set_encoded(key, GgufType::array, payload);
}

void GgufWriter::set(std::string_view key, const GgufValue& value) {
  if (const auto text = value.as_string()) return set(key, *text);
  if (!value.is_array()) return set_encoded(key, value.type(), value.payload());
  std::vector<std::byte> payload;
  append_type(payload, value.element_type());
  append_number<std::uint64_t>(payload, value.size());
  append_bytes(payload, value.payload());
  set_encoded(key, GgufType::array, payload);
}

void GgufWriter::copy_metadata(const ModelFile& file) {
  for (const GgufEntry& entry : file.metadata())
    if (entry.key != "general.alignment" && !entry.key.starts_with("split.") && !pair_index_.contains(entry.key))
      set(entry.key, entry.value);
}

void GgufWriter::remove(std::string_view key) {
  const auto found = pair_index_.find(key);
  if (found == pair_index_.end() || key == "general.alignment") return;
  const std::size_t at = found->second;
  pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(at));
  pair_index_.erase(found);
  for (auto& [name, position] : pair_index_)
    if (position > at) --position;
}

void GgufWriter::add_tensor(std::string_view name, DType type, const Shape& shape) {
  check_name(name, "tensor");
  if (shape.rank() < 1 || shape.elements() < 1)
    throw Error(ErrorCode::bad_shape,
                "tensor " + quote(name) + " of shape " + shape.to_string() + " has no dimension or no element");
  if (dtype_info(type).in_memory())
    throw Error(ErrorCode::unsupported_type,
                "tensor " + quote(name) + ": type " + std::string(dtype_name(type)) +
                    " exists in memory only, no file format has it; choose a GGUF type such as Q4_0 or Q8_0");
  const std::uint64_t bytes = tensor_bytes(type, shape);
  const std::uint64_t end = checked_add(data_bytes_, bytes, "bytes of all tensors");
  (void)checked_add<std::uint64_t>(end, alignment_, "bytes of all tensors");
  if (!tensor_names_.emplace(name).second)
    throw Error(ErrorCode::duplicate, "tensor " + quote(name) + " was added before");
  tensors_.push_back({std::string(name), type, shape, bytes, data_bytes_});
  data_bytes_ = round_up<std::uint64_t>(end, alignment_);
}

std::vector<std::byte> GgufWriter::header() const {
  std::vector<std::byte> out;
  append_number(out, kGgufMagic);
  append_number(out, version_);
  append_number<std::uint64_t>(out, tensors_.size());
  append_number<std::uint64_t>(out, pairs_.size());
  for (const Pair& pair : pairs_) {
    append_string(out, pair.key);
    append_bytes(out, pair.encoded);
  }
  for (const GgufTensorPlan& tensor : tensors_) {
    append_string(out, tensor.name);
    append_number(out, static_cast<std::uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank() - 1; i >= 0; --i)  // the file stores the innermost dimension first
      append_number(out, static_cast<std::uint64_t>(tensor.shape[i]));
    append_number(out, static_cast<std::uint32_t>(tensor.type));
    append_number(out, tensor.offset);
  }
  out.resize(round_up<std::size_t>(out.size(), alignment_));
  return out;
}

void GgufWriter::write(const std::filesystem::path& path, const GgufProduce& produce) const {
  AtomicFile file(path);
  file.write(header());
  for (const GgufTensorPlan& tensor : tensors_) {
    std::uint64_t appended = 0;
    const auto wrong_size = [&](std::uint64_t bytes) {
      throw Error(ErrorCode::invalid_argument, "tensor " + quote(tensor.name) + " of " + std::to_string(tensor.bytes) +
                                                   " bytes was given " + std::to_string(bytes));
    };
    produce(tensor, [&](std::span<const std::byte> bytes) {
      if (bytes.size() > tensor.bytes - appended) wrong_size(appended + bytes.size());
      file.write(bytes);
      appended += bytes.size();
    });
    if (appended != tensor.bytes) wrong_size(appended);
    file.write_zeros(round_up<std::uint64_t>(tensor.bytes, alignment_) - tensor.bytes);
  }
  file.commit();
}

}  // namespace plumb
