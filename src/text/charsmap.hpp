#pragma once
/// @file
/// SentencePiece's precompiled table of replacements: a double-array trie over bytes and the replacements behind it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A table from strings to strings. Immutable.
class Charsmap {
 public:
  /// `bytes`: u32 length of the trie in bytes, the trie's units (u32), replacements that end in a zero byte each.
  /// @throws Error{truncated} where a part is missing, {bad_tokenizer} for a trie that is no whole number of units or
  /// empty, or replacements that are no UTF-8.
  Charsmap(std::string_view bytes, std::string source);

  struct Match {
    std::size_t length = 0;  ///< bytes of the key; 0: none
    std::string_view replacement;
  };
  /// The shortest, or the longest, key that `text` begins with. @throws Error{bad_tokenizer} for a trie that points
  /// outside of the table.
  Match shortest(std::string_view text) const { return find(text, true); }
  Match longest(std::string_view text) const { return find(text, false); }
  /// Whether some key begins with this byte.
  bool begins_key(char byte) const;

 private:
  Match find(std::string_view text, bool first) const;
  std::string_view replacement(std::uint32_t value) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::string source_;
};

}  // namespace plumb
