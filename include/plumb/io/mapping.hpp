#pragma once
/// @file
/// A whole file as read-only memory: mapped where the system can, read where it cannot.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "plumb/core/memory.hpp"

namespace plumb::inline PLUMB_ABI {

/// What is going to happen to a range of a mapped file, so that the system can read ahead or not.
enum class AccessAdvice {
  normal,
  sequential,  ///< read once, front to back
  random,      ///< no read-ahead
  will_need,   ///< start reading now
};

/// The bytes of one regular file, or of memory that a caller lends. Not copyable; the bytes never move.
///
/// A mapped file that another program shortens while it is mapped raises SIGBUS on the next touch: that is how the
/// system tells it, and no reader of mappings can turn it into an exception. Replace model files by renaming.
class FileMapping {
 public:
  enum class Mode {
    map,   ///< mmap, and plain reading where that fails
    read,  ///< plain reading into memory of its own
  };

  /// Opens a regular file. @throws Error{io} for directories, FIFOs, devices and whatever cannot be opened or read,
  /// Error{truncated} for an empty file or one that shrinks while it is read, Error{out_of_memory}.
  static std::shared_ptr<const FileMapping> open(const std::filesystem::path& path, Mode mode = Mode::map);
  /// Wraps memory of the caller, which must outlive the mapping. `name` stands for the path in messages.
  /// @throws Error{invalid_argument} unless the memory is 64-byte aligned, Error{truncated} when there is none.
  static std::shared_ptr<const FileMapping> borrow(std::span<const std::byte> bytes, std::string name);

  /// The beginning of a file whose rest is elsewhere: `head`, then zeros up to `size` bytes, which cost no memory
  /// until they are read. `path` says where. @throws Error{out_of_memory} where the system does
  /// not give that much room, {invalid_argument} for a head longer than the file, Error{truncated} for an empty one.
  static std::shared_ptr<const FileMapping> beginning(std::span<const std::byte> head, std::size_t size,
                                                      const std::filesystem::path& path);

  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  /// The path, fit for messages.
  const std::string& name() const { return name_; }
  /// As it was opened, or where the rest is; empty for borrowed memory.
  const std::filesystem::path& path() const { return path_; }
  /// Whether the bytes are pages of the file, rather than a copy.
  bool is_mapped() const { return mapped_; }

  /// Tells the system what will happen to [offset, offset + length). A hint: does nothing where it cannot help.
  void advise(std::size_t offset, std::size_t length, AccessAdvice advice) const noexcept;
  /// Gives the memory of [offset, offset + length) back to the system; whole pages inside the range only. The bytes
  /// stay readable: a later touch reads them from the file again. Does nothing for memory that is not a mapped file.
  void release(std::size_t offset, std::size_t length) const noexcept;

 private:
  FileMapping() = default;

  std::string name_;
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  AlignedBuffer copy_;
  bool mapped_ = false, reserved_ = false;
};

}  // namespace plumb
