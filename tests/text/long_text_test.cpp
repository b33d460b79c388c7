/// A megabyte of anything, a quarter of it for each set of patterns. No timings here: what took quadratic time would
/// need hours, and the test's time limit ends it.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "plumb/text/tokenizer.hpp"
#include "src/text/pretokenizer.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::long_text_test {
namespace {

constexpr std::size_t kMegabyte = 1'000'000;

std::string repeated(std::string_view unit, std::size_t size = kMegabyte) {
  std::string text;
  while (text.size() < size) text += unit;
  return text;
}

std::string random_bytes() {
  std::mt19937 random(99);
  std::string text;
  while (text.size() < kMegabyte) text += static_cast<char>(random());
  return text;
}

/// Runs that patterns look along: of one class, of two classes in turn, ended by what makes an alternative fail.
std::vector<std::string> long_texts(std::size_t size) {
  std::vector<std::string> texts;
  for (const std::string& unit :
       std::vector<std::string>{"a",      "A",          " ",      "\n",     "7",
                                "!",      "'",          "a ",     " \n",    "\r\n",
                                "\u4e00", "Aa",         "\u0301", "\u00bd", "~",
                                "\u3000", "\U0001F600", "<s>",    "[tag",   "\u4e00" + std::string(999, 'A')})
    texts.push_back(repeated(unit, size));
  for (const char* unit : {" ", "\n", "\u3000"})
    for (const char* end : {"x", "\u4e00", "1"}) texts.push_back(repeated(unit, size) + end);
  return texts;
}

// One name for each set of patterns.
const char* const kPatternSets[] = {"default", "gpt-2",        "starcoder",      "falcon",      "llama-bpe", "qwen2",
                                    "qwen35",  "bailingmoe",   "minicpm5",       "exaone-moe",  "tekken",    "gpt-4o",
                                    "youtu",   "deepseek-llm", "deepseek-coder", "deepseek-v3", "afmoe",     "bloom",
                                    "viking",  "chameleon",    "superbpe",       "seed-coder",  "laguna",    "kimi-k2"};

class LongText : public testing::TestWithParam<const char*> {};

TEST_P(LongText, IsCutInOneWayByBothMatchers) {
  const PretokenizerFamily* family = find_pretokenizer(GetParam());
  ASSERT_NE(family, nullptr);
  const Pretokenizer compiled(family->steps), interpreted(family->steps, false);
  for (const std::string& text : long_texts(kMegabyte / 4)) {
    const std::vector<std::string_view> words = compiled.split(text);
    std::size_t at = 0;
    for (const std::string_view word : words) {
      ASSERT_EQ(word.data(), text.data() + at);
      at += word.size();
    }
    ASSERT_EQ(at, text.size());
  }
  // The interpreter is ten times slower.
  for (const std::string& text : long_texts(kMegabyte / 40))
    ASSERT_EQ(interpreted.split(text), compiled.split(text)) << text.substr(0, 8) << "...";
}
INSTANTIATE_TEST_SUITE_P(Patterns, LongText, testing::ValuesIn(kPatternSets), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(LongTextEncoding, GivesTheTextBack) {
  for (const Vocabulary& vocabulary : {test::small_spm(), test::small_bpe("llama-bpe"), test::small_bpe("superbpe")}) {
    const Tokenizer tokenizer(vocabulary);
    for (const std::string& text : long_texts(kMegabyte))
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(text, {.add_special = false})), text)
          << vocabulary.source << ": " << text.substr(0, 8) << "...";
    EXPECT_FALSE(tokenizer.encode(random_bytes()).empty());
  }
  const Tokenizer spm(test::small_spm());
  const std::string bytes = random_bytes();
  // U+2581 by chance would come back as a space.
  ASSERT_EQ(bytes.find("\u2581"), std::string::npos);
  EXPECT_EQ(spm.decode(spm.encode(bytes, {.add_special = false})), bytes);
}

/// Merges that build long words from one letter, so that the queue is as busy as it can be.
TEST(LongTextEncoding, MergesAMillionEqualLetters) {
  Vocabulary vocabulary = test::small_bpe("gpt-2");
  vocabulary.merges.clear();
  std::string half = "a";
  for (int i = 0; i < 8; ++i, half += half) {
    vocabulary.merges.push_back(half + " " + half);
    test::add_token(vocabulary, half + half, TokenType::normal);
  }
  vocabulary.scores.clear();
  const Tokenizer tokenizer(vocabulary);
  const std::vector<Token> tokens = tokenizer.encode(repeated("a"), {.add_special = false});
  // 10^6 = 3906 * 256 + 64
  EXPECT_EQ(tokens.size(), 3907u);
  EXPECT_EQ(tokens.front(), tokenizer.find(std::string(256, 'a')));
  EXPECT_EQ(tokens.back(), tokenizer.find(std::string(64, 'a')));
}

}  // namespace
}  // namespace plumb::long_text_test
