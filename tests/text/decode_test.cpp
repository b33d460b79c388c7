/// Tokens back to text, whole and as a stream.

#include <gtest/gtest.h>

#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::decode_test {
namespace {

using test::expect_error;
using test::random_text;
using test::small_bpe;
using test::small_spm;

std::string streamed(const Tokenizer& tokenizer, const std::vector<Token>& tokens, DecodeOptions options = {}) {
  StreamDecoder stream(tokenizer, options);
  std::string text;
  for (const Token token : tokens) text += stream.push(token);
  return text += stream.flush();
}

/// Whether a string is valid UTF-8, by the table of RFC 3629 written as ranges.
bool is_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto at = [&](std::size_t k) { return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u; };
    const auto tail = [&](std::size_t k) { return at(k) >= 0x80 && at(k) <= 0xBF; };
    const unsigned a = at(0), b = at(1);
    if (a <= 0x7F)
      i += 1;
    else if (a >= 0xC2 && a <= 0xDF && tail(1))
      i += 2;
    else if (((a == 0xE0 && b >= 0xA0 && b <= 0xBF) || (a >= 0xE1 && a <= 0xEF && a != 0xED && tail(1)) ||
              (a == 0xED && b >= 0x80 && b <= 0x9F)) &&
             tail(2))
      i += 3;
    else if (((a == 0xF0 && b >= 0x90 && b <= 0xBF) || (a >= 0xF1 && a <= 0xF3 && tail(1)) ||
              (a == 0xF4 && b >= 0x80 && b <= 0x8F)) &&
             tail(2) && tail(3))
      i += 4;
    else
      return false;
  }
  return true;
}

TEST(Decode, GivesTheTextBack) {
  std::mt19937 random(11);
  for (const Vocabulary& vocabulary : {small_bpe(), small_bpe("llama-bpe"), small_bpe("deepseek-v3"), small_spm()}) {
    const Tokenizer tokenizer(vocabulary);
    for (int round = 0; round < 200; ++round) {
      const std::string text = random_text(random, random() % 20);
      // U+2581 in the text comes back as the space that it spells in SentencePiece vocabularies.
      if (vocabulary.model == TokenizerModel::spm && text.find("\u2581") != std::string::npos) continue;
      // The space prefix after a user-defined token stays.
      if (vocabulary.model == TokenizerModel::spm && text.find("[tag]") != std::string::npos) continue;
      const std::vector<Token> tokens = tokenizer.encode(text, {.add_special = false});
      ASSERT_EQ(tokenizer.decode(tokens), text);
      ASSERT_EQ(streamed(tokenizer, tokens), text);
    }
  }
}

TEST(Decode, RendersSpecialTokensOrNot) {
  const Tokenizer t(small_spm());
  const std::vector<Token> tokens = {1, t.find("\u2581the"), 2};
  EXPECT_EQ(t.decode(tokens), "<s> the</s>");
  EXPECT_EQ(t.decode(tokens, {.render_special = false}), "the") << "the space prefix is not part of the text";
  EXPECT_EQ(t.decode(tokens, {.skip_bos_eos = true}), "the");
  EXPECT_EQ(t.decode(std::vector<Token>{0}, {.skip_bos_eos = true}), "<unk>");
  EXPECT_EQ(t.decode(t.find("[tag]")), "[tag]");
  EXPECT_EQ(t.decode(std::vector<Token>{t.find("[tag]")}, {.render_special = false}), "[tag]");
  for (const DecodeOptions& options : {DecodeOptions{}, DecodeOptions{.render_special = false}})
    EXPECT_EQ(streamed(t, tokens, options), t.decode(tokens, options));
}

TEST(Decode, OneTokenKeepsItsSpace) {
  const Tokenizer spm(small_spm()), bpe(small_bpe());
  EXPECT_EQ(spm.decode(spm.find("\u2581the")), " the");
  EXPECT_EQ(bpe.decode(bpe.find("\u0120the")), " the");
  EXPECT_EQ(spm.decode(spm.find("<0x0A>")), "\n");
  EXPECT_EQ(spm.spelling(spm.find("<0x0A>")), "<0x0A>");
  EXPECT_EQ(spm.decode(std::vector<Token>{}), "");
}

TEST(Decode, CleansUpSpacesOnRequest) {
  const Tokenizer t(small_bpe());
  const std::string text = "is it ? yes , no ! so . we 're I 'm it 's we 've ' x ' do n't we 'll";
  const std::vector<Token> tokens = t.encode(text, {.add_special = false});
  EXPECT_EQ(t.decode(tokens), text);
  EXPECT_EQ(t.decode(tokens, {.clean_up_spaces = true}), "is it? yes, no! so. we're I'm it's we've'x'do n't we 'll");
}

TEST(Decode, RefusesTokensOutsideTheVocabulary) {
  const Tokenizer t(small_bpe());
  const auto size = static_cast<Token>(t.size());
  for (const Token bad : {kNoToken, size, Token{-2147483647 - 1}, Token{2147483647}}) {
    expect_error(ErrorCode::out_of_range, [&] { (void)t.decode(bad); });
    expect_error(ErrorCode::out_of_range, [&] { (void)t.decode(std::vector<Token>{0, bad}); });
    expect_error(ErrorCode::out_of_range, [&] { (void)t.spelling(bad); });
    expect_error(ErrorCode::out_of_range, [&] { (void)t.type(bad); });
    StreamDecoder stream(t);
    expect_error(ErrorCode::out_of_range, [&] { stream.push(bad); });
  }
}

TEST(StreamDecoder, NeverEmitsHalfACodePoint) {
  const Tokenizer t(small_spm());
  StreamDecoder stream(t);
  EXPECT_EQ(stream.push(t.find("<0xF0>")), "");
  EXPECT_EQ(stream.push(t.find("<0x9F>")), "");
  EXPECT_EQ(stream.push(t.find("<0xA6>")), "");
  EXPECT_EQ(stream.push(t.find("<0x99>")), "\U0001F999");
  EXPECT_EQ(stream.flush(), "");
}

TEST(StreamDecoder, ReplacesWhatCannotBecomeText) {
  const Tokenizer t(small_spm());
  const auto bytes = [&](std::string_view s) {
    std::vector<Token> tokens;
    constexpr char kHex[] = "0123456789ABCDEF";
    for (const char c : s) {
      const auto byte = static_cast<unsigned char>(c);
      tokens.push_back(t.find(std::string{'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'}));
    }
    return tokens;
  };
  EXPECT_EQ(streamed(t, bytes("\xf0\x9f\xa6")), "\uFFFD") << "cut off at the end: one mark";
  EXPECT_EQ(streamed(t, bytes("\xf0\x9f"
                              "a")),
            "\uFFFD"
            "a");
  EXPECT_EQ(streamed(t, bytes("\xff\x80z")), "\uFFFD\uFFFDz");
  EXPECT_EQ(streamed(t, bytes("\xe2\x82\xac")), "\u20ac");
  EXPECT_EQ(streamed(t, bytes("\xc0\xaf")), "\uFFFD\uFFFD");
  EXPECT_EQ(streamed(t, bytes("\xed\xa0\x80")), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(streamed(t, bytes("\xe2\xe2\x82\xac")), "\uFFFD\u20ac") << "a new beginning ends the old one";
}

TEST(StreamDecoder, RandomBytesAlwaysGiveValidText) {
  const Tokenizer t(small_bpe());
  std::mt19937 random(12);
  for (int round = 0; round < 500; ++round) {
    StreamDecoder stream(t);
    std::string all;
    for (std::size_t n = random() % 40; n > 0; --n) {
      const auto token = static_cast<Token>(random() % 4 ? random() % 256 : random() % static_cast<unsigned>(t.size()));
      const std::string_view text = stream.push(token);
      ASSERT_TRUE(is_utf8(text));
      all += text;
    }
    const std::string_view rest = stream.flush();
    ASSERT_TRUE(is_utf8(rest));
  }
}

TEST(StreamDecoder, IsAsNewAfterAFlush) {
  const Tokenizer t(small_spm());
  StreamDecoder stream(t);
  EXPECT_EQ(stream.push(t.find("\u2581the")), "the");
  EXPECT_EQ(stream.push(t.find("\u2581the")), " the");
  EXPECT_EQ(stream.push(t.find("<0xE2>")), "");
  EXPECT_EQ(stream.flush(), "\uFFFD");
  EXPECT_EQ(stream.push(t.find("\u2581the")), "the");
}

}  // namespace
}  // namespace plumb::decode_test
