// WordPiece: small vocabularies by hand, and real texts against the ids that the models' own library recorded.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/text/tokenizer.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::wordpiece_test {
namespace {

using nlohmann::json;

Vocabulary small(std::vector<std::string> pieces) {
  Vocabulary vocabulary;
  vocabulary.model = TokenizerModel::wordpiece;
  vocabulary.pieces = {"[UNK]", "[CLS]", "[SEP]"};
  vocabulary.pieces.insert(vocabulary.pieces.end(), pieces.begin(), pieces.end());
  vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
  for (std::size_t i = 0; i < 3; ++i) vocabulary.types[i] = TokenType::control;
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.separator = 2;
  vocabulary.add_bos = vocabulary.add_separator = vocabulary.add_space_prefix = true;
  vocabulary.lowercase = vocabulary.strip_accents = true;
  return vocabulary;
}
std::vector<Token> plain(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_special = false});
}

TEST(WordPiece, TakesTheLongestPieceFromTheLeft) {
  const Tokenizer tokenizer(small({"▁un", "▁una", "aff", "able", "ffable", "▁,", "▁a", "▁日"}));
  EXPECT_EQ(plain(tokenizer, "unaffable"), (std::vector<Token>{4, 7}));
  EXPECT_EQ(plain(tokenizer, "  UN,a\tünable\n"), (std::vector<Token>{3, 8, 9, 0})) << "una, then nothing for ble";
  EXPECT_EQ(plain(tokenizer, "un日a"), (std::vector<Token>{3, 10, 9}));
  EXPECT_EQ(plain(tokenizer, "u\xCC\x88n"), (std::vector<Token>{3})) << "a mark of its own";
  EXPECT_EQ(plain(tokenizer, "b \x01 a\xC2\x85"), (std::vector<Token>{0, 9})) << "controls are no text";
  EXPECT_EQ(plain(tokenizer, " \xFF "), (std::vector<Token>{})) << "what is no UTF-8 is no text";
  EXPECT_EQ(tokenizer.encode("un"), (std::vector<Token>{1, 3, 2}));
  EXPECT_EQ(tokenizer.encode(""), (std::vector<Token>{1, 2}));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{1, 4, 7, 8, 2}, {.skip_bos_eos = true}), "unaffable ,");
  EXPECT_EQ(tokenizer.encode("[SEP]a", {.add_special = false, .parse_special = true}), (std::vector<Token>{2, 9}));
}

TEST(WordPiece, KeepsCaseAndAccentsWhereTheVocabularyHasThem) {
  Vocabulary vocabulary = small({"▁É", "▁é", "▁e", "▁i\xCC\x87"});
  vocabulary.lowercase = vocabulary.strip_accents = false;
  EXPECT_EQ(plain(Tokenizer(vocabulary), "É é e"), (std::vector<Token>{3, 4, 5}));
  vocabulary.lowercase = true;
  EXPECT_EQ(plain(Tokenizer(vocabulary), "É é E İ"), (std::vector<Token>{4, 4, 5, 6}));
  vocabulary.strip_accents = true;
  EXPECT_EQ(plain(Tokenizer(vocabulary), "É e\xCC\x81"), (std::vector<Token>{5, 5}));
}

TEST(WordPiece, AWordOfMoreThan100CharactersIsUnknown) {
  const Tokenizer tokenizer(small({"▁a", "a"}));
  EXPECT_EQ(plain(tokenizer, std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(plain(tokenizer, std::string(101, 'a')), (std::vector<Token>{0}));
  EXPECT_EQ(plain(tokenizer, std::string(1 << 20, 'a') + " a"), (std::vector<Token>{0, 3}));
  Vocabulary none = small({"▁a"});
  none.unknown = kNoToken;
  EXPECT_EQ(plain(Tokenizer(none), "b a"), (std::vector<Token>{3}));
  Vocabulary unseparated = small({"▁a"});
  unseparated.separator = kNoToken;
  const std::string message = test::expect_error(ErrorCode::bad_tokenizer, [&] { Tokenizer{unseparated}; });
  EXPECT_NE(message.find("add_sep_token"), std::string::npos) << message;
}

/// A tokenizer.json in the form in which GGUF files have it.
Vocabulary from_json(const json& file) {
  std::vector<std::string> pieces(file["model"]["vocab"].size());
  for (const auto& [piece, id] : file["model"]["vocab"].items()) pieces[id.get<std::size_t>()] = piece;
  Vocabulary vocabulary = small({});
  vocabulary.types.assign(pieces.size(), TokenType::normal);
  for (const json& added : file["added_tokens"]) vocabulary.types[added["id"].get<std::size_t>()] = TokenType::control;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (vocabulary.types[i] == TokenType::control) continue;
    pieces[i] = pieces[i].starts_with("##") ? pieces[i].substr(2) : "▁" + pieces[i];
  }
  vocabulary.pieces = std::move(pieces);
  const auto id = [&](const char* piece) { return file["model"]["vocab"][piece].get<Token>(); };
  vocabulary.bos = id("[CLS]");
  vocabulary.separator = id("[SEP]");
  vocabulary.unknown = id("[UNK]");
  const json& normalizer = file["normalizer"];
  vocabulary.lowercase = normalizer["lowercase"].get<bool>();
  const json& strip = normalizer["strip_accents"];
  vocabulary.strip_accents = strip.is_null() ? vocabulary.lowercase : strip.get<bool>();
  return vocabulary;
}

TEST(WordPiece, EqualsTheRecordedIds) {
  PLUMB_REQUIRE_FIXTURES();
  const auto dir = test::fixtures_dir() / "tokenizer-json";
  for (const std::string name : {"bert-uncased", "wp-uncased", "wp-cased", "wp-lower-keepaccents"}) {
    const Tokenizer tokenizer(from_json(json::parse(test::read_file(dir / (name + ".json")))));
    std::ifstream cases(dir / (name + ".jsonl"));
    int checked = 0;
    for (std::string line; std::getline(cases, line); ++checked) {
      const json example = json::parse(line);
      if (!example.contains("text")) continue;
      const auto text = example["text"].get<std::string>();
      EXPECT_EQ(tokenizer.encode(text, {.add_special = false, .parse_special = true}),
                example["ids"].get<std::vector<Token>>())
          << name << ": " << text;
      EXPECT_EQ(tokenizer.encode(text, {.parse_special = true}), example["ids_special"].get<std::vector<Token>>())
          << name << ": " << text;
    }
    EXPECT_GT(checked, 20) << name;
  }
}

}  // namespace
}  // namespace plumb::wordpiece_test
