#include "merge_table.hpp"

#include <algorithm>
#include <bit>

#include "piece_index.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

std::uint64_t pair_key(Token left, Token right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(std::span<const Merge> merges, bool last_counts, std::uint64_t seed)
    : slots_(std::bit_ceil(merges.size() * 3 / 2 + 1)), mask_(slots_.size() - 1), seed_(seed) {
  constexpr std::size_t kAhead = 16;  // how far memory is asked for ahead of its use
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (i + kAhead < merges.size())
      __builtin_prefetch(&slots_[first_slot(merges[i + kAhead].left, merges[i + kAhead].right)], 1);
    const Merge& merge = merges[i];
    std::size_t slot = first_slot(merge.left, merge.right);
    while (slots_[slot].left != kNoToken && (slots_[slot].left != merge.left || slots_[slot].right != merge.right))
      slot = (slot + 1) & mask_;
    if (slots_[slot].left == kNoToken || last_counts) slots_[slot] = merge;
  }
}

std::size_t MergeTable::first_slot(Token left, Token right) const {
  return hash_key(pair_key(left, right), seed_) & mask_;
}

const Merge* MergeTable::find(Token left, Token right) const {
  for (std::size_t slot = first_slot(left, right); slots_[slot].left != kNoToken; slot = (slot + 1) & mask_)
    if (slots_[slot].left == left && slots_[slot].right == right) return &slots_[slot];
  return nullptr;
}

void MergeTable::consider(std::int32_t left, MergeScratch& scratch) const {
  if (left < 0) return;
  const MergeScratch::Symbol& symbol = scratch.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const Token right = scratch.symbols[static_cast<std::size_t>(symbol.next)].token;
  const Merge* merge = find(symbol.token, right);
  if (!merge) return;
  scratch.heap.push_back({merge->rank, left, symbol.token, right, merge->joined});
  std::push_heap(scratch.heap.begin(), scratch.heap.end());
}

void MergeTable::merge(MergeScratch& scratch, std::vector<Token>& out) const {
  auto& symbols = scratch.symbols;
  scratch.heap.clear();
  for (std::size_t i = 0; i < symbols.size(); ++i) consider(static_cast<std::int32_t>(i), scratch);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    const MergeScratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    MergeScratch::Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.token != best.left_token || left.next < 0) continue;
    MergeScratch::Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.token != best.right_token) continue;
    left.token = best.joined;
    right.token = kNoToken;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = best.left;
    consider(left.previous, scratch);
    consider(best.left, scratch);
  }
  for (std::int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[static_cast<std::size_t>(at)].next)
    if (symbols[static_cast<std::size_t>(at)].token != kNoToken)
      out.push_back(symbols[static_cast<std::size_t>(at)].token);
}

}  // namespace plumb
