#include "plumb/io/gguf.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "gguf_scan.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/byte_reader.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Smallest encoding of a key-value pair: name length, one byte of name, type, one byte of value.
constexpr std::size_t kSmallestPair = 8 + 1 + 4 + 1;
/// Smallest encoding of a tensor: name length, one byte of name, rank, one dimension, type, offset.
constexpr std::size_t kSmallestTensor = 8 + 1 + 4 + 8 + 4 + 8;

struct Header {
  std::uint32_t version;
  std::uint64_t tensors, pairs;
};

/// What a file says about one tensor, before its place in the file is known to be sound.
struct TensorInfo {
  std::string_view name;
  Shape shape;
  DType type;
  std::uint64_t offset;  ///< from the start of the data section
  std::size_t bytes;
};

void check_version(const ByteReader& reader, std::uint32_t version) {
  if (version == 2 || version == 3) return;
  // In a big-endian file the small version number fills the upper bytes of the word.
  if ((version & 0xFFFFu) == 0 && version != 0)
    reader.fail(ErrorCode::big_endian, "the file is big-endian (version reads as " + std::to_string(version) +
                                           "), only little-endian GGUF can be read");
  reader.fail(ErrorCode::unsupported_version,
              "GGUF version " + std::to_string(version) + " cannot be read, expected version 2 or 3");
}

Header read_header(ByteReader& reader) {
  const auto magic = reader.take(4, "magic");
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (text == "FUGG") reader.fail(ErrorCode::big_endian, "the magic is byte-swapped, only little-endian can be read");
  if (text != "GGUF") reader.fail(ErrorCode::bad_magic, "the file begins with " + quote(text) + ", expected 'GGUF'");
  Header header{};
  header.version = reader.number<std::uint32_t>("version");
  check_version(reader, header.version);
  header.tensors = reader.number<std::uint64_t>("tensor count");
  header.pairs = reader.number<std::uint64_t>("key count");
  reader.require(header.pairs, kSmallestPair, "key count");
  reader.require(header.tensors, kSmallestTensor, "tensor count");
  if (header.pairs > kGgufMaxKeys)
    reader.fail(ErrorCode::bad_value, "key count " + std::to_string(header.pairs) + " is beyond the limit of " +
                                          std::to_string(kGgufMaxKeys));
  if (header.tensors > kGgufMaxTensors)
    reader.fail(ErrorCode::bad_value, "tensor count " + std::to_string(header.tensors) + " is beyond the limit of " +
                                          std::to_string(kGgufMaxTensors));
  return header;
}

/// Name of the i-th key or tensor.
std::string_view read_name(ByteReader& reader, const char* kind, std::uint64_t i) {
  const std::string field = std::string("name of ") + kind + " " + std::to_string(i);
  const std::uint64_t length = reader.number<std::uint64_t>(field);
  const auto bytes = reader.take(length, field);
  if (length == 0) reader.fail(ErrorCode::bad_value, field + " is empty");
  if (length > kGgufMaxName)
    reader.fail(ErrorCode::bad_value, field + " has " + std::to_string(length) + " bytes, at most " +
                                          std::to_string(kGgufMaxName) + " are allowed");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<GgufEntry> read_metadata(ByteReader& reader, std::uint64_t count) {
  std::vector<GgufEntry> entries;
  entries.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view key = read_name(reader, "key", i);
    const std::string field = "key " + quote(key);
    const GgufType type = gguf_detail::scan_type(reader, field);
    entries.push_back({key, gguf_detail::scan_value(reader, type, field)});
  }
  return entries;
}

/// Dimensions as the file stores them, innermost first, turned round.
Shape read_shape(ByteReader& reader, const std::string& field) {
  const std::uint32_t rank = reader.number<std::uint32_t>(field + ": rank");
  if (rank < 1 || rank > Shape::kMaxRank)
    reader.fail(ErrorCode::bad_shape, field + " has " + std::to_string(rank) + " dimensions, expected 1 to 4");
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  for (std::uint32_t i = 0; i < rank; ++i) {
    const std::uint64_t dim = reader.number<std::uint64_t>(field + ": dimensions");
    if (dim == 0 || !std::in_range<std::int64_t>(dim))
      reader.fail(ErrorCode::bad_shape, field + ": dimension " + std::to_string(i) + " is " + std::to_string(dim) +
                                            ", expected 1 to 2^63 - 1");
    dims[rank - 1 - i] = static_cast<std::int64_t>(dim);
  }
  return Shape(std::span<const std::int64_t>(dims.data(), rank));
}

/// Bytes of the tensor; sizes that overflow are a wrong shape here.
std::size_t checked_bytes(const ByteReader& reader, const std::string& field, DType type, const Shape& shape) {
  try {
    (void)checked_cast<std::int64_t>(tensor_bytes(type, shape), "tensor bytes");
    (void)shape.elements();
    return tensor_bytes(type, shape);
  } catch (const Error& e) {
    reader.fail(ErrorCode::bad_shape, field + " of shape " + shape.to_string() + ": " + e.what());
  }
}

TensorInfo read_tensor_info(ByteReader& reader, std::uint64_t i) {
  TensorInfo info{};
  info.name = read_name(reader, "tensor", i);
  const std::string field = "tensor " + quote(info.name);
  info.shape = read_shape(reader, field);
  const std::uint32_t type = reader.number<std::uint32_t>(field + ": type");
  const DTypeInfo* known = find_dtype(type);
  if (!known)
    reader.fail(ErrorCode::unsupported_type, field + " has type id " + std::to_string(type) + ", which is unknown");
  info.type = known->type;
  info.offset = reader.number<std::uint64_t>(field + ": offset");
  info.bytes = checked_bytes(reader, field, info.type, info.shape);
  return info;
}

/// Alignment and bounds of one tensor. A file that is laid out as every writer does, one tensor after the other, and
/// ends too early was cut (truncated); any other place outside the file was never right (bad_offset).
void check_place(const ByteReader& reader, const TensorInfo& info, std::uint32_t alignment, std::uint64_t data_bytes,
                 std::uint64_t expected_offset) {
  if (info.offset <= data_bytes && info.bytes <= data_bytes - info.offset && info.offset % alignment == 0) return;
  const std::string text = "tensor " + quote(info.name) + " at offset " + std::to_string(info.offset);
  if (info.offset % alignment != 0)
    reader.fail(ErrorCode::bad_offset, text + " is not aligned to " + std::to_string(alignment));
  const bool cut = info.offset == expected_offset;
  reader.fail(cut ? ErrorCode::truncated : ErrorCode::bad_offset,
              text + " needs " + std::to_string(info.bytes) + " bytes, the data section has " +
                  std::to_string(data_bytes) + (cut ? "; the file is cut off" : "; it lies outside the file"));
}

void check_overlap(const ByteReader& reader, const std::vector<TensorInfo>& infos) {
  std::vector<std::uint32_t> order(infos.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return infos[a].offset < infos[b].offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const TensorInfo &before = infos[order[i - 1]], &after = infos[order[i]];
    if (after.offset - before.offset < before.bytes)
      reader.fail(ErrorCode::bad_offset, "tensors " + quote(before.name) + " and " + quote(after.name) +
                                             " overlap at offset " + std::to_string(after.offset));
  }
}

}  // namespace

GgufFile::GgufFile(std::shared_ptr<const FileMapping> mapping) : ModelFile(std::move(mapping), "GGUF") {
  const std::span<const std::byte> bytes = files().front()->bytes();
  ByteReader reader(bytes, path());
  const Header header = read_header(reader);
  version_ = header.version;
  set_format("GGUF v" + std::to_string(version_));
  set_metadata(read_metadata(reader, header.pairs));
  read_alignment();

  std::vector<TensorInfo> infos;
  reader.require(header.tensors, kSmallestTensor, "tensor count");
  infos.reserve(header.tensors);
  for (std::uint64_t i = 0; i < header.tensors; ++i) infos.push_back(read_tensor_info(reader, i));

  data_offset_ = round_up<std::uint64_t>(reader.position(), alignment_);
  const std::uint64_t data_bytes = bytes.size() > data_offset_ ? bytes.size() - data_offset_ : 0;
  std::uint64_t expected_offset = 0;
  for (const TensorInfo& info : infos) {
    check_place(reader, info, alignment_, data_bytes, expected_offset);
    expected_offset = round_up<std::uint64_t>(info.offset + info.bytes, alignment_);
  }
  check_overlap(reader, infos);

  std::vector<GgufTensor> tensors;
  tensors.reserve(infos.size());
  for (const TensorInfo& info : infos) {
    const std::uint64_t offset = data_offset_ + info.offset;
    tensors.push_back({info.name, ConstTensorView(bytes.data() + offset, info.type, info.shape), offset});
  }
  set_tensors(std::move(tensors));
}

void GgufFile::read_alignment() {
  const GgufValue* value = find("general.alignment");
  if (!value) return;
  if (value->type() != GgufType::u32)
    fail_key(ErrorCode::wrong_type, "general.alignment", "is of type " + value->type_name() + ", expected u32");
  const std::int64_t alignment = get_int("general.alignment");
  if (alignment < 8 || alignment > kGgufMaxAlignment || !std::has_single_bit(static_cast<std::uint64_t>(alignment)))
    fail_key(ErrorCode::bad_value, "general.alignment",
             std::to_string(alignment) + " is not a power of two between 8 and " + std::to_string(kGgufMaxAlignment));
  alignment_ = static_cast<std::uint32_t>(alignment);
}

GgufFile GgufFile::open(const std::filesystem::path& path, const GgufOptions& options) {
  return open(FileMapping::open(path, options.mode), options);
}

GgufFile GgufFile::open(std::shared_ptr<const FileMapping> mapping, const GgufOptions& options) {
  GgufFile file(std::move(mapping));
  file.add_parts(options);
  return file;
}

GgufFile GgufFile::from_memory(std::span<const std::byte> bytes, std::string name) {
  return GgufFile(FileMapping::borrow(bytes, std::move(name)));
}

}  // namespace plumb
