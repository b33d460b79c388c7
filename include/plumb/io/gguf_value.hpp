#pragma once
/// @file
/// One metadata value of a model file: a checked view of the bytes in the file, read when asked.
/// Types and layout: GGUF specification, "Metadata".

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Metadata value types. Values are the ids that GGUF files use.
enum class GgufType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// "u32", "string", ...; "unknown" for ids outside the format.
std::string_view gguf_type_name(GgufType type);
/// Bytes of one value; 0 for strings, arrays and unknown ids, whose size is not fixed.
std::size_t gguf_type_bytes(GgufType type);

/// One metadata value. It points into the file (or into memory the model file owns) and was checked when the file was
/// opened, so that the accessors need no error of their own: they answer nothing when the type is another.
class GgufValue {
 public:
  GgufValue() = default;
  /// For readers: `payload` are the bytes after the type (after element type and count for arrays), already checked.
  GgufValue(GgufType type, GgufType element_type, std::uint64_t size, std::span<const std::byte> payload)
      : type_(type), element_type_(element_type), size_(size), payload_(payload) {}

  GgufType type() const { return type_; }
  bool is_array() const { return type_ == GgufType::array; }
  /// Type of an array's elements; type() for anything else.
  GgufType element_type() const { return element_type_; }
  /// Elements of an array; 1 for anything else.
  std::uint64_t size() const { return size_; }
  /// The encoded bytes, without types and counts of the outermost level.
  std::span<const std::byte> payload() const { return payload_; }
  /// "u32", "string", "array of f32": for messages.
  std::string type_name() const;

  /// Any integer type that fits; nothing otherwise.
  std::optional<std::int64_t> as_int() const;
  /// f32 or f64.
  std::optional<double> as_float() const;
  std::optional<bool> as_bool() const;
  std::optional<std::string_view> as_string() const;

  /// The value as one line for people: strings are escaped and cut, arrays show their first `max_elements` elements and
  /// their length.
  std::string to_string(std::size_t max_elements = 8, std::size_t max_string_bytes = 120) const;

 private:
  GgufType type_ = GgufType::u8, element_type_ = GgufType::u8;
  std::uint64_t size_ = 0;
  std::span<const std::byte> payload_;
};

/// Walks the elements of an array in order. Strings and nested arrays have no fixed size, so there is no random access.
class GgufElements {
 public:
  explicit GgufElements(const GgufValue& array);
  /// The next element, or nothing at the end.
  std::optional<GgufValue> next();

 private:
  GgufType type_;
  std::uint64_t left_;
  std::span<const std::byte> rest_;
};

}  // namespace plumb
