#pragma once
/// Arrays that end (or begin) at a page which may not be touched: a kernel that reads or writes beyond them dies.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace plumb::test {

/// Where the forbidden page lies.
enum class Guard { behind, before };

/// `n` elements directly beside an inaccessible page.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n, Guard guard = Guard::behind) : n_(n) {
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t usable = (n * sizeof(T) + page - 1) / page * page;
    bytes_ = usable + 2 * page;
    map_ = ::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map_ == MAP_FAILED) throw std::bad_alloc();
    std::byte* const inside = static_cast<std::byte*>(map_) + page;
    if (usable != 0 && ::mprotect(inside, usable, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(guard == Guard::behind ? inside + usable - n * sizeof(T) : inside);
  }
  /// A copy of `values` beside the page.
  explicit Guarded(const std::vector<T>& values, Guard guard = Guard::behind) : Guarded(values.size(), guard) {
    std::copy(values.begin(), values.end(), data_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { ::munmap(map_, bytes_); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return n_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + n_; }
  std::span<const T> span() const { return {data_, n_}; }

 private:
  std::size_t n_ = 0, bytes_ = 0;
  void* map_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace plumb::test
