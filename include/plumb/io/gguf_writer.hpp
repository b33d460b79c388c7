#pragma once
/// @file
/// Writing GGUF files: metadata of every type, tensors streamed one after the other.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/tensor.hpp"
#include "plumb/io/gguf.hpp"

namespace plumb::inline PLUMB_ABI {

/// Number types that metadata can hold.
template <class T>
concept GgufScalar = std::same_as<T, std::uint8_t> || std::same_as<T, std::int8_t> || std::same_as<T, std::uint16_t> ||
    std::same_as<T, std::int16_t> || std::same_as<T, std::uint32_t> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::uint64_t> || std::same_as<T, std::int64_t> || std::same_as<T, float> ||
    std::same_as<T, double> || std::same_as<T, bool>;

/// The metadata type of a C++ number type.
template <GgufScalar T>
constexpr GgufType gguf_type_of() {
  if constexpr (std::same_as<T, bool>) return GgufType::boolean;
  if constexpr (std::same_as<T, std::uint8_t>) return GgufType::u8;
  if constexpr (std::same_as<T, std::int8_t>) return GgufType::i8;
  if constexpr (std::same_as<T, std::uint16_t>) return GgufType::u16;
  if constexpr (std::same_as<T, std::int16_t>) return GgufType::i16;
  if constexpr (std::same_as<T, std::uint32_t>) return GgufType::u32;
  if constexpr (std::same_as<T, std::int32_t>) return GgufType::i32;
  if constexpr (std::same_as<T, std::uint64_t>) return GgufType::u64;
  if constexpr (std::same_as<T, std::int64_t>) return GgufType::i64;
  if constexpr (std::same_as<T, float>) return GgufType::f32;
  if constexpr (std::same_as<T, double>) return GgufType::f64;
}

/// An array value under construction: numbers, strings or other arrays, all of one type.
class GgufArray {
 public:
  explicit GgufArray(GgufType element_type) : element_type_(element_type) {}
  template <GgufScalar T>
  static GgufArray of(std::span<const T> values) {
    GgufArray array(gguf_type_of<T>());
    for (const T value : values) array.add(value);
    return array;
  }
  static GgufArray of_strings(std::span<const std::string> values);
  static GgufArray of_strings(std::span<const std::string_view> values);

  /// Append an element. @throws Error{invalid_argument} when it has another type than the array.
  template <GgufScalar T>
  void add(T value) {
    expect(gguf_type_of<T>());
    append(std::as_bytes(std::span(&value, 1)));
  }
  void add(std::string_view value);
  void add(const GgufArray& value);

  GgufType element_type() const { return element_type_; }
  std::uint64_t size() const { return size_; }
  std::span<const std::byte> payload() const { return payload_; }

 private:
  void expect(GgufType type) const;
  void append(std::span<const std::byte> element);

  GgufType element_type_;
  std::uint64_t size_ = 0;
  std::vector<std::byte> payload_;
};

/// One tensor that a writer is going to write.
struct GgufTensorPlan {
  std::string name;
  DType type;
  Shape shape;           ///< outermost first
  std::uint64_t bytes;   ///< of the data, padding not counted
  std::uint64_t offset;  ///< from the start of the data section
};

/// Takes the bytes of one tensor, in as many pieces as the producer likes. @throws Error{invalid_argument} for more
/// bytes than the tensor has, Error{io} when they cannot be written.
using GgufAppend = std::function<void(std::span<const std::byte>)>;
/// Produces the bytes of one tensor by calling `append`. Called once per tensor in the order in which they were added.
using GgufProduce = std::function<void(const GgufTensorPlan& tensor, const GgufAppend& append)>;

/// Collects metadata and a list of tensors, then writes the file in one pass. The memory it needs is the metadata;
/// tensor bytes go straight through.
class GgufWriter {
 public:
  /// @throws Error{invalid_argument} unless version is 2 or 3 and alignment a power of two from 8 to 1 MiB.
  explicit GgufWriter(std::uint32_t alignment = kGgufDefaultAlignment, std::uint32_t version = 3);

  /// Sets a key, replacing its earlier value. The order of first setting is the order in the file.
  /// @throws Error{invalid_argument} for an empty or too long key, and for `general.alignment`, which the writer sets.
  template <GgufScalar T>
  void set(std::string_view key, T value) {
    set_encoded(key, gguf_type_of<T>(), std::as_bytes(std::span(&value, 1)));
  }
  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, const GgufArray& value);
  /// A value of another file, of any type.
  void set(std::string_view key, const GgufValue& value);
  /// All metadata of another file but for its alignment and what it says of being split, in its order; keys that are
  /// set already keep their value.
  void copy_metadata(const ModelFile& file);
  /// Removes a key if it is there.
  void remove(std::string_view key);

  /// Announces a tensor. @throws Error{duplicate, bad_shape, overflow, invalid_argument} naming it.
  void add_tensor(std::string_view name, DType type, const Shape& shape);
  std::span<const GgufTensorPlan> tensors() const { return tensors_; }

  /// Everything in front of the tensor data, padding included.
  std::vector<std::byte> header() const;
  /// Writes the file (see AtomicFile: complete or not at all). `produce` is called for each tensor and must append
  /// exactly its bytes. @throws Error{io}, Error{invalid_argument} for a wrong number of bytes, and whatever `produce`
  /// throws.
  void write(const std::filesystem::path& path, const GgufProduce& produce) const;

 private:
  struct Pair {
    std::string key;
    std::vector<std::byte> encoded;  // type and payload as they stand in the file
  };
  void set_encoded(std::string_view key, GgufType type, std::span<const std::byte> payload);
  Pair& pair_for(std::string_view key);

  std::uint32_t alignment_, version_;
  std::vector<Pair> pairs_;
  std::map<std::string, std::size_t, std::less<>> pair_index_;
  std::vector<GgufTensorPlan> tensors_;
  std::set<std::string, std::less<>> tensor_names_;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace plumb
