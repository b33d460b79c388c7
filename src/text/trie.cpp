#include "trie.hpp"

#include <algorithm>

namespace plumb::inline PLUMB_ABI {

Trie::Trie(std::vector<std::pair<std::string_view, Token>> pieces) {
  std::erase_if(pieces, [](const auto& piece) { return piece.first.empty(); });
  std::stable_sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  // Breadth first: the range of sorted pieces below each node, all of which agree in their first `depth` bytes.
  struct Range {
    std::size_t begin, end;
  };
  std::vector<Range> level{{0, pieces.size()}};
  first_child_.clear();
  std::size_t nodes = 1;
  for (std::size_t depth = 0; !level.empty(); ++depth) {
    std::vector<Range> below;
    for (Range range : level) {
      // A piece that ends here stands first.
      while (range.begin < range.end && pieces[range.begin].first.size() == depth)
        tokens_[first_child_.size()] = pieces[range.begin++].second;
      first_child_.push_back(static_cast<std::uint32_t>(nodes));
      while (range.begin < range.end) {
        const char byte = pieces[range.begin].first[depth];
        std::size_t end = range.begin + 1;
        while (end < range.end && pieces[end].first[depth] == byte) ++end;
        below.push_back({range.begin, end});
        bytes_.push_back(static_cast<unsigned char>(byte));
        tokens_.push_back(kNoToken);
        ++nodes;
        range.begin = end;
      }
    }
    level.swap(below);
  }
  first_child_.push_back(static_cast<std::uint32_t>(nodes));
}

Trie::Node Trie::child(Node node, char byte) const {
  const auto wanted = static_cast<unsigned char>(byte);
  const auto begin = bytes_.begin() + first_child_[node], end = bytes_.begin() + first_child_[node + 1];
  const auto found = std::lower_bound(begin, end, wanted);
  return found != end && *found == wanted ? static_cast<Node>(found - bytes_.begin()) : kNone;
}

Trie::Node Trie::descend(Node from, std::string_view bytes) const {
  for (const char byte : bytes) {
    if (from == kNone) return kNone;
    from = child(from, byte);
  }
  return from;
}

}  // namespace plumb
