#pragma once
/// @file
/// Finds the spellings of special tokens inside a text.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// A special token found in a text.
struct SpecialMatch {
  Token token = kNoToken;  ///< kNoToken: none
  std::size_t begin = 0, length = 0;
};

/// A set of spellings. A search gives the leftmost match, and the longest of those that begin there.
class SpecialMatcher {
 public:
  SpecialMatcher() = default;
  /// `tokens` index into `pieces`, which must outlive the matcher. Spellings that are empty or longer than
  /// kLongestSpecial are never found: the bound keeps a search linear whatever a file contains.
  SpecialMatcher(std::span<const std::string> pieces, std::vector<Token> tokens);

  SpecialMatch find(std::string_view text, std::size_t from) const;

  static constexpr std::size_t kLongestSpecial = 512;

 private:
  SpecialMatch longest_at(std::string_view text, std::size_t begin) const;

  std::span<const std::string> pieces_;
  std::vector<Token> tokens_;                    // sorted by spelling
  std::array<std::uint32_t, 257> first_byte_{};  // tokens that begin with byte b: [first_byte_[b], first_byte_[b + 1])
};

}  // namespace plumb
