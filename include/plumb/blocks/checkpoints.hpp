#pragma once
/// @file
/// Copies of a sequence's recurrent values at some of its positions. These values cannot be cut back, so a sequence
/// that is to be shortened goes back to the last copy before the cut and reads on from there.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "plumb/core/memory.hpp"

namespace plumb::inline PLUMB_ABI {

/// The recurrent values of all layers after `position` tokens; sequences that were copied share them.
struct StateCheckpoint {
  int position = 0;
  std::shared_ptr<AlignedBuffer> values;
};

/// The checkpoints of one sequence, in rising order. When there are as many as there may be, the one goes whose loss
/// costs the least reading for its distance from the end: they lie closer together towards the end.
class Checkpoints {
 public:
  Checkpoints() = default;
  /// At most `most`, at least `every` tokens apart.
  Checkpoints(int most, int every) : most_(most), every_(every) { kept_.reserve(static_cast<std::size_t>(most)); }

  /// Whether a sequence of `length` tokens should get one.
  bool due(int length) const { return most_ > 0 && length - (kept_.empty() ? 0 : kept_.back().position) >= every_; }
  /// The memory for the values after `length` tokens, the most so far. @throws Error{out_of_memory}, std::bad_alloc.
  std::byte* add(int length, std::size_t bytes) {
    std::shared_ptr<AlignedBuffer> values;
    if (kept_.size() == static_cast<std::size_t>(most_)) {
      const auto oldest = kept_.begin() + least_useful(length);
      if (oldest->values.use_count() == 1) values = std::move(oldest->values);
      kept_.erase(oldest);
    }
    if (!values) values = std::make_shared<AlignedBuffer>(bytes);
    std::byte* const place = values->data();
    kept_.push_back({length, std::move(values)});
    return place;
  }
  /// The last one at or before `length`; null: there is none.
  const StateCheckpoint* before(int length) const {
    const auto after = std::upper_bound(kept_.begin(), kept_.end(), length,
                                        [](int position, const StateCheckpoint& c) { return position < c.position; });
    return after == kept_.begin() ? nullptr : &*(after - 1);
  }
  /// Forgets those beyond `length`.
  void cut(int length) {
    while (!kept_.empty() && kept_.back().position > length) kept_.pop_back();
  }
  const std::vector<StateCheckpoint>& all() const { return kept_; }

 private:
  /// Without checkpoint i, cuts behind it read again from the one before: so many tokens more at most, for their
  /// distance from the end.
  std::ptrdiff_t least_useful(int length) const {
    std::ptrdiff_t least = 0;
    double cost = 2;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const int before = i == 0 ? 0 : kept_[i - 1].position;
      const int after = i + 1 == kept_.size() ? length : kept_[i + 1].position;
      const double own = static_cast<double>(after - before) / (length - before);
      if (own >= cost) continue;
      cost = own;
      least = static_cast<std::ptrdiff_t>(i);
    }
    return least;
  }

  int most_ = 0, every_ = 1;
  std::vector<StateCheckpoint> kept_;
};

}  // namespace plumb
