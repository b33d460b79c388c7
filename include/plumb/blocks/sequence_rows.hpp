#pragma once
/// @file
/// The rows of a batch by sequence. Rows of several sequences may alternate in any order; what remembers by recurrence
/// takes those of each sequence in their order.

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "plumb/blocks/batch.hpp"
#include "plumb/cpu/recurrent_kernels.hpp"

namespace plumb::inline PLUMB_ABI {

/// The rows of one sequence: indices into the batch, rising.
struct SequenceRows {
  std::int32_t sequence = 0;
  std::span<const std::int32_t> rows;

  std::int64_t size() const { return static_cast<std::int64_t>(rows.size()); }
  RowIndex index() const { return {rows.data(), size()}; }
  std::int64_t operator[](std::int64_t i) const { return rows[static_cast<std::size_t>(i)]; }
};

/// Groups the rows of batches of up to `max_rows` rows. Allocates in the constructor alone.
class RowsBySequence {
 public:
  RowsBySequence() = default;
  explicit RowsBySequence(std::int64_t max_rows)
      : order_(static_cast<std::size_t>(max_rows)),
        before_(static_cast<std::size_t>(max_rows)),
        groups_(static_cast<std::size_t>(max_rows)) {}

  /// The sequences of a batch, rising, with their rows. Valid until the next call.
  std::span<const SequenceRows> group(std::span<const BatchRow> rows) {
    const auto n = static_cast<std::ptrdiff_t>(rows.size());
    for (std::ptrdiff_t i = 0; i < n; ++i) order_[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i);
    const auto sequence = [&](std::int32_t row) { return rows[static_cast<std::size_t>(row)].sequence; };
    const auto before = [&](std::int32_t a, std::int32_t b) {
      return sequence(a) != sequence(b) ? sequence(a) < sequence(b) : a < b;
    };
    const auto end = order_.begin() + n;
    if (!std::is_sorted(order_.begin(), end, before)) std::sort(order_.begin(), end, before);
    std::size_t count = 0;
    for (auto first = order_.begin(); first != end;) {
      const auto last = std::find_if(first, end, [&](std::int32_t row) { return sequence(row) != sequence(*first); });
      groups_[count++] = {sequence(*first), {first, last}};
      std::int32_t before = -1;
      for (auto row = first; row != last; ++row) before_[static_cast<std::size_t>(*row)] = std::exchange(before, *row);
      first = last;
    }
    return {groups_.data(), count};
  }
  /// The row before row n of the last batch in its sequence; -1: it is the first.
  std::int32_t before(std::int64_t n) const { return before_[static_cast<std::size_t>(n)]; }
  std::size_t bytes() const { return 2 * order_.size() * sizeof(std::int32_t) + groups_.size() * sizeof(SequenceRows); }

 private:
  std::vector<std::int32_t> order_;   // [max_rows], rows sorted by sequence
  std::vector<std::int32_t> before_;  // [max_rows], of each row
  std::vector<SequenceRows> groups_;  // [max_rows]
};

}  // namespace plumb
