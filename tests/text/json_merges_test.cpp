/// Merges of a tokenizer.json that several threads read, each a part.

#include "src/text/json_merges.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "src/text/json_scanner.hpp"
#include "tests/support/expect_error.hpp"

namespace plumb::json_merges_test {
namespace {

constexpr std::size_t kMerges = 30'000;

/// Tokens a0, a1, ... and b0, b1, ... and what the merges of an a and the b of the same number make.
struct Words {
  std::vector<std::string> pieces;
  std::vector<bool> none;
  std::string json = "[";
  std::vector<std::size_t> commas;

  /// The merge `bad` joins what is no token. `gap` stands between elements.
  explicit Words(bool pairs, std::size_t bad = kMerges, const std::string& gap = ",\n      ") {
    for (std::size_t i = 0; i < kMerges; ++i) {
      const std::string number = std::to_string(i), left = "a" + number, right = (i == bad ? "c" : "b") + number;
      pieces.insert(pieces.end(), {left, "b" + number, left + "b" + number});
      if (i == 7) json += "\"#version: 0.2\"" + gap;
      json += pairs ? "[\"" + left + "\", \"" + right + "\"]" : "\"" + left + " " + right + "\"";
      json += i + 1 < kMerges ? gap : "]";
    }
    JsonScanner(json, "words").skip(&commas);
  }

  LargeList<Merge> read(std::span<const std::size_t> cuts) const {
    const PieceIndex index(pieces);
    return read_json_merges(json, cuts, "words", ModelPieces(index, none), {});
  }
};

TEST(JsonMerges, PartsMakeTheWhole) {
  for (const bool pairs : {false, true}) {
    const Words words(pairs);
    ASSERT_GT(words.commas.size(), 4u);
    for (const std::size_t comma : words.commas) EXPECT_EQ(words.json[comma], ',');
    const auto whole = words.read({}), parts = words.read(words.commas);
    ASSERT_EQ(whole.size(), kMerges);
    ASSERT_EQ(parts.size(), kMerges);
    for (std::size_t i = 0; i < kMerges; ++i) {
      const auto first = static_cast<Token>(3 * i);
      EXPECT_EQ(whole[i].left, first);
      EXPECT_EQ(parts[i].left, first);
      EXPECT_EQ(parts[i].right, first + 1);
      EXPECT_EQ(parts[i].joined, first + 2);
      EXPECT_EQ(parts[i].rank, static_cast<std::int32_t>(i));
    }
  }
}

TEST(JsonMerges, AMistakeInALaterPartIsToldByItsPlaceInTheWhole) {
  for (const std::size_t bad : {std::size_t{9}, kMerges / 2, kMerges - 1}) {
    const Words words(true, bad);
    const std::string told = test::expect_error(ErrorCode::bad_tokenizer, [&] { (void)words.read(words.commas); });
    EXPECT_NE(told.find("merge " + std::to_string(bad) + " joins 'c"), std::string::npos) << told;
  }
}

TEST(JsonMerges, PartsAreReadAsStrictlyAsTheWhole) {
  for (const char* const gap : {",,", ", ,", "\v,", ", null,", " ", ",["}) {
    const std::string message = std::string("between elements: ") + gap;
    EXPECT_THROW((void)Words(true, kMerges, gap).read(Words(true, kMerges, gap).commas), Error) << message;
  }
}

}  // namespace
}  // namespace plumb::json_merges_test
