#include "piece_index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace plumb::inline PLUMB_ABI {
namespace {

/// High and low half of a 128-bit product, folded.
std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load_word(const char* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// 1 to 7 bytes, each of them somewhere in the word: no copy of a length that the compiler does not know.
std::uint64_t load_rest(const char* bytes, std::size_t count) {
  if (count >= 4) {
    std::uint32_t first = 0, last = 0;
    std::memcpy(&first, bytes, sizeof(first));
    std::memcpy(&last, bytes + count - sizeof(last), sizeof(last));
    return first | static_cast<std::uint64_t>(last) << 32;
  }
  const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])); };
  return byte(0) | byte(count / 2) << 8 | byte(count - 1) << 16;
}

constexpr std::size_t kBlock = 64;  // spellings whose memory is asked for at once, before any of them is looked up

constexpr std::uint64_t kOdd1 = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio
constexpr std::uint64_t kOdd2 = 0xD1B54A32D192ED03u;

}  // namespace

std::uint64_t hash_key(std::uint64_t key, std::uint64_t seed) { return fold_multiply(key ^ seed ^ kOdd1, kOdd2); }

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t hash = fold_multiply(seed ^ kOdd1, bytes.size() ^ kOdd2);
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) hash = fold_multiply(hash ^ load_word(bytes.data() + at), kOdd1);
  if (at < bytes.size()) hash = fold_multiply(hash ^ load_rest(bytes.data() + at, bytes.size() - at), kOdd1);
  return fold_multiply(hash, kOdd2);
}

PieceIndex::PieceIndex(std::span<const std::string> pieces) : pieces_(pieces) {
  for (const std::string& piece : pieces) {
    seed_ = hash_bytes(piece, seed_);
    longest_ = std::max(longest_, piece.size());
  }
  slots_.assign(std::bit_ceil(2 * pieces.size() + 1), kNoToken);
  mask_ = slots_.size() - 1;
  std::array<std::size_t, kBlock> slots{};
  for (std::size_t begin = 0; begin < pieces.size(); begin += kBlock) {
    const std::size_t count = std::min(kBlock, pieces.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      slots[i] = hash_bytes(pieces[begin + i], seed_) & mask_;
      __builtin_prefetch(&slots_[slots[i]], 1);
    }
    for (std::size_t i = 0; i < count; ++i)
      if (!pieces[begin + i].empty()) insert(slots[i], begin + i);
  }
}

void PieceIndex::insert(std::size_t slot, std::size_t id) {
  while (slots_[slot] != kNoToken && pieces_[static_cast<std::size_t>(slots_[slot])] != pieces_[id])
    slot = (slot + 1) & mask_;
  if (slots_[slot] == kNoToken)
    slots_[slot] = static_cast<Token>(id);
  else if (first_duplicate_ == kNoToken)
    first_duplicate_ = static_cast<Token>(id);
}

Token PieceIndex::find_from(std::size_t slot, std::string_view spelling) const {
  for (;; slot = (slot + 1) & mask_) {
    const Token token = slots_[slot];
    if (token == kNoToken || pieces_[static_cast<std::size_t>(token)] == spelling) return token;
  }
}

Token PieceIndex::find(std::string_view spelling) const {
  if (spelling.empty() || spelling.size() > longest_) return kNoToken;
  return find_from(hash_bytes(spelling, seed_) & mask_, spelling);
}

void PieceIndex::find_all(std::span<const std::string_view> spellings, std::span<Token> tokens) const {
  std::array<std::size_t, kBlock> slots{};
  for (std::size_t begin = 0; begin < spellings.size(); begin += kBlock) {
    const auto block = spellings.subspan(begin, std::min(kBlock, spellings.size() - begin));
    for (std::size_t i = 0; i < block.size(); ++i) {
      slots[i] = hash_bytes(block[i], seed_) & mask_;
      __builtin_prefetch(&slots_[slots[i]]);
    }
    for (std::size_t i = 0; i < block.size(); ++i)
      if (slots_[slots[i]] != kNoToken) __builtin_prefetch(&pieces_[static_cast<std::size_t>(slots_[slots[i]])]);
    for (std::size_t i = 0; i < block.size(); ++i)
      if (slots_[slots[i]] != kNoToken) __builtin_prefetch(pieces_[static_cast<std::size_t>(slots_[slots[i]])].data());
    for (std::size_t i = 0; i < block.size(); ++i) {
      const bool possible = !block[i].empty() && block[i].size() <= longest_;
      tokens[begin + i] = possible ? find_from(slots[i], block[i]) : kNoToken;
    }
  }
}

}  // namespace plumb
