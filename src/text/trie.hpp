#pragma once
/// @file
/// All pieces that a text begins with, in one walk.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// A trie over bytes: nodes in arrays, the children of a node next to each other in the order of their bytes.
/// Immutable; nine bytes a node.
class Trie {
 public:
  using Node = std::uint32_t;
  static constexpr Node kRoot = 0, kNone = 0xFFFFFFFFu;

  Trie() = default;
  /// Of equal spellings the last one's token is found. Empty spellings are left out.
  explicit Trie(std::vector<std::pair<std::string_view, Token>> pieces);

  Node child(Node node, char byte) const;
  /// The node below `from` that these bytes lead to, or kNone.
  Node descend(Node from, std::string_view bytes) const;

  /// Calls visit(length, token) for every piece below `from` that `text` begins with, the shortest first.
  template <class Visit>
  void for_each_prefix(std::string_view text, const Visit& visit, Node from = kRoot) const {
    Node node = from;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, text[i]);
      if (node == kNone) return;
      if (tokens_[node] != kNoToken) visit(i + 1, tokens_[node]);
    }
  }

 private:
  std::vector<std::uint32_t> first_child_{0,
                                          0};  // [nodes + 1]: children of n are [first_child_[n], first_child_[n + 1])
  std::vector<Token> tokens_{kNoToken};        // [nodes]
  std::vector<unsigned char> bytes_{0};        // [nodes] the byte that leads to the node
};

}  // namespace plumb
