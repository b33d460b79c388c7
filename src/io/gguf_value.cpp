#include "plumb/io/gguf_value.hpp"

#include <charconv>
#include <cstring>

#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

template <class T>
T load(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// Shortest text that reads back as the same number.
template <class T>
std::string number_text(T value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

std::string scalar_text(const GgufValue& value, std::size_t max_string_bytes) {
  if (const auto text = value.as_string()) return '"' + printable(*text, max_string_bytes) + '"';
  if (const auto flag = value.as_bool()) return *flag ? "true" : "false";
  if (value.type() == GgufType::u64) return number_text(load<std::uint64_t>(value.payload()));
  if (const auto number = value.as_int()) return number_text(*number);
  if (value.type() == GgufType::f32) return number_text(load<float>(value.payload()));
  return number_text(value.as_float().value_or(0.0));
}

}  // namespace

std::string_view gguf_type_name(GgufType type) {
  switch (type) {
    case GgufType::u8: return "u8";
    case GgufType::i8: return "i8";
    case GgufType::u16: return "u16";
    case GgufType::i16: return "i16";
    case GgufType::u32: return "u32";
    case GgufType::i32: return "i32";
    case GgufType::f32: return "f32";
    case GgufType::boolean: return "bool";
    case GgufType::string: return "string";
    case GgufType::array: return "array";
    case GgufType::u64: return "u64";
    case GgufType::i64: return "i64";
    case GgufType::f64: return "f64";
  }
  return "unknown";
}

std::size_t gguf_type_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean: return 1;
    case GgufType::u16:
    case GgufType::i16: return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32: return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64: return 8;
    case GgufType::string:
    case GgufType::array: return 0;
  }
  return 0;
}

std::string GgufValue::type_name() const {
  if (!is_array()) return std::string(gguf_type_name(type_));
  return "array of " + std::string(gguf_type_name(element_type_));
}

std::optional<std::int64_t> GgufValue::as_int() const {
  switch (type_) {
    case GgufType::u8: return load<std::uint8_t>(payload_);
    case GgufType::i8: return load<std::int8_t>(payload_);
    case GgufType::u16: return load<std::uint16_t>(payload_);
    case GgufType::i16: return load<std::int16_t>(payload_);
    case GgufType::u32: return load<std::uint32_t>(payload_);
    case GgufType::i32: return load<std::int32_t>(payload_);
    case GgufType::i64: return load<std::int64_t>(payload_);
    case GgufType::u64: {
      const std::uint64_t value = load<std::uint64_t>(payload_);
      if (value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
    default: return std::nullopt;
  }
}

std::optional<double> GgufValue::as_float() const {
  if (type_ == GgufType::f32) return load<float>(payload_);
  if (type_ == GgufType::f64) return load<double>(payload_);
  return std::nullopt;
}

std::optional<bool> GgufValue::as_bool() const {
  if (type_ != GgufType::boolean) return std::nullopt;
  return payload_[0] != std::byte{0};
}

std::optional<std::string_view> GgufValue::as_string() const {
  if (type_ != GgufType::string) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(payload_.data()), payload_.size());
}

std::string GgufValue::to_string(std::size_t max_elements, std::size_t max_string_bytes) const {
  if (!is_array()) return scalar_text(*this, max_string_bytes);
  std::string text = "[";
  GgufElements elements(*this);
  for (std::size_t i = 0; i < max_elements; ++i) {
    const auto element = elements.next();
    if (!element) break;
    if (i > 0) text += ", ";
    // A nested array is named and not walked: the line stays short and the depth of the file cannot reach the stack.
    text += element->is_array() ? element->type_name() + " x " + number_text(element->size())
                                : scalar_text(*element, max_string_bytes);
  }
  if (size_ > max_elements) text += std::string(max_elements > 0 ? ", " : "") + "... " + number_text(size_) + " in all";
  return text + "]";
}

GgufElements::GgufElements(const GgufValue& array)
    : type_(array.element_type()), left_(array.is_array() ? array.size() : 0), rest_(array.payload()) {}

}  // namespace plumb
