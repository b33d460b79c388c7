#include "plumb/core/printable.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace plumb::printable_test {
namespace {

TEST(Printable, KeepsTextAndEscapesWhatSteers) {
  EXPECT_EQ(printable("caf\u00e9 \u4e2d\u6587 \U0001F600"), "caf\u00e9 \u4e2d\u6587 \U0001F600");
  EXPECT_EQ(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
  EXPECT_EQ(printable("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(printable("back\\slash"), "back\\\\slash");
  EXPECT_EQ(printable("\u009b31m"), "\\u009b31m") << "a control sequence of one character";
  EXPECT_EQ(printable("\u202egnp.exe \u200b\ufeff\u2028"), "\\u202egnp.exe \\u200b\\ufeff\\u2028");
  EXPECT_EQ(printable(std::string("nul\0inside", 10)), "nul\\x00inside");
  EXPECT_EQ(quote("a'b"), "'a'b'");
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond the last code point";
  EXPECT_EQ(printable("ok\xe4\xb8"), "ok\\xe4\\xb8") << "cut off";
}

TEST(Printable, CutsLongTextsBetweenCodePoints) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("\u4e2d\u6587\u5b57", 4), "\u4e2d\u6587...");
  EXPECT_EQ(printable("abc", 3), "abc");
}

/// Whatever the bytes: one line of printable characters, from which the bytes can be told.
TEST(Printable, RandomBytesGiveNoControlByte) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string text = printable(bytes);
    for (const char c : text) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x20) << "seed 3, round " << round;
      EXPECT_NE(c, '\x7f');
    }
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  }
}

}  // namespace
}  // namespace plumb::printable_test
