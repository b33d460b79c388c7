/// Encoding against encoders that follow the definitions literally.

#include <gtest/gtest.h>

#include "plumb/text/tokenizer.hpp"
#include "src/text/bpe.hpp"
#include "src/text/pretokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::encode_test {
namespace {

using test::expect_error;
using test::naive_bpe_word;
using test::naive_find;
using test::naive_spm;
using test::random_text;
using test::small_bpe;
using test::small_spm;

constexpr EncodeOptions kTextOnly{.add_special = false, .parse_special = false};

std::string marked(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == ' ' ? std::string("\u2581") : std::string(1, c);
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

TEST(Bpe, SpellsBytesAsGpt2Does) {
  const std::vector<std::string> alphabet = test::byte_level_alphabet();  // made the way GPT-2's encoder.py makes it
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned code_point = byte_to_code_point(static_cast<unsigned char>(byte));
    const std::string& letter = alphabet[byte];
    const unsigned expected = letter.size() == 1 ? static_cast<unsigned char>(letter[0])
                                                 : (static_cast<unsigned char>(letter[0]) & 0x1Fu) << 6 |
                                                       (static_cast<unsigned char>(letter[1]) & 0x3Fu);
    EXPECT_EQ(code_point, expected) << "byte " << byte;
    EXPECT_EQ(decode_byte_spelling(letter), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(decode_byte_spelling("\u0120the"), " the");
  EXPECT_EQ(decode_byte_spelling("\u4e2d \xff"), "\u4e2d \xff") << "what is no letter of the alphabet stays";
}

TEST(Bpe, MergesAsTheDefinitionSays) {
  Vocabulary vocabulary = small_bpe();
  for (TokenType& type : vocabulary.types)
    if (type == TokenType::user_defined) type = TokenType::unused;
  const Tokenizer tokenizer(vocabulary);
  const Pretokenizer pretokenizer(find_pretokenizer("gpt-2")->steps);
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(random, 1 + random() % 12);
    std::vector<Token> want;
    for (const std::string_view word : pretokenizer.split(text))
      for (const Token token : naive_bpe_word(vocabulary, word)) want.push_back(token);
    ASSERT_EQ(tokenizer.encode(text, kTextOnly), want) << "round " << round << ": " << text;
  }
}

TEST(Bpe, MergesLongWordsAsTheDefinitionSays) {
  const Vocabulary vocabulary = small_bpe();
  const Tokenizer tokenizer(vocabulary);
  std::mt19937 random(2);
  for (const std::size_t length : {1u, 2u, 3u, 50u, 200u}) {
    std::string word;
    while (word.size() < length) word += "theandrivermiln"[random() % 15];
    ASSERT_EQ(tokenizer.encode(word, kTextOnly), naive_bpe_word(vocabulary, word));
  }
}

TEST(Bpe, EqualPairsMergeFromTheLeft) {
  Vocabulary vocabulary = small_bpe();
  vocabulary.merges = {"a a"};
  test::add_token(vocabulary, "aa", TokenType::normal);
  vocabulary.scores.clear();
  const Tokenizer tokenizer(vocabulary);
  const Token a = tokenizer.find("a"), aa = tokenizer.find("aa");
  EXPECT_EQ(tokenizer.encode("aaa", kTextOnly), (std::vector<Token>{aa, a}));
  EXPECT_EQ(tokenizer.encode("aaaaa", kTextOnly), (std::vector<Token>{aa, aa, a}));
}

TEST(Bpe, IgnoreMergesTakesWholeWords) {
  Vocabulary vocabulary = small_bpe("llama-bpe");
  test::add_token(vocabulary, "\u0120zyx", TokenType::normal);  // no merges lead there
  test::add_token(vocabulary, "qq", TokenType::control);
  vocabulary.scores.clear();
  vocabulary.ignore_merges = true;
  const Tokenizer whole(vocabulary);
  EXPECT_EQ(whole.encode(" zyx", kTextOnly), std::vector<Token>{whole.find("\u0120zyx")});
  EXPECT_EQ(whole.encode("qq", kTextOnly).size(), 2u) << "a control token is not what text spells";
  vocabulary.ignore_merges = false;
  EXPECT_EQ(Tokenizer(vocabulary).encode(" zyx", kTextOnly).size(), 4u);
}

TEST(Bpe, LeavesOutBytesThatHaveNoToken) {
  Vocabulary vocabulary = small_bpe();
  vocabulary.pieces[static_cast<unsigned char>('Q')] = "unspellable";
  const Tokenizer tokenizer(vocabulary);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("aQb", kTextOnly)), "ab");
}

TEST(Bpe, ReadsInvalidUtf8AsReplacementCharacters) {
  const Tokenizer tokenizer(small_bpe());
  const auto same = [&](std::string_view bytes, std::string_view text) {
    EXPECT_EQ(tokenizer.encode(bytes, kTextOnly), tokenizer.encode(text, kTextOnly));
  };
  same(
      "a\xff"
      "b",
      "a\uFFFD"
      "b");
  same("\x80", "\uFFFD");
  same("\xe2\x96", "\uFFFD\uFFFD");  // cut off: one for each byte
  same(
      "\xe2\x96"
      "a",
      "\uFFFD\uFFFD"
      "a");
  same("\xc0\x80", "\uFFFD\uFFFD");                      // overlong
  same("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD");            // a surrogate
  same("\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  same(std::string_view("a\0b", 3), std::string_view("a\0b", 3));
}

TEST(Spm, JoinsAsTheDefinitionSays) {
  const Vocabulary vocabulary = small_spm();
  const Tokenizer tokenizer(vocabulary);
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const std::string text = replaced(random_text(random, 1 + random() % 12), "[tag]", "");
    if (text.empty()) continue;
    ASSERT_EQ(tokenizer.encode(text, kTextOnly), naive_spm(vocabulary, marked(" " + text)))
        << "round " << round << ": " << text;
  }
}

TEST(Spm, EqualScoresJoinFromTheLeft) {
  Vocabulary vocabulary = small_spm();
  vocabulary.add_space_prefix = false;
  for (const char* piece : {"Q", "QQ", "QQQ"}) test::add_token(vocabulary, piece, TokenType::normal, 5);
  const Tokenizer tokenizer(vocabulary);
  EXPECT_EQ(tokenizer.encode("QQ", kTextOnly), std::vector<Token>{tokenizer.find("QQ")});
  // QQ at 0, then QQ at 2 scores as QQQ at 0 does, and 0 is further left.
  EXPECT_EQ(tokenizer.encode("QQQQ", kTextOnly), (std::vector<Token>{tokenizer.find("QQQ"), tokenizer.find("Q")}));
}

TEST(Spm, SpellsWhatIsNoPieceInBytes) {
  const Tokenizer tokenizer(small_spm());
  EXPECT_EQ(tokenizer.encode("\U0001F999", kTextOnly),
            (std::vector<Token>{tokenizer.find("\u2581"), tokenizer.find("<0xF0>"), tokenizer.find("<0x9F>"),
                                tokenizer.find("<0xA6>"), tokenizer.find("<0x99>")}));
  for (const std::string_view bytes : {"\xff\xfe", "\xe2\x96", "\xc3", "a\xf0", "\x80\x80", "\xe2  x"})
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(bytes, kTextOnly)), bytes) << "bytes survive, valid or not";
}

TEST(Spm, WithoutByteTokensUsesTheUnknownTokenOrNothing) {
  Vocabulary vocabulary = small_spm();
  for (std::size_t i = 3; i < 259; ++i) {
    vocabulary.pieces[i] = "unused" + std::to_string(i);
    vocabulary.types[i] = TokenType::unused;
  }
  const Tokenizer unknown(vocabulary);
  EXPECT_EQ(unknown.encode("\u00fc", {.add_special = false}), (std::vector<Token>{unknown.find("\u2581"), 0, 0}));
  vocabulary.unknown = kNoToken;
  EXPECT_EQ(Tokenizer(vocabulary).encode("\u00fc", kTextOnly).size(), 1u);
}

TEST(Spm, ControlAndByteSpellingsInATextAreText) {
  Vocabulary vocabulary = small_spm();
  // Steps by which plain text could be joined into the spelling of a control or byte token.
  for (const char* piece : {"<", "s", ">", "<s", "0", "x", "4", "1", "<0", "<0x", "<0x4", "<0x41"})
    if (naive_find(vocabulary, piece) == kNoToken) test::add_token(vocabulary, piece, TokenType::normal, 9);
  const Tokenizer tokenizer(vocabulary);
  for (const char* text : {"<s>", "a<s>b", "<0x41>", "<unk>"}) {
    const std::vector<Token> tokens = tokenizer.encode(text, kTextOnly);
    for (const Token token : tokens) EXPECT_NE(tokenizer.type(token), TokenType::control) << text;
    EXPECT_EQ(tokenizer.decode(tokens), text);
  }
}

TEST(Spm, SpacesAreRemovedWhereTheFileAsksForIt) {
  Vocabulary vocabulary = small_spm();
  vocabulary.remove_extra_whitespaces = true;
  const Tokenizer tokenizer(vocabulary);
  EXPECT_EQ(tokenizer.encode("  the   mill  "), tokenizer.encode("the mill"));
  EXPECT_EQ(tokenizer.encode("   "), tokenizer.encode(" "));
  EXPECT_NE(Tokenizer(small_spm()).encode("the  mill"), Tokenizer(small_spm()).encode("the mill"));
}

TEST(Encode, SpacePrefixIsTheFilesChoice) {
  Vocabulary vocabulary = small_spm();
  const Tokenizer with(vocabulary);
  EXPECT_EQ(with.encode("the", kTextOnly), std::vector<Token>{with.find("\u2581the")});
  vocabulary.add_space_prefix = false;
  const Tokenizer without(vocabulary);
  EXPECT_EQ(without.encode(" the", kTextOnly), std::vector<Token>{without.find("\u2581the")});
  EXPECT_NE(without.encode("the", kTextOnly), std::vector<Token>{without.find("\u2581the")});
}

TEST(Encode, AddsWhatTheVocabularyAsksFor) {
  Vocabulary vocabulary = small_spm();
  for (const bool add_bos : {false, true})
    for (const bool add_eos : {false, true}) {
      vocabulary.add_bos = add_bos;
      vocabulary.add_eos = add_eos;
      const Tokenizer tokenizer(vocabulary);
      std::vector<Token> want = tokenizer.encode("the mill", kTextOnly);
      if (add_bos) want.insert(want.begin(), 1);
      if (add_eos) want.push_back(2);
      EXPECT_EQ(tokenizer.encode("the mill"), want);
    }
}

TEST(Encode, NothingIsNothing) {
  EXPECT_TRUE(Tokenizer(small_bpe()).encode("", kTextOnly).empty());
  EXPECT_TRUE(Tokenizer(small_spm()).encode("", kTextOnly).empty()) << "no lonely space either";
  EXPECT_EQ(Tokenizer(small_spm()).encode(""), std::vector<Token>{1});
}

TEST(Encode, ManyThreadsShareATokenizer) {
  const Tokenizer tokenizer(small_bpe("gpt-4o"));
  std::mt19937 random(4);
  std::vector<std::string> texts;
  for (int i = 0; i < 64; ++i) texts.push_back(random_text(random, 50));
  std::vector<std::vector<Token>> want, got(texts.size());
  for (const std::string& text : texts) want.push_back(tokenizer.encode(text));
#pragma omp parallel for num_threads(4)
  for (std::size_t i = 0; i < texts.size(); ++i) got[i] = tokenizer.encode(texts[i]);
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace plumb::encode_test
