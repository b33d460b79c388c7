/// The spelling table against std::map.

#include "src/text/piece_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace plumb::piece_index_test {
namespace {

TEST(PieceIndex, FindsWhatAMapFinds) {
  std::mt19937 random(1);
  for (const std::size_t count : {0u, 1u, 2u, 3u, 100u, 5000u}) {
    std::vector<std::string> pieces(count);
    for (std::string& piece : pieces)
      for (std::size_t n = random() % 20; n > 0; --n) piece += static_cast<char>('a' + random() % 3);
    const PieceIndex index(pieces);
    std::map<std::string, Token> map;
    Token twin = kNoToken;
    for (std::size_t i = 0; i < count; ++i)
      if (!pieces[i].empty() && !map.emplace(pieces[i], static_cast<Token>(i)).second && twin == kNoToken)
        twin = static_cast<Token>(i);
    EXPECT_EQ(index.first_duplicate(), twin);
    for (const auto& [piece, token] : map) ASSERT_EQ(index.find(piece), token);
    for (int i = 0; i < 1000; ++i) {
      std::string piece;
      for (std::size_t n = random() % 24; n > 0; --n) piece += static_cast<char>('a' + random() % 3);
      const auto found = map.find(piece);
      ASSERT_EQ(index.find(piece), found == map.end() ? kNoToken : found->second);
    }
  }
  EXPECT_EQ(PieceIndex().find("x"), kNoToken);
}

TEST(PieceIndex, HashesSpread) {
  // Keys that differ in few bits, in 2^16 slots: no slot may hold more than chance allows (Poisson with mean 1:
  // P(more than 12) < 1e-10 per slot).
  for (const int shift : {0, 16, 32, 48}) {
    std::vector<int> slots(1 << 16);
    for (std::uint64_t i = 0; i < slots.size(); ++i) ++slots[hash_key(i << shift, 7) & 0xFFFF];
    EXPECT_LE(*std::max_element(slots.begin(), slots.end()), 12) << "shift " << shift;
  }
}

}  // namespace
}  // namespace plumb::piece_index_test
