#include "plumb/core/quantity.hpp"

#include <gtest/gtest.h>

#include "plumb/core/error.hpp"

namespace plumb::quantity_test {
namespace {

TEST(Quantity, ReadsWhatPeopleType) {
  EXPECT_DOUBLE_EQ(parse_seconds("50ms", "x"), 0.05);
  EXPECT_DOUBLE_EQ(parse_seconds("2 s", "x"), 2);
  EXPECT_DOUBLE_EQ(parse_seconds("1.5US", "x"), 1.5e-6);
  EXPECT_DOUBLE_EQ(parse_seconds("2min", "x"), 120);
  EXPECT_DOUBLE_EQ(parse_bytes("6GB", "x"), 6e9);
  EXPECT_DOUBLE_EQ(parse_bytes("6GiB", "x"), 6.0 * (1 << 30));
  EXPECT_DOUBLE_EQ(parse_bytes("512 MiB", "x"), 512.0 * (1 << 20));
  EXPECT_DOUBLE_EQ(parse_bytes("100mb", "x"), 100e6);
  EXPECT_DOUBLE_EQ(parse_bytes("7B", "x"), 7);
  EXPECT_DOUBLE_EQ(parse_count("1.5M", "x"), 1.5e6);
  EXPECT_DOUBLE_EQ(parse_count("768", "x"), 768);
}

TEST(Quantity, RefusesTheRestAndSaysWhy) {
  for (const char* bad :
       {"", "ms", "0", "0ms", "-1s", "nan", "inf", "50", "3.0 ", "1e400s", "5 parsecs", "5mss", "1,5s", "0x10", "--"}) {
    try {
      parse_seconds(bad, "--latency");
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << bad;
      EXPECT_NE(std::string(e.what()).find("--latency"), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("ms, s, min"), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(parse_bytes("6ms", "x"), Error);
  EXPECT_THROW(parse_bytes("6", "x"), Error);
  EXPECT_THROW(parse_seconds("6GB", "x"), Error);
}

TEST(Quantity, TokensAreWholeAndAKIs1024) {
  EXPECT_EQ(parse_tokens("4096", "x"), 4096);
  EXPECT_EQ(parse_tokens("8k", "x"), 8192);
  EXPECT_EQ(parse_tokens("1.5 K", "x"), 1536);
  EXPECT_EQ(parse_tokens("1m", "x"), 1 << 20);
  EXPECT_EQ(parse_tokens("0", "x"), 0);
  for (const char* bad : {"", "k", "-1", "1.5", "0.3k", "8kb", "1g", "nan", "inf", "1e300", "0x10", "8k8"})
    EXPECT_THROW(parse_tokens(bad, "x"), Error) << bad;
}

}  // namespace
}  // namespace plumb::quantity_test
