#pragma once
/// Counts the memory that a piece of code holds at its worst. Sees operator new, malloc and aligned_alloc of the whole
/// program; only test_hostile has it (allocation_meter_test.cpp).

#include <cstddef>

namespace plumb::test {

/// Peak of the bytes allocated since construction and not yet freed.
class AllocationMeter {
 public:
  AllocationMeter();
  std::size_t peak() const;

 private:
  std::ptrdiff_t before_;
};

}  // namespace plumb::test
