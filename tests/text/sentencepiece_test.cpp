/// tokenizer.model files, and GGUF vocabularies of Unigram and RWKV: small ones by hand.

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "plumb/text/tokenizer_folder.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace plumb::sentencepiece_test {
namespace {

using test::expect_error;
using test::TempDir;

// Protocol Buffers by hand.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  return out + static_cast<char>(value);
}
std::string number(int field, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(value);
}
std::string bytes(int field, const std::string& value) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}
std::string real(int field, float value) {
  std::string out = varint(static_cast<std::uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) out += static_cast<char>(bits >> 8 * i & 0xFF);
  return out;
}
std::string piece(const std::string& text, float score, TokenType type) {
  return bytes(1, bytes(1, text) + real(2, score) + number(3, static_cast<std::uint64_t>(type)));
}

/// A vocabulary as a file.
std::string model_of(const Vocabulary& vocabulary, int kind, const std::string& normalizer) {
  std::string out;
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id)
    out += piece(vocabulary.pieces[id], vocabulary.scores[id], vocabulary.types[id]);
  return out +
         bytes(2, number(3, static_cast<std::uint64_t>(kind)) + number(40, 0) + number(41, 1) + number(42, 2) +
                      number(43, ~std::uint64_t{0})) +
         bytes(3, normalizer);
}

Tokenizer load(const TempDir& dir, const std::string& content) {
  return tokenizer_from_sentencepiece_file(dir.file("tokenizer.model", content));
}

TEST(SentencePiece, BpeIsReadAsTheSameVocabulary) {
  const TempDir dir;
  const Vocabulary vocabulary = test::small_spm();
  const std::string file = model_of(vocabulary, 2, number(3, 1) + number(4, 0));
  const Tokenizer read = load(dir, file), made(vocabulary);
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    const std::string text = test::random_text(random, random() % 12);
    ASSERT_EQ(read.encode(text, {.add_special = false}), made.encode(text, {.add_special = false})) << text;
  }
  EXPECT_EQ(read.bos(), 1);
  EXPECT_EQ(read.eos(), 2);
  EXPECT_EQ(read.encode("the").front(), 1) << "begins with bos";
  // Of a folder, settings say what a text begins and ends with.
  dir.file("tokenizer_config.json", R"({"add_bos_token":false,"add_eos_token":true})");
  const Tokenizer of_folder = tokenizer_from_folder(dir.path());
  EXPECT_NE(of_folder.encode("the").front(), 1);
  EXPECT_EQ(of_folder.encode("the").back(), 2);
}

TEST(SentencePiece, MalformedFilesAreRefused) {
  const TempDir dir;
  Vocabulary vocabulary;
  vocabulary.pieces = {"<unk>", "<s>", "</s>", "a", "b", "ab"};
  vocabulary.scores = {0, 0, 0, -1, -2, -3};
  vocabulary.types = {TokenType::unknown, TokenType::control, TokenType::control,
                      TokenType::normal,  TokenType::normal,  TokenType::normal};
  const std::string good = model_of(vocabulary, 1, number(3, 0) + number(4, 0));
  EXPECT_EQ(load(dir, good).encode("ab", {.add_special = false}), (std::vector<Token>{5}))
      << "-3 in both ways: the first found";
  const auto refused = [&](ErrorCode code, const std::string& content) {
    expect_error(code, [&] { (void)load(dir, content); });
  };
  refused(ErrorCode::truncated, "");
  refused(ErrorCode::bad_tokenizer, bytes(2, ""));
  refused(ErrorCode::bad_tokenizer, number(1, 1));
  refused(ErrorCode::bad_tokenizer, bytes(1, number(1, 1)));
  refused(ErrorCode::bad_tokenizer, good + bytes(1, number(2, 1)));
  refused(ErrorCode::bad_tokenizer, good + bytes(1, bytes(1, "x") + number(3, 7)));
  refused(ErrorCode::bad_tokenizer, good + bytes(2, bytes(3, "x")));
  refused(ErrorCode::bad_tokenizer, good + bytes(3, number(2, 1)));
  refused(ErrorCode::bad_tokenizer, good + bytes(1, bytes(1, "")));
  refused(ErrorCode::duplicate, good + piece("ab", 0, TokenType::normal));
  refused(ErrorCode::unsupported_tokenizer, good + bytes(2, number(3, 3)));
  refused(ErrorCode::unsupported_tokenizer, good + bytes(2, number(3, 4)));
  refused(ErrorCode::unsupported_tokenizer, good + bytes(2, number(24, 1)));
  refused(ErrorCode::unsupported_tokenizer, good + bytes(3, number(5, 0)));
  refused(ErrorCode::out_of_range, good + bytes(2, number(41, 6)));
  refused(ErrorCode::truncated, good + bytes(3, bytes(2, "abc")));
  refused(ErrorCode::truncated, good + bytes(3, bytes(2, std::string("\xff\xff\xff\x7f", 4))));
  refused(ErrorCode::bad_value, good + "\x0f");
  refused(ErrorCode::bad_value, good + "\x08" + std::string(11, '\xff'));
  refused(ErrorCode::truncated, good + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
  for (std::size_t size = 0; size < good.size(); ++size) {
    try {
      (void)load(dir, good.substr(0, size)).encode("ab <s>");
    } catch (const Error&) {  // between two fields the file is a whole one
    }
  }
}

TEST(Unigram, OfAGgufVocabularyFindsTheBestSum) {
  Vocabulary vocabulary;
  vocabulary.model = TokenizerModel::unigram;
  vocabulary.pieces = {"<pad>", "</s>", "<unk>", "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "\u2581b", "[x]"};
  vocabulary.scores = {0, 0, 0, -2, -3, -3, -2.5f, -4, -9, -4, 0};
  vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
  vocabulary.types[0] = vocabulary.types[1] = TokenType::control;
  vocabulary.types[2] = TokenType::unknown;
  vocabulary.types[10] = TokenType::user_defined;
  vocabulary.eos = 1;
  vocabulary.unknown = 2;
  vocabulary.add_eos = vocabulary.add_space_prefix = vocabulary.remove_extra_whitespaces = true;
  const Tokenizer tokenizer(vocabulary);
  const auto ids = [&](std::string_view text) { return tokenizer.encode(text, {.add_special = false}); };
  EXPECT_EQ(ids("ab"), (std::vector<Token>{6, 5})) << "-5.5 beats -6 and -9";
  EXPECT_EQ(ids("  b   ab "), (std::vector<Token>{9, 6, 5}));
  EXPECT_EQ(ids("a\u4e2d\u4e2db"), (std::vector<Token>{6, 2, 5})) << "unknown characters in a row are one token";
  EXPECT_EQ(ids("a[x]b"), (std::vector<Token>{6, 10, 9}));
  EXPECT_EQ(ids("   "), (std::vector<Token>{}));
  EXPECT_EQ(tokenizer.encode("a"), (std::vector<Token>{6, 1}));
  EXPECT_EQ(tokenizer.decode(ids("b ab")), "b ab");
}

TEST(Unigram, OfAFileMayCollapseSpacesAndPutNoneInFront) {
  const TempDir dir;
  Vocabulary vocabulary;
  vocabulary.pieces = {"<unk>", "<s>", "</s>", "\u2581", "a", "b", "\u2581a"};
  vocabulary.scores = {0, 0, 0, -2, -1, -1, -1};
  vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
  vocabulary.types[0] = TokenType::unknown;
  vocabulary.types[1] = vocabulary.types[2] = TokenType::control;
  const Tokenizer bare = load(dir, model_of(vocabulary, 1, number(3, 0) + number(4, 1)));
  EXPECT_EQ(bare.encode("  a  a b ", {.add_special = false}), (std::vector<Token>{4, 6, 3, 5}));
  const Tokenizer prefixed = load(dir, model_of(vocabulary, 1, number(3, 1) + number(4, 1)));
  EXPECT_EQ(prefixed.encode("  a  a b ", {.add_special = false}), (std::vector<Token>{6, 6, 3, 5}));
}

/// A double-array trie of the one key "ab", and its replacement "X".
std::string charsmap_of_ab() {
  std::vector<std::uint32_t> units(0x304);
  units['a'] = 0x100u << 10 | 'a';
  units['a' ^ 0x100 ^ 'b'] = 0x200u << 10 | 1u << 8 | 'b';
  std::string out;
  const auto put = [&](std::size_t word) {
    for (int i = 0; i < 4; ++i) out += static_cast<char>(word >> 8 * i & 0xFF);
  };
  put(4 * units.size());
  for (const std::uint32_t unit : units) put(unit);
  return out + std::string("X\0", 2);
}

TEST(SentencePiece, KeysOfSeveralAsciiLettersAreReplaced) {
  const TempDir dir;
  Vocabulary vocabulary;
  vocabulary.pieces = {"<unk>", "<s>", "</s>", "a", "b", "X"};
  vocabulary.scores = {0, 0, 0, -1, -1, -1};
  vocabulary.types = {TokenType::unknown, TokenType::control, TokenType::control,
                      TokenType::normal,  TokenType::normal,  TokenType::normal};
  const std::string file = model_of(vocabulary, 1, bytes(2, charsmap_of_ab()) + number(3, 0) + number(4, 0));
  EXPECT_EQ(load(dir, file).encode("aabbab", {.add_special = false}), (std::vector<Token>{3, 5, 4, 5}));
}

TEST(Rwkv, TakesTheLongestPiece) {
  Vocabulary vocabulary;
  vocabulary.model = TokenizerModel::rwkv;
  vocabulary.pieces = {"<s>", "\\x00", "\\n", "a", "ab", "abcd", "\\\\", "\\xe4\\xb8", "\\t "};
  vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
  vocabulary.types[0] = TokenType::control;
  const Tokenizer tokenizer(vocabulary);
  const auto ids = [&](std::string_view text) { return tokenizer.encode(text, {.add_special = false}); };
  EXPECT_EQ(ids("abcabcd"), (std::vector<Token>{4, 5})) << "c begins no piece, and nothing stands for it";
  EXPECT_EQ(ids("a\n\\\t "), (std::vector<Token>{3, 2, 6, 8}));
  EXPECT_EQ(ids(std::string_view("\0a", 2)), (std::vector<Token>{1, 3}));
  EXPECT_EQ(ids("\u4e2da"), (std::vector<Token>{7, 3})) << "pieces are bytes";
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{5, 2, 6}), "abcd\n\\");
  vocabulary.unknown = 0;
  EXPECT_EQ(Tokenizer(vocabulary).encode("ac", {.add_special = false}), (std::vector<Token>{3, 0}));
}

}  // namespace
}  // namespace plumb::sentencepiece_test
