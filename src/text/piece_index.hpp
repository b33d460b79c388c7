#pragma once
/// @file
/// Finds the token that is spelled in a given way, in constant time.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "large_list.hpp"
#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// 64-bit hash of bytes. The same on every platform; not for secrets.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed);
/// Spreads a 64-bit key.
std::uint64_t hash_key(std::uint64_t key, std::uint64_t seed);

/// Hash table from spelling to token: open addressing, at most half full. It points into the pieces it was built from,
/// which must outlive it unchanged. The hash is seeded with a digest of all the pieces, so that a file cannot hold
/// spellings that were chosen to collide.
class PieceIndex {
 public:
  PieceIndex() = default;
  /// Empty spellings are left out. Of equal spellings the first is found; `first_duplicate` tells of the second.
  explicit PieceIndex(std::span<const std::string> pieces);

  Token find(std::string_view spelling) const;
  /// find() of many spellings, faster than one after the other: memory is asked for ahead. tokens: [spellings].
  void find_all(std::span<const std::string_view> spellings, std::span<Token> tokens) const;
  /// A token whose spelling an earlier token has too, or kNoToken.
  Token first_duplicate() const { return first_duplicate_; }
  /// Bytes of the longest spelling.
  std::size_t longest() const { return longest_; }
  std::uint64_t seed() const { return seed_; }
  Token size() const { return static_cast<Token>(pieces_.size()); }
  std::string_view spelling(Token token) const { return pieces_[static_cast<std::size_t>(token)]; }

 private:
  Token find_from(std::size_t slot, std::string_view spelling) const;
  void insert(std::size_t slot, std::size_t id);

  std::span<const std::string> pieces_;
  LargeList<Token> slots_;  // [power of two] kNoToken = free
  std::uint64_t seed_ = 0;
  std::size_t mask_ = 0, longest_ = 0;
  Token first_duplicate_ = kNoToken;
};

}  // namespace plumb
