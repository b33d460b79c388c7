/// Special tokens inside a text, ends of generation, and the matcher that finds them.

#include <gtest/gtest.h>

#include "plumb/text/tokenizer.hpp"
#include "src/text/special_matcher.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::special_tokens_test {
namespace {

using test::add_token;
using test::small_bpe;
using test::small_spm;

constexpr EncodeOptions kPlain{.add_special = false, .parse_special = false};
constexpr EncodeOptions kParsed{.add_special = false, .parse_special = true};

std::vector<Token> joined(std::initializer_list<std::vector<Token>> parts) {
  std::vector<Token> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(SpecialTokens, AreParsedOnRequestOnly) {
  const Tokenizer t(small_bpe());
  const Token start = t.find("<|im_start|>"), end = t.find("<|im_end|>");
  const std::vector<Token> user = t.encode("the mill", kPlain);
  EXPECT_EQ(t.encode("<|im_start|>the mill<|im_end|>", kParsed), joined({{start}, user, {end}}));
  EXPECT_EQ(t.encode("<|im_end|><|im_end|>", kParsed), (std::vector<Token>{end, end}));
  for (const Token token : t.encode("<|im_start|>the mill<|im_end|>", kPlain))
    EXPECT_NE(t.type(token), TokenType::control);
  EXPECT_EQ(t.encode("<|im_start|", kParsed), t.encode("<|im_start|", kPlain)) << "half a spelling is text";
}

TEST(SpecialTokens, UserDefinedOnesAreAlwaysMatched) {
  const Tokenizer t(small_bpe());
  const Token tag = t.find("[tag]");
  EXPECT_EQ(t.encode("a[tag]b", kPlain), joined({t.encode("a", kPlain), {tag}, t.encode("b", kPlain)}));
}

TEST(SpecialTokens, TheLongestOfThoseThatBeginAtAPlaceWins) {
  const Tokenizer t(small_bpe());
  const Token four = t.find("    "), eight = t.find("        ");
  EXPECT_EQ(t.encode(std::string(4, ' '), kPlain), std::vector<Token>{four});
  EXPECT_EQ(t.encode(std::string(8, ' '), kPlain), std::vector<Token>{eight});
  EXPECT_EQ(t.encode(std::string(12, ' '), kPlain), (std::vector<Token>{eight, four}));
  EXPECT_EQ(t.encode(std::string(17, ' '), kPlain), joined({{eight, eight}, t.encode(" ", kPlain)}));
}

TEST(SpecialTokens, TextAfterOneBeginsAnew) {
  const Tokenizer t(small_spm());
  const Token bos = t.bos(), the = t.find("\u2581the"), tag = t.find("[tag]");
  EXPECT_EQ(t.encode("the<s>the", kParsed), (std::vector<Token>{the, bos, the})) << "each with its space prefix";
  EXPECT_EQ(t.encode("the[tag]the", kPlain), (std::vector<Token>{the, tag, the}));
  EXPECT_EQ(t.encode("<s>", {.add_special = true, .parse_special = true}), (std::vector<Token>{bos, bos}));
}

TEST(SpecialTokens, Phi3SwallowsTheSpaceAfterThem) {
  Vocabulary vocabulary = small_spm();
  add_token(vocabulary, "<|user|>", TokenType::control);
  const Tokenizer keeps(vocabulary);
  vocabulary.strip_right_of_special = true;
  const Tokenizer strips(vocabulary);
  EXPECT_EQ(strips.encode("<|user|>\n \tthe", kParsed), keeps.encode("<|user|>the", kParsed));
  EXPECT_NE(keeps.encode("<|user|>\nthe", kParsed), keeps.encode("<|user|>the", kParsed));
  EXPECT_EQ(strips.encode("<|user|> \n", kParsed), std::vector<Token>{strips.find("<|user|>")});
  EXPECT_EQ(strips.encode("<s> the", kParsed), keeps.encode("<s> the", kParsed)) << "not after <s>";
  // Nor is anything found in the space that is gone.
  add_token(vocabulary, "\n\n", TokenType::user_defined);
  const Tokenizer lines(vocabulary);
  EXPECT_EQ(lines.encode("<|user|>\n\nthe", kParsed), strips.encode("<|user|>the", kParsed));
  EXPECT_EQ(lines.encode("the\n\n", kParsed).back(), lines.find("\n\n"));
}

TEST(SpecialTokens, EndsAreKnownBySpellingToo) {
  Vocabulary vocabulary = small_bpe();
  const Tokenizer t(vocabulary);
  EXPECT_TRUE(t.is_end(t.eos()));
  EXPECT_TRUE(t.is_end(t.find("<|im_end|>")));
  EXPECT_EQ(t.eot(), t.find("<|im_end|>"));
  EXPECT_FALSE(t.is_end(t.find("<|im_start|>")));
  EXPECT_FALSE(t.is_end(0));
  EXPECT_FALSE(t.is_end(kNoToken));
  EXPECT_FALSE(t.is_end(static_cast<Token>(t.size())));
  vocabulary.eot = 5;
  vocabulary.eom = 6;
  vocabulary.extra_ends = {7};
  const Tokenizer told(vocabulary);
  for (const Token token : {5, 6, 7}) EXPECT_TRUE(told.is_end(token));
  EXPECT_EQ(told.eot(), 5);
  EXPECT_TRUE(std::is_sorted(told.ends().begin(), told.ends().end()));
}

TEST(SpecialTokens, SpellingsThatAreNoUtf8CutNoCharacter) {
  Vocabulary vocabulary = small_bpe();
  const std::string text = "the \xF0\x9F\x98\x80 mill";
  const std::vector<Token> want = Tokenizer(vocabulary).encode(text, kParsed);
  add_token(vocabulary, "\x98\x80", TokenType::user_defined);
  add_token(vocabulary, "e \xF0", TokenType::control);
  vocabulary.scores.clear();
  EXPECT_EQ(Tokenizer(vocabulary).encode(text, kParsed), want);
}

TEST(SpecialTokens, InGptOssEndClosesAMessageAndNotTheTurn) {
  Vocabulary vocabulary = small_bpe("gpt-4o");
  for (const char* piece : {"<|end|>", "<|return|>", "<|call|>"}) add_token(vocabulary, piece, TokenType::control);
  vocabulary.scores.clear();
  const Tokenizer t(vocabulary);
  EXPECT_FALSE(t.is_end(t.find("<|end|>")));
  EXPECT_TRUE(t.is_end(t.find("<|return|>")));
  EXPECT_TRUE(t.is_end(t.find("<|call|>")));
  vocabulary.eot = t.find("<|end|>");  // as where no other mark of a turn's end is there
  EXPECT_FALSE(Tokenizer(vocabulary).is_end(vocabulary.eot));
}

TEST(SpecialTokens, TurnMarksAreControlTokensWhateverTheFileSays) {
  Vocabulary vocabulary = small_bpe();
  for (std::size_t i = 0; i < vocabulary.pieces.size(); ++i)
    if (vocabulary.pieces[i] == "<|im_end|>") vocabulary.types[i] = TokenType::normal;
  const Tokenizer t(vocabulary);
  EXPECT_EQ(t.type(t.find("<|im_end|>")), TokenType::control);
  EXPECT_EQ(t.encode("<|im_end|>", kParsed), std::vector<Token>{t.find("<|im_end|>")});
  vocabulary.types.clear();
  EXPECT_EQ(Tokenizer(vocabulary).type(t.find("<|im_end|>")), TokenType::control);
}

/// The first place where any spelling stands, and the longest there, by trying everything.
SpecialMatch naive_match(const std::vector<std::string>& pieces, std::string_view text, std::size_t from) {
  SpecialMatch best;
  for (std::size_t begin = from; begin < text.size() && best.token == kNoToken; ++begin)
    for (std::size_t id = 0; id < pieces.size(); ++id)
      if (!pieces[id].empty() && pieces[id].size() > best.length && text.substr(begin, pieces[id].size()) == pieces[id])
        best = {static_cast<Token>(id), begin, pieces[id].size()};
  return best;
}

TEST(SpecialMatcher, FindsWhatTryingEverythingFinds) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> pieces;
    std::vector<Token> tokens;
    for (std::size_t i = random() % 8; i > 0; --i) {
      std::string piece;
      for (std::size_t n = random() % 5; n > 0; --n) piece += "ab\xff"[random() % 3];
      if (std::find(pieces.begin(), pieces.end(), piece) != pieces.end()) continue;
      tokens.push_back(static_cast<Token>(pieces.size()));
      pieces.push_back(piece);
    }
    std::string text;
    for (std::size_t n = random() % 12; n > 0; --n) text += "ab\xff"[random() % 3];
    const SpecialMatcher matcher(pieces, tokens);
    for (std::size_t from = 0; from <= text.size(); ++from) {
      const SpecialMatch got = matcher.find(text, from), want = naive_match(pieces, text, from);
      ASSERT_EQ(got.token, want.token) << "round " << round;
      if (want.token == kNoToken) continue;
      ASSERT_EQ(got.begin, want.begin);
      ASSERT_EQ(got.length, want.length);
    }
  }
}

TEST(SpecialMatcher, LeavesOutEndlessSpellings) {
  const std::vector<std::string> pieces = {std::string(SpecialMatcher::kLongestSpecial, 'a'),
                                           std::string(SpecialMatcher::kLongestSpecial + 1, 'b')};
  const SpecialMatcher matcher(pieces, {0, 1});
  EXPECT_EQ(matcher.find(pieces[0], 0).token, 0);
  EXPECT_EQ(matcher.find(pieces[1], 0).token, kNoToken);
}

}  // namespace
}  // namespace plumb::special_tokens_test
