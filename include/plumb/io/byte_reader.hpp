#pragma once
/// @file
/// The one class that takes bytes out of a binary file. Every read is checked against what is left.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

static_assert(std::endian::native == std::endian::little, "plumb reads little-endian files in place");

/// A cursor over little-endian bytes. Reading past the end is Error{truncated} that names file, field and position.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string file_name)
      : bytes_(bytes), file_name_(std::move(file_name)) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  const std::string& file_name() const { return file_name_; }

  /// The next `count` bytes, in place. @throws Error{truncated} naming `field`.
  std::span<const std::byte> take(std::uint64_t count, std::string_view field) {
    if (count > remaining()) fail_truncated(count, field);
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return taken;
  }
  /// The next number. @throws Error{truncated} naming `field`.
  template <class T>
  requires std::is_arithmetic_v<T> T number(std::string_view field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field).data(), sizeof(T));
    return value;
  }
  /// The bytes from `begin`, an earlier position(), to here.
  std::span<const std::byte> since(std::size_t begin) const { return bytes_.subspan(begin, position_ - begin); }
  /// `count` items of at least `item_bytes` each must fit into what is left: nothing is reserved for items that the
  /// file cannot hold. @throws Error{truncated} naming `field`.
  void require(std::uint64_t count, std::size_t item_bytes, std::string_view field) const {
    if (count > remaining() / item_bytes) fail_count(count, item_bytes, field);
  }

  /// Error of this code with "file: message".
  [[noreturn]] void fail(ErrorCode code, const std::string& message) const {
    throw Error(code, file_name_ + ": " + message);
  }

 private:
  [[noreturn]] void fail_truncated(std::uint64_t count, std::string_view field) const {
    fail(ErrorCode::truncated, std::string(field) + " at byte " + std::to_string(position_) + " needs " +
                                   std::to_string(count) + " bytes, the file has " + std::to_string(remaining()) +
                                   " more");
  }
  [[noreturn]] void fail_count(std::uint64_t count, std::size_t item_bytes, std::string_view field) const {
    fail(ErrorCode::truncated, std::string(field) + " announces " + std::to_string(count) + " items of at least " +
                                   std::to_string(item_bytes) + " bytes, the file has " + std::to_string(remaining()) +
                                   " more bytes");
  }

  std::span<const std::byte> bytes_;
  std::string file_name_;
  std::size_t position_ = 0;
};

}  // namespace plumb
