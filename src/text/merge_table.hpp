#pragma once
/// @file
/// Byte-pair merges (Sennrich et al. 2016): which two neighbours become one, and in which order.

#include <cstdint>
#include <span>
#include <vector>

#include "large_list.hpp"
#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// What two adjacent tokens become.
struct Merge {
  Token left = kNoToken, right = kNoToken;
  std::int32_t rank = 0;  ///< lower ones go first
  Token joined = kNoToken;
};

/// A word while it is merged.
struct MergeScratch {
  /// A token within a word, in a doubly linked list of positions.
  struct Symbol {
    Token token;
    std::int32_t previous, next;
  };
  /// A possible merge of the symbol at `left` with the one after it.
  struct Candidate {
    std::int32_t rank, left;
    Token left_token, right_token;  // when it was found: it is void if either has changed
    Token joined;
    bool operator<(const Candidate& other) const {  // the heap's top is the lowest rank, leftmost first
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;

  void clear() { symbols.clear(); }
  void add(Token token) {
    const auto index = static_cast<std::int32_t>(symbols.size());
    if (index > 0) symbols.back().next = index;
    symbols.push_back({token, index - 1, -1});
  }
};

/// A hash table by pairs of tokens. Immutable.
class MergeTable {
 public:
  /// `seed` spreads the keys, so that a file cannot hold pairs that were chosen to collide. Of equal pairs the first
  /// counts, or the last one.
  MergeTable(std::span<const Merge> merges, bool last_counts, std::uint64_t seed);

  /// Merges the symbols until no pair of neighbours is in the table, and appends what is left. O(n log n).
  void merge(MergeScratch& scratch, std::vector<Token>& out) const;

 private:
  std::size_t first_slot(Token left, Token right) const;
  const Merge* find(Token left, Token right) const;
  void consider(std::int32_t left, MergeScratch& scratch) const;

  LargeList<Merge> slots_;  // [power of two]; left = kNoToken: free
  std::size_t mask_;
  std::uint64_t seed_;
};

}  // namespace plumb
