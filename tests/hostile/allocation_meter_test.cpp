/// The allocation meter itself, and proof that it counts.
///
/// The linker sends every call of malloc, free and their relatives from the library and the tests to the __wrap_
/// functions below (--wrap, tests/CMakeLists.txt); operator new is replaced by one that calls malloc. What shared
/// libraries allocate for themselves is not seen.

#include "tests/support/allocation_meter.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "plumb/core/memory.hpp"

namespace {

// Signed: a block that a shared library allocated may be freed here.
std::atomic<std::ptrdiff_t> current_bytes{0}, peak_bytes{0};

void* counted(void* memory) noexcept {
  if (memory == nullptr) return nullptr;
  const auto size = static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
  const std::ptrdiff_t now = current_bytes.fetch_add(size) + size;
  std::ptrdiff_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return memory;
}

void discount(void* memory) noexcept {
  if (memory != nullptr) current_bytes -= static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
}

void* not_null(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* aligned(std::size_t bytes, std::align_val_t alignment) {
  void* memory = nullptr;
  return ::posix_memalign(&memory, static_cast<std::size_t>(alignment), bytes) == 0 ? memory : nullptr;
}

}  // namespace

// NOLINTBEGIN: reserved names are what the linker's --wrap asks for
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_calloc(std::size_t count, std::size_t bytes);
void* __real_realloc(void* memory, std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);
int __real_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes);
void __real_free(void* memory);

void* __wrap_malloc(std::size_t bytes) { return counted(__real_malloc(bytes)); }
void* __wrap_calloc(std::size_t count, std::size_t bytes) { return counted(__real_calloc(count, bytes)); }
void* __wrap_realloc(void* memory, std::size_t bytes) {
  discount(memory);
  return counted(__real_realloc(memory, bytes));
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return counted(__real_aligned_alloc(alignment, bytes));
}
int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  const int error = __real_posix_memalign(memory, alignment, bytes);
  if (error == 0) counted(*memory);
  return error;
}
void __wrap_free(void* memory) {
  discount(memory);
  __real_free(memory);
}
}
// NOLINTEND

namespace {

/// Not inlined: g++ would see a pointer from operator new given to free() and warn, though both are the pair below.
[[gnu::noinline]] void release(void* p) noexcept { std::free(p); }

}  // namespace

void* operator new(std::size_t bytes) { return not_null(std::malloc(bytes)); }
void* operator new[](std::size_t bytes) { return not_null(std::malloc(bytes)); }
void* operator new(std::size_t bytes, std::align_val_t a) { return not_null(aligned(bytes, a)); }
void* operator new[](std::size_t bytes, std::align_val_t a) { return not_null(aligned(bytes, a)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }

namespace plumb::test {

AllocationMeter::AllocationMeter() : before_(current_bytes.load()) { peak_bytes = before_; }
std::size_t AllocationMeter::peak() const { return static_cast<std::size_t>(peak_bytes.load() - before_); }

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(AllocationMeter, CountsVectorsAndTheLibrarysBuffers) {
  const AllocationMeter vectors;
  { const std::vector<char> block(5 * kMiB); }
  EXPECT_GE(vectors.peak(), 5 * kMiB);
  EXPECT_LT(vectors.peak(), 6 * kMiB);
  const AllocationMeter buffers;
  { const AlignedBuffer block(6 * kMiB); }
  EXPECT_GE(buffers.peak(), 6 * kMiB);
  EXPECT_LT(buffers.peak(), 9 * kMiB);
}

TEST(AllocationMeter, TakesThePeakAndForgetsWhatWasFreed) {
  const AllocationMeter meter;
  for (int i = 0; i < 10; ++i) {
    const AlignedBuffer block(4 * kMiB);
    const std::string text(kMiB, 'x');
  }
  EXPECT_GE(meter.peak(), 5 * kMiB);
  EXPECT_LT(meter.peak(), 8 * kMiB);
}

}  // namespace
}  // namespace plumb::test
