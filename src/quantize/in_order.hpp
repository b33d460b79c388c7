#pragma once
/// @file
/// Items made on many threads and used in order.

#include <omp.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::detail {

/// Calls make(i, item, thread) for i = 0 ... count - 1 on `threads` threads, and use(item) for each in order, one call
/// at a time. Items are kept and made anew in the same memory. The first exception in that order ends everything and is
/// thrown.
///
/// A thread takes the next item whenever it is free and may be a few ahead of the slowest; one that has to wait sleeps.
/// On a machine that others use too, this costs what they take. OpenMP's `ordered` costs much more: its threads spin
/// for milliseconds, on a processor where the thread they wait for may want to run (1 s of work became 57 s).
template <class Item, class Make, class Use>
void make_in_order(std::int64_t count, int threads, const Make& make, const Use& use) {
  constexpr int kAhead = 4;  // items a thread
  struct Slot {
    Item item;
    std::exception_ptr failure;
    bool made = false;
  };
  std::vector<Slot> ring(static_cast<std::size_t>(threads) * kAhead);  // item i is at i % size
  const auto at = [&](std::int64_t i) -> Slot& { return ring[static_cast<std::size_t>(i) % ring.size()]; };
  std::mutex mutex;  // of everything below and of Slot::made
  std::condition_variable room;
  std::int64_t next = 0, used = 0;
  std::exception_ptr failure;
  const auto use_what_is_made = [&] {
    for (; !failure && at(used).made; ++used) {
      Slot& slot = at(used);
      try {
        if (slot.failure) std::rethrow_exception(slot.failure);
        use(slot.item);
      } catch (...) {
        failure = std::current_exception();
      }
      slot.made = false;
    }
    room.notify_all();
  };
#pragma omp parallel num_threads(threads)
  {
    std::unique_lock lock(mutex);
    while (true) {
      room.wait(lock, [&] { return failure || next == count || next - used < static_cast<std::int64_t>(ring.size()); });
      if (failure || next == count) break;
      const std::int64_t mine = next++;
      Slot& slot = at(mine);
      lock.unlock();
      try {
        make(mine, slot.item, omp_get_thread_num());
      } catch (...) {
        slot.failure = std::current_exception();
      }
      lock.lock();
      slot.made = true;
      use_what_is_made();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace plumb::detail
