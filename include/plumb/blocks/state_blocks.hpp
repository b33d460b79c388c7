#pragma once
/// @file
/// Memory of positions in blocks of 256, which sequences may share.
///
/// A block holds 256 positions of all layers that keep every position; a sequence is a list of blocks. What a copy has
/// in common with its source is in the same blocks, and whoever writes to a shared block first takes one of its own.
/// Attention computes ranges of 256 positions, each from memory that lies together, so its kernels know nothing of
/// this: one look into the list a range (KvLayer::blocks).
///
/// All blocks are one piece of memory, with huge pages where the system gives them. It is touched block by block. A
/// block that nobody uses any more gives its pages back, for which the system may have to split a huge page.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/cpu/attention_kernels.hpp"

namespace plumb::inline PLUMB_ABI {

/// The blocks of all sequences. There are as many as all sequences need when they share nothing, so there is always a
/// free one for who shares.
class StateBlocks {
 public:
  StateBlocks() = default;
  /// Each sequence begins with blocks of its own. `memory`: of sequences * of_sequence blocks.
  StateBlocks(int sequences, int of_sequence, std::int64_t bytes, std::byte* memory)
      : of_sequence_(of_sequence), bytes_(bytes), memory_(memory) {
    for (std::int64_t b = 0; b < std::int64_t{sequences} * of_sequence; ++b) offsets_.push_back(b * bytes);
    users_.assign(offsets_.size(), 1);
    free_.reserve(offsets_.size());
  }

  /// Where the blocks of all sequences begin, from the memory on: [sequences][of_sequence()].
  const std::int64_t* offsets() const { return offsets_.data(); }
  int of_sequence() const { return of_sequence_; }
  std::byte* block(int s, int b) const { return memory_ + offsets_[at(s, b)]; }
  bool any_shared() const { return !free_.empty(); }
  bool shared(int s, int b) const { return users_[number(at(s, b))] > 1; }

  /// Block b of `to` is that of `from`. The memory of the one it had goes back to the system.
  void share(int from, int to, int b) {
    if (offsets_[at(from, b)] == offsets_[at(to, b)]) return;
    leave(to, b);
    offsets_[at(to, b)] = offsets_[at(from, b)];
    ++users_[number(at(to, b))];
  }
  /// Makes block b of s its own. Returns the one it shared, which still has what the new one has not; null: it was its
  /// own already.
  const std::byte* own(int s, int b) {
    if (!shared(s, b)) return nullptr;
    const std::byte* const before = block(s, b);
    leave(s, b);
    offsets_[at(s, b)] = std::int64_t{free_.back()} * bytes_;
    free_.pop_back();
    users_[number(at(s, b))] = 1;
    return before;
  }
  /// Blocks among the first `counts[s]` of every sequence; a shared one counts once.
  std::int64_t used(const std::vector<int>& counts) const {
    std::vector<std::int64_t> all;
    for (std::size_t s = 0; s < counts.size(); ++s)
      for (int b = 0; b < counts[s]; ++b) all.push_back(offsets_[at(static_cast<int>(s), b)]);
    std::sort(all.begin(), all.end());
    return std::unique(all.begin(), all.end()) - all.begin();
  }

 private:
  std::size_t at(int s, int b) const {
    return static_cast<std::size_t>(s) * static_cast<std::size_t>(of_sequence_) + static_cast<std::size_t>(b);
  }
  std::size_t number(std::size_t place) const { return static_cast<std::size_t>(offsets_[place] / bytes_); }

  void leave(int s, int b) {
    const std::size_t left = number(at(s, b));
    if (--users_[left] > 0) return;
    free_.push_back(static_cast<int>(left));
    // Whole pages inside the block.
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(block(s, b)), end = begin + static_cast<std::uintptr_t>(bytes_);
    const std::uintptr_t first = round_up(begin, page), last = end / page * page;
    if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);  // a refusal is harmless
  }

  int of_sequence_ = 0;
  std::int64_t bytes_ = 1;
  std::byte* memory_ = nullptr;
  std::vector<std::int64_t> offsets_;  // [sequences, of_sequence]
  std::vector<int> users_;             // [blocks]
  std::vector<int> free_;              // blocks that nobody uses
};

}  // namespace plumb
