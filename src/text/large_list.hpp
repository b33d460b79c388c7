#pragma once
/// @file
/// Memory of tables with a hundred thousand rows and more.

#include <cstdlib>
#include <new>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/memory.hpp"

namespace plumb::inline PLUMB_ABI {

/// Allocates on huge pages where the system has them. Filling a table in no order then costs a page fault every 2 MiB,
/// not every 4 KiB, which was a third of the time to load a tokenizer.
template <class T>
struct LargeAllocator {
  using value_type = T;
  LargeAllocator() = default;
  template <class Other>
  LargeAllocator(const LargeAllocator<Other>& /*other*/) {}
  bool operator==(const LargeAllocator&) const { return true; }

  T* allocate(std::size_t count) {
    if (count > (PTRDIFF_MAX - kHugePage) / sizeof(T)) throw std::bad_alloc();
    const std::size_t bytes = count * sizeof(T);
    const bool huge = bytes >= kHugePage;
    const std::size_t alignment = huge ? kHugePage : kAlignment, whole = round_up(bytes, alignment);
    void* const memory = std::aligned_alloc(alignment, whole);
    if (!memory) throw std::bad_alloc();
    if (huge) ::madvise(memory, whole, MADV_HUGEPAGE);  // a refusal is harmless
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t /*count*/) noexcept { std::free(memory); }
};

/// Asks for huge pages where whole ones lie inside of memory that was allocated otherwise and not written yet.
inline void want_huge_pages(void* memory, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = round_up(address, std::uintptr_t{kHugePage});
  const std::uintptr_t last = (address + bytes) / kHugePage * kHugePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // a refusal is harmless
}

template <class T>
using LargeList = std::vector<T, LargeAllocator<T>>;

}  // namespace plumb
