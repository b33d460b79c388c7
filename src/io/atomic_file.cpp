#include "plumb/io/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <system_error>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
/// Bytes after which the disk is set to work: few enough to leave little for commit(), enough for large requests.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{8} << 20;
constexpr int kNameAttempts = 100;

std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

/// ".model.gguf.1f3a9c5e.tmp" beside the target.
std::string temporary_name(const std::filesystem::path& target) {
  std::random_device random;
  constexpr char kHex[] = "0123456789abcdef";
  std::string suffix;
  for (int i = 0; i < 8; ++i) suffix += kHex[random() % 16];
  // File names end at 255 bytes on common systems: a long target name is cut.
  return (target.parent_path() / ("." + target.filename().native().substr(0, 200) + "." + suffix + ".tmp")).native();
}

/// The file that writing to `path` means: symbolic links followed.
std::filesystem::path resolve(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? path : real;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path, Temporary temporary)
    : target_(resolve(path)), name_(printable(path.native(), 4096)) {
  folder_ = target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  if (!target_.has_filename()) throw Error(ErrorCode::io, name_ + ": is no file name");
  struct stat info {};
  const bool exists = ::stat(target_.c_str(), &info) == 0;
  if (exists && !S_ISREG(info.st_mode))
    throw Error(ErrorCode::io, name_ + ": exists and is no regular file, it will not be replaced");
  buffer_.reserve(kBufferBytes);
  open_temporary(temporary);
  if (exists) ::fchmod(fd_, info.st_mode & 07777);  // a refusal leaves the default permissions, which is harmless
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_temporary(Temporary kind) {
  if (kind == Temporary::unnamed) fd_ = ::open(folder_.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (fd_ >= 0 && ::access(proc_path(fd_).c_str(), F_OK) == 0) return;
  if (fd_ >= 0) ::close(fd_);  // without /proc the file could never be given a name
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    std::string name = temporary_name(target_);
    fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0) {
      temporary_ = std::move(name);
      return;
    }
    if (errno != EEXIST && errno != EINTR) break;
  }
  throw Error(ErrorCode::io,
              name_ + ": cannot create a file in this folder: " + std::generic_category().message(errno));
}

void AtomicFile::fail(const char* action, int error) {
  failed_ = true;
  throw Error(ErrorCode::io, name_ + ": cannot " + action + " after " + std::to_string(position_) +
                                 " bytes: " + std::generic_category().message(error));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (failed_ || fd_ < 0) throw Error(ErrorCode::io, name_ + ": the file failed before or is closed");
  position_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t taken = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void AtomicFile::write_zeros(std::uint64_t count) {
  static constexpr std::byte kZeros[4096] = {};
  while (count > 0) {
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(count, sizeof kZeros));
    write(std::span(kZeros, part));
    count -= part;
  }
}

void AtomicFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t wrote = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("write", errno);
    done += static_cast<std::size_t>(wrote);
  }
  flushed_ += buffer_.size();
  buffer_.clear();
  if (flushed_ - on_its_way_ < kWritebackBytes) return;
  // Left to itself the system keeps all of it in memory until commit() syncs. Only a hint: failures come up there.
  ::sync_file_range(fd_, static_cast<off_t>(on_its_way_), static_cast<off_t>(flushed_ - on_its_way_),
                    SYNC_FILE_RANGE_WRITE);
  on_its_way_ = flushed_;
}

void AtomicFile::link_anonymous() {
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    std::string name = temporary_name(target_);
    if (::linkat(AT_FDCWD, proc_path(fd_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_ = std::move(name);
      return;
    }
    if (errno != EEXIST) break;
  }
  fail("name the file", errno);
}

void AtomicFile::commit() {
  if (failed_ || fd_ < 0) throw Error(ErrorCode::io, name_ + ": the file failed before or is closed");
  flush();
  if (::fsync(fd_) != 0) fail("sync", errno);
  if (temporary_.empty()) link_anonymous();
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) fail("close", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename", errno);
  temporary_.clear();
  const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;  // a folder that may be written but not read cannot be synced
  const int synced = ::fsync(folder);
  const int error = errno;
  ::close(folder);
  if (synced != 0 && error != EINVAL) fail("sync the folder", error);  // EINVAL: folders cannot be synced here
}

}  // namespace plumb
