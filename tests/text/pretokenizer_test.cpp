/// Where each family cuts words.

#include "src/text/pretokenizer.hpp"

#include <gtest/gtest.h>

#include "tests/text/small_vocabularies.hpp"

namespace plumb::pretokenizer_test {
namespace {

using Words = std::vector<std::string>;

Words split(std::string_view name, std::string_view text) {
  const PretokenizerFamily* family = find_pretokenizer(name);
  EXPECT_NE(family, nullptr) << name;
  if (!family) return {};
  const Pretokenizer pretokenizer(family->steps);
  const std::vector<std::string_view> words = pretokenizer.split(text);
  return {words.begin(), words.end()};
}

// Names of every tokenizer.ggml.pre in the shared fixtures, and aliases of the same patterns.
const Words kNames = {
    "",         "default",   "llama-bpe", "llama3",     "deepseek-llm", "deepseek-coder", "deepseek-v3",
    "youtu",    "falcon",    "mpt",       "starcoder",  "gpt-2",        "refact",         "command-r",
    "qwen2",    "stablelm2", "olmo",      "dbrx",       "poro-chat",    "glm4",           "viking",
    "tekken",   "smollm",    "bloom",     "exaone-moe", "chameleon",    "gpt-4o",         "superbpe",
    "trillion", "afmoe",     "qwen35",    "seed-coder", "bailingmoe",   "minicpm5",       "laguna",
    "phi-2",    "llama4",    "smaug-bpe", "exaone4",    "gpt3-finnish", "chatglm-bpe",    "grok-2",
    "kimi-k2"};

TEST(Pretokenizer, UnknownNamesAreUnknown) {
  for (const char* name : {"gpt-5", "GPT-2", " ", "llama", "bert", "gpt-2 "})
    EXPECT_EQ(find_pretokenizer(name), nullptr);
}

TEST(Pretokenizer, WordsAreTheTextInOrder) {
  std::mt19937 random(1);
  for (const std::string& name : kNames)
    for (int round = 0; round < 30; ++round) {
      const std::string text = test::random_text(random, random() % 30);
      std::string all;
      for (const std::string& word : split(name, text)) {
        ASSERT_FALSE(word.empty()) << name;
        all += word;
      }
      ASSERT_EQ(all, text) << name;
    }
}

// Expected words below follow from the published patterns by hand.

TEST(Pretokenizer, Gpt2KeepsEndingsAndLastSpaces) {
  EXPECT_EQ(split("gpt-2", "Don't  stop, it's 1234!!"),
            (Words{"Don", "'t", " ", " stop", ",", " it", "'s", " 1234", "!!"}));
  EXPECT_EQ(split("gpt-2", "DON'T"), (Words{"DON", "'", "T"})) << "upper-case endings are none";
  EXPECT_EQ(split("gpt-2", "a\n\n b"), (Words{"a", "\n\n", " b"}));
  EXPECT_EQ(split("gpt-2", "a   "), (Words{"a", "   "}));
}

TEST(Pretokenizer, Llama3CutsNumbersInThreesAndQwenInOnes) {
  EXPECT_EQ(split("llama-bpe", "DON'T 12345"), (Words{"DON", "'T", " ", "123", "45"}));
  EXPECT_EQ(split("qwen2", "x 123"), (Words{"x", " ", "1", "2", "3"}));
  EXPECT_EQ(split("llama-bpe", "(foo) -> bar;\n\n  x"), (Words{"(foo", ")", " ->", " bar", ";\n\n", " ", " x"}));
  EXPECT_EQ(split("llama-bpe", "a \n \n b"), (Words{"a", " \n \n", " b"}));
}

TEST(Pretokenizer, Gpt4oCutsAtCase) {
  EXPECT_EQ(split("gpt-4o", "camelCase HTTPServer it's"), (Words{"camel", "Case", " HTTPServer", " it's"}));
  EXPECT_EQ(split("gpt-4o", "\u041f\u0440\u0438\u0412\u0435\u0442"),
            (Words{"\u041f\u0440\u0438", "\u0412\u0435\u0442"}));
  EXPECT_EQ(split("tekken", "iPhone15"), (Words{"i", "Phone", "1", "5"}));
  EXPECT_EQ(split("gpt-4o", "a/b//\n"), (Words{"a", "/b", "//\n"}));
}

TEST(Pretokenizer, KimiCutsAtCaseAndAtHan) {
  EXPECT_EQ(split("kimi-k2", "camelCase HTTPServer it'S 12345"),
            (Words{"camel", "Case", " HTTPServer", " it'S", " ", "123", "45"}));
  EXPECT_EQ(split("kimi-k2", "a \u4f60\u597dworld\u3007\u3005\u3042"),
            (Words{"a", " ", "\u4f60\u597d", "world", "\u3007\u3005", "\u3042"}));
  EXPECT_EQ(split("kimi-k2", "(\u4f60) e\u0301a/b//\n"), (Words{"(", "\u4f60", ")", " e\u0301a", "/b", "//\n"}));
  EXPECT_EQ(split("kimi-k2", "\u00c9T\u00c9 \U00020000x"), (Words{"\u00c9T\u00c9", " ", "\U00020000", "x"}));
}

TEST(Pretokenizer, StarcoderCutsEveryDigit) {
  EXPECT_EQ(split("starcoder", "x = 42;"), (Words{"x", " =", " ", "4", "2", ";"}));
}

TEST(Pretokenizer, FalconCutsPunctuationAndTriplesFromTheLeft) {
  EXPECT_EQ(split("falcon", "a==b 12345"), (Words{"a", "==", "b", " ", "123", "45"}));
  EXPECT_EQ(split("default", "12345"), (Words{"123", "45"}));
}

TEST(Pretokenizer, TriplesFromTheRight) {
  EXPECT_EQ(split("superbpe", "1234567"), (Words{"1", "234", "567"}));
  EXPECT_EQ(split("superbpe", "a 123456 b"), (Words{"a ", "123", "456", " b"}));
  EXPECT_EQ(split("superbpe", "12\u00bd1234"), (Words{"12\u00bd1", "234"})) << "only 0-9 count";
  EXPECT_EQ(split("afmoe", "1234567"), (Words{"1", "234", "567"}));
  EXPECT_EQ(split("afmoe", "x12345y"), (Words{"x", "12", "345", "y"}));
}

TEST(Pretokenizer, BloomCutsAtItsOwnPunctuation) {
  EXPECT_EQ(split("bloom", "one, two"), (Words{"one", ",", " two"}));
  EXPECT_EQ(split("viking", "a12 b"), (Words{"a", "1", "2", " b"}));
}

TEST(Pretokenizer, DeepSeek) {
  EXPECT_EQ(split("deepseek-v3", "x.foo 12345 \u4e2d\u6587abc"),
            (Words{"x", ".foo", " ", "123", "45", " ", "\u4e2d\u6587", "abc"}));
  EXPECT_EQ(split("deepseek-coder", "a\nb c, d"), (Words{"a", "\n", "b", " c", ",", " d"}));
  EXPECT_EQ(split("deepseek-llm", "ab12  "), (Words{"ab", "12", "  "}));
  EXPECT_EQ(split("deepseek-v3", "a ~b"), (Words{"a", " ~", "b"}));
}

TEST(Pretokenizer, ExaoneKeepsSpacedWordsTogether) {
  EXPECT_EQ(split("exaone-moe", "ab cd  ef1"), (Words{"ab cd", " ", " ef", "1"}));
}

TEST(Pretokenizer, LaterStepsCutWhatEarlierOnesLeft) {
  EXPECT_EQ(split("chameleon", "a    b<sentinel:1>"), (Words{"a", "    ", "b", "<", "sentinel", ":", "1", ">"}));
}

TEST(Pretokenizer, WhiteSpaceIsTheUnicodePropertyAndNotPerls) {
  // U+180E stopped being white space in Unicode 6.3; U+0085, U+00A0 and U+3000 are.
  EXPECT_EQ(split("gpt-2", "a\u180eb"), (Words{"a", "\u180e", "b"}));
  EXPECT_EQ(split("llama-bpe", "\u00a0\u3000\u0085"), (Words{"\u00a0\u3000\u0085"}));
  EXPECT_EQ(split("llama-bpe", "!\u180e!"), (Words{"!\u180e!"}));
}

TEST(Pretokenizer, ZeroBytesAreText) {
  EXPECT_EQ(split("gpt-2", std::string_view("a\0b", 3)), (Words{"a", std::string("\0", 1), "b"}));
}

}  // namespace
}  // namespace plumb::pretokenizer_test
