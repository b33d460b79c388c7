#pragma once
/// @file
/// Writing a file so that its name always stands for a complete file: the old one or the new one.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A new file that takes its name only when commit() is called. Until then the bytes go to a temporary file in the same
/// folder: one without any name where the file system knows such files (O_TMPFILE), else `.NAME.<random>.tmp`. commit()
/// flushes, syncs the file, renames it over the target and syncs the folder. Without a commit, or when anything throws,
/// the temporary file goes away and the target keeps its old contents.
///
/// What can stay behind: a process that is killed (SIGKILL, or SIGINT/SIGTERM without a handler) leaves nothing where
/// O_TMPFILE works, and the `.tmp` file where it does not; it may be deleted. A kill between link and rename, the last
/// microseconds of a commit, leaves a complete `.tmp` file. The old contents survive in every case.
///
/// A symbolic link as target is followed: the file it points to is replaced, the link stays. An existing target hands
/// its permission bits on; a new file gets 0666 less the umask.
class AtomicFile {
 public:
  enum class Temporary {
    unnamed,  ///< O_TMPFILE, and a named file where that does not work
    named,
  };

  /// @throws Error{io} when the folder does not take a new file or the target exists and is no regular file.
  explicit AtomicFile(const std::filesystem::path& path, Temporary temporary = Temporary::unnamed);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. @throws Error{io}, a full disk included; the file cannot be committed any more then.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Appends `count` zero bytes.
  void write_zeros(std::uint64_t count);
  /// Bytes appended so far.
  std::uint64_t position() const { return position_; }

  /// Gives the file its name. Nothing may be written afterwards. @throws Error{io}; the target is then what it was, but
  /// for a failing sync of the folder, when the new file has its name and may lose it in a power cut.
  void commit();

 private:
  void open_temporary(Temporary kind);
  void flush();
  void link_anonymous();
  [[noreturn]] void fail(const char* action, int error);

  std::filesystem::path target_, folder_;
  std::string name_;       // the path, fit for messages
  std::string temporary_;  // path of the temporary file; empty while it has no name
  std::vector<std::byte> buffer_;
  std::uint64_t position_ = 0;
  std::uint64_t flushed_ = 0;     // bytes handed to the system
  std::uint64_t on_its_way_ = 0;  // of these, bytes that it was told to write to the disk
  int fd_ = -1;
  bool failed_ = false;
};

}  // namespace plumb
