/// UTF-8 against a decoder by arithmetic: a code point is valid when encoding it again gives the same bytes.

#include "src/core/utf8.hpp"

#include <gtest/gtest.h>

#include <random>

namespace plumb::utf8_test {
namespace {

/// UTF-8 of a code point, RFC 3629.
std::string encoded(std::uint32_t c) {
  const auto byte = [](std::uint32_t x) { return static_cast<char>(x); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
}

TEST(Utf8, EveryCodePointIsValidAndItsBeginningsAreIncomplete) {
  for (std::uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string bytes = encoded(c);
    const Utf8Step step = utf8_step(bytes, 0);
    ASSERT_EQ(step.kind, Utf8Kind::valid) << c;
    ASSERT_EQ(step.length, bytes.size()) << c;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const Utf8Step part = utf8_step(std::string_view(bytes).substr(0, cut), 0);
      ASSERT_EQ(part.kind, Utf8Kind::incomplete) << c;
      ASSERT_EQ(part.length, cut) << c;
    }
  }
}

TEST(Utf8, NothingElseIsValid) {
  for (std::uint32_t c = 0xD800; c <= 0xDFFF; ++c) ASSERT_EQ(utf8_step(encoded(c), 0).kind, Utf8Kind::invalid);
  for (std::uint32_t c = 0x110000; c < 0x200000; c += 61) ASSERT_EQ(utf8_step(encoded(c), 0).kind, Utf8Kind::invalid);
  int valid = 0;
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      const std::string two = {static_cast<char>(a), static_cast<char>(b)};
      const Utf8Step step = utf8_step(two, 0);
      valid += step.kind == Utf8Kind::valid && step.length == 2;
    }
  EXPECT_EQ(valid, 0x800 - 0x80);
  valid = 0;
  for (int a = 0xC0; a < 256; ++a)
    for (int b = 0; b < 256; ++b)
      for (int c = 0; c < 256; ++c) {
        const std::string three = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        const Utf8Step step = utf8_step(three, 0);
        valid += step.kind == Utf8Kind::valid && step.length == 3;
      }
  EXPECT_EQ(valid, 0x10000 - 0x800 - 0x800);
}

TEST(Utf8, RepairMarksEveryBadByte) {
  std::string storage;
  EXPECT_EQ(valid_utf8("a\xE2\x82z\xFF", storage), "a\uFFFD\uFFFDz\uFFFD");
  const std::string_view good = "caf\u00e9 \U0001F600";
  EXPECT_EQ(valid_utf8(good, storage).data(), good.data()) << "valid text is not copied";
  EXPECT_EQ(valid_utf8("", storage), "");
}

}  // namespace
}  // namespace plumb::utf8_test
