#include "plumb/io/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Closes a file descriptor on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void throw_errno(const std::string& name, const char* action, int error) {
  throw Error(ErrorCode::io, name + ": cannot " + action + ": " + std::generic_category().message(error));
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISCHR(mode)) return "a character device";
  if (S_ISBLK(mode)) return "a block device";
  if (S_ISSOCK(mode)) return "a socket";
  return "not a regular file";
}

/// O_NONBLOCK keeps the open of a FIFO without a writer from waiting for ever; regular files ignore it.
int open_read_only(const std::filesystem::path& path) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

AlignedBuffer read_all(int fd, std::size_t size, const std::string& name) {
  AlignedBuffer buffer(size);
  std::size_t done = 0;
  while (done < size) {
    const std::size_t chunk = std::min<std::size_t>(size - done, std::size_t{1} << 30);
    const ssize_t got = ::pread(fd, buffer.data() + done, chunk, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(name, "read", errno);
    if (got == 0)
      throw Error(ErrorCode::truncated, name + ": ended after " + std::to_string(done) + " of " + std::to_string(size) +
                                            " bytes; it shrank while it was read");
    done += static_cast<std::size_t>(got);
  }
  return buffer;
}

}  // namespace

std::shared_ptr<const FileMapping> FileMapping::open(const std::filesystem::path& path, Mode mode) {
  std::shared_ptr<FileMapping> file(new FileMapping);
  file->name_ = printable(path.native(), 4096);
  file->path_ = path;
  const Descriptor fd(open_read_only(path));
  if (fd.get() < 0) throw_errno(file->name_, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) throw_errno(file->name_, "stat", errno);
  if (!S_ISREG(info.st_mode))
    throw Error(ErrorCode::io, file->name_ + ": is " + kind_of(info.st_mode) + ", expected a regular file");
  if (info.st_size == 0) throw Error(ErrorCode::truncated, file->name_ + ": the file is empty");
  const std::size_t size = static_cast<std::size_t>(info.st_size);
  if (mode == Mode::map) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (address != MAP_FAILED) {
      file->bytes_ = {static_cast<const std::byte*>(address), size};
      file->mapped_ = true;
      return file;
    }
  }
  file->copy_ = read_all(fd.get(), size, file->name_);
  file->bytes_ = {file->copy_.data(), size};
  return file;
}

std::shared_ptr<const FileMapping> FileMapping::borrow(std::span<const std::byte> bytes, std::string name) {
  if (bytes.empty()) throw Error(ErrorCode::truncated, name + ": there are no bytes");
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment != 0)
    throw Error(ErrorCode::invalid_argument, name + ": borrowed memory must be 64-byte aligned");
  std::shared_ptr<FileMapping> file(new FileMapping);
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  return file;
}

std::shared_ptr<const FileMapping> FileMapping::beginning(std::span<const std::byte> head, std::size_t size,
                                                          const std::filesystem::path& path) {
  std::shared_ptr<FileMapping> file(new FileMapping);
  file->name_ = printable(path.native(), 4096);
  file->path_ = path;
  if (head.empty()) throw Error(ErrorCode::truncated, file->name_ + ": there are no bytes");
  if (head.size() > size)
    throw Error(ErrorCode::invalid_argument, file->name_ + ": " + std::to_string(head.size()) +
                                                 " bytes are the beginning of a file of " + std::to_string(size));
  constexpr int kKind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, kKind, -1, 0);
  if (address == MAP_FAILED)
    throw Error(ErrorCode::out_of_memory,
                file->name_ + ": no room for the addresses of " + std::to_string(size) + " bytes");
  file->bytes_ = {static_cast<const std::byte*>(address), size};
  file->reserved_ = true;
  std::memcpy(address, head.data(), head.size());
  return file;
}

FileMapping::~FileMapping() {
  if (mapped_ || reserved_) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void FileMapping::advise(std::size_t offset, std::size_t length, AccessAdvice advice) const noexcept {
  if (!mapped_ || offset >= size()) return;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = offset / page * page;  // whole pages that touch the range
  const std::size_t end = offset + std::min(length, size() - offset);
  const int code = advice == AccessAdvice::sequential  ? MADV_SEQUENTIAL
                   : advice == AccessAdvice::random    ? MADV_RANDOM
                   : advice == AccessAdvice::will_need ? MADV_WILLNEED
                                                       : MADV_NORMAL;
  ::madvise(const_cast<std::byte*>(bytes_.data()) + first, end - first, code);
}

void FileMapping::release(std::size_t offset, std::size_t length) const noexcept {
  if (!mapped_ || offset >= size()) return;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = ceil_div(offset, page) * page;  // whole pages inside the range
  const bool to_the_end = length >= size() - offset;
  const std::size_t end = to_the_end ? round_up(size(), page) : (offset + length) / page * page;
  if (first < end) ::madvise(const_cast<std::byte*>(bytes_.data()) + first, end - first, MADV_DONTNEED);
}

}  // namespace plumb
