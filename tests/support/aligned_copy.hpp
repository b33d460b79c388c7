#pragma once
/// Memory as GgufFile::from_memory wants it.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace plumb::test {

/// A 64-byte aligned copy of exactly the given size: a sanitizer sees the first byte behind it.
class AlignedCopy {
 public:
  explicit AlignedCopy(std::string_view bytes) : size_(bytes.size()) {
    void* memory = nullptr;
    if (::posix_memalign(&memory, 64, size_ > 0 ? size_ : 1) != 0) throw std::bad_alloc();
    data_.reset(static_cast<std::byte*>(memory));
    std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_;
};

}  // namespace plumb::test
