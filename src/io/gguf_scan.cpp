#include "gguf_scan.hpp"

#include <array>
#include <string>

#include "plumb/io/gguf.hpp"

namespace plumb::inline PLUMB_ABI::gguf_detail {
namespace {

/// Type and count of an array, as they stand in front of its elements.
struct ArrayHead {
  GgufType element_type;
  std::uint64_t count;
};

ArrayHead scan_array_head(ByteReader& reader, std::string_view field) {
  const GgufType element_type = scan_type(reader, field);
  const std::uint64_t count = reader.number<std::uint64_t>(field);
  const std::size_t fixed = gguf_type_bytes(element_type);
  // A string is at least its length, an array at least its element type and count.
  const std::size_t smallest = fixed > 0 ? fixed : element_type == GgufType::string ? 8 : 12;
  reader.require(count, smallest, field);
  return {element_type, count};
}

void check_booleans(const ByteReader& reader, std::span<const std::byte> bytes, std::string_view field) {
  for (const std::byte b : bytes)
    if (b > std::byte{1})
      reader.fail(ErrorCode::bad_value, std::string(field) + ": a bool is stored as " +
                                            std::to_string(std::to_integer<int>(b)) + ", expected 0 or 1");
}

/// All elements of an array that holds no arrays.
void skip_flat_elements(ByteReader& reader, const ArrayHead& head, std::string_view field) {
  if (head.element_type == GgufType::string) {
    for (std::uint64_t i = 0; i < head.count; ++i) reader.take(reader.number<std::uint64_t>(field), field);
    return;
  }
  const auto bytes =
      reader.take(head.count * gguf_type_bytes(head.element_type), field);  // require() bounded the product
  if (head.element_type == GgufType::boolean) check_booleans(reader, bytes, field);
}

/// Elements of an array of arrays, with a stack of counts in place of recursion.
void skip_nested_elements(ByteReader& reader, const ArrayHead& outermost, std::string_view field) {
  std::array<std::uint64_t, kGgufMaxArrayDepth> left{};  // elements still to come, per depth
  std::size_t depth = 0;
  left[0] = outermost.count;
  for (;;) {
    if (left[depth] == 0) {
      if (depth == 0) return;
      --depth;
      continue;
    }
    --left[depth];
    const ArrayHead head = scan_array_head(reader, field);
    if (head.element_type != GgufType::array) {
      skip_flat_elements(reader, head, field);
      continue;
    }
    if (depth + 2 >= left.size())
      reader.fail(ErrorCode::bad_value,
                  std::string(field) + ": arrays are nested deeper than " + std::to_string(kGgufMaxArrayDepth));
    left[++depth] = head.count;
  }
}

}  // namespace

GgufType scan_type(ByteReader& reader, std::string_view field) {
  const std::uint32_t id = reader.number<std::uint32_t>(field);
  if (id > static_cast<std::uint32_t>(GgufType::f64))
    reader.fail(ErrorCode::bad_value, std::string(field) + ": value type " + std::to_string(id) +
                                          " is unknown, the format has types 0 to 12");
  return static_cast<GgufType>(id);
}

GgufValue scan_value(ByteReader& reader, GgufType type, std::string_view field) {
  if (type == GgufType::string) {
    const auto text = reader.take(reader.number<std::uint64_t>(field), field);
    return {type, type, 1, text};
  }
  if (type != GgufType::array) {
    const auto bytes = reader.take(gguf_type_bytes(type), field);
    if (type == GgufType::boolean) check_booleans(reader, bytes, field);
    return {type, type, 1, bytes};
  }
  const ArrayHead head = scan_array_head(reader, field);
  const std::size_t begin = reader.position();
  if (head.element_type == GgufType::array)
    skip_nested_elements(reader, head, field);
  else
    skip_flat_elements(reader, head, field);
  return {type, head.element_type, head.count, reader.since(begin)};
}

}  // namespace plumb::gguf_detail

namespace plumb::inline PLUMB_ABI {

std::optional<GgufValue> GgufElements::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  // The bytes were checked when the file was opened; scanning again only finds where the element ends.
  ByteReader reader(rest_, {});
  const GgufValue value = gguf_detail::scan_value(reader, type_, "element");
  rest_ = rest_.subspan(reader.position());
  return value;
}

}  // namespace plumb
