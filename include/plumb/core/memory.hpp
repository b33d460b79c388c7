#pragma once
/// @file
/// Aligned, uninitialised memory for tensors and packed weights, with huge pages where the system gives them.

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// One vector register and one cache line on every machine plumb runs on.
inline constexpr std::size_t kAlignment = 64;
/// Size of a transparent huge page on x86-64.
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Asks for the cache line of `p`, any address, for itself: other cores that have read it give it up meanwhile. A store
/// to a line that they hold waits for that, and a plain prefetch does not do it. (Compilers make a plain one of
/// __builtin_prefetch(p, 1) unless told that the instruction exists; processors too old for it take it for a no-op.)
inline void prefetch_to_write(const void* p) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 1, 3);
#endif
}

/// Owner of a 64-byte aligned block of bytes. Blocks of 2 MiB and more are aligned to, and advised as, huge pages.
/// The contents are not initialised: first touch belongs to the thread that will use the memory.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// @throws Error{out_of_memory} naming the size.
  explicit AlignedBuffer(std::size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
    const std::size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
    if (bytes > PTRDIFF_MAX - alignment)
      throw Error(ErrorCode::out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, round_up(bytes, alignment))));
    if (!data_) throw Error(ErrorCode::out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
    if (bytes >= kHugePage) ::madvise(data_.get(), round_up(bytes, alignment), MADV_HUGEPAGE);  // a refusal is harmless
  }

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  /// The first element when the bytes are seen as an array of T.
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace plumb
