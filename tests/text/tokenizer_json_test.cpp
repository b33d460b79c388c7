/// tokenizer.json: recorded answers of Hugging Face's tokenizers library for every section and for real vocabularies.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "plumb/text/tokenizer.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::tokenizer_json_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::fixtures_dir;
using test::read_file;

constexpr EncodeOptions kIds{.add_special = false, .parse_special = true};
constexpr EncodeOptions kIdsSpecial{.add_special = true, .parse_special = true};
constexpr EncodeOptions kIdsPlain{.add_special = false, .parse_special = false};

std::vector<Token> ids_of(const json& list) {
  std::vector<Token> ids;
  for (const json& id : list)
    ids.push_back(static_cast<Token>(std::min<std::uint64_t>(id.get<std::uint64_t>(), 0x7FFFFFFF)));
  return ids;
}

/// Fails for the first few wrong cases of a file, and counts all of them.
struct Checker {
  std::string name;
  bool plain_recorded;  // files for which a missing ids_plain says that it is ids
  int cases = 0, wrong = 0;

  template <class Value>
  void equal(const Value& got, const Value& want, const json& test_case, const char* what) {
    if (got == want || ++wrong > 3) return;
    EXPECT_EQ(got, want) << name << ": " << what << " of " << test_case.dump().substr(0, 600);
  }

  void check(const Tokenizer& tokenizer, const json& test_case) {
    ++cases;
    const auto detok = [&](const std::vector<Token>& ids) {
      equal(tokenizer.decode(ids), test_case["detok"].get<std::string>(), test_case, "detok");
      equal(tokenizer.decode(ids, {.render_special = false}), test_case["detok_skip"].get<std::string>(), test_case,
            "detok_skip");
    };
    if (test_case.contains("decode")) return detok(ids_of(test_case["decode"]));
    const auto text = test_case["text"].get<std::string>();
    if (test_case.contains("error")) {
      bool refused = false;
      try {
        (void)tokenizer.encode(text, kIds);
      } catch (const Error&) {
        refused = true;
      }
      return equal(refused, true, test_case, "error");
    }
    const std::vector<Token> ids = ids_of(test_case["ids"]);
    equal(tokenizer.encode(text, kIds), ids, test_case, "ids");
    const std::vector<Token> ids_special = ids_of(test_case["ids_special"]);
    equal(tokenizer.encode(text, kIdsSpecial), ids_special, test_case, "ids_special");
    if (test_case.contains("ids_plain"))
      equal(tokenizer.encode(text, kIdsPlain), ids_of(test_case["ids_plain"]), test_case, "ids_plain");
    else if (plain_recorded)
      equal(tokenizer.encode(text, kIdsPlain), ids, test_case, "ids_plain");
    detok(ids_special);
  }
};

TEST(TokenizerJson, GivesTheRecordedAnswers) {
  PLUMB_REQUIRE_FIXTURES();
  int files = 0, cases = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "tokenizer-json")) {
    const std::string name = entry.path().stem().native();
    if (entry.path().extension() != ".json" || name == "index" || name == "opt-truncation") continue;
    const fs::path answers = fs::path(entry.path()).replace_extension(".jsonl");
    Checker checker{name, read_file(answers).find("\"ids_plain\"") != std::string::npos};
    const Tokenizer tokenizer = Tokenizer::from_json(read_file(entry.path()), name);
    std::ifstream lines(answers);
    for (std::string line; std::getline(lines, line);) checker.check(tokenizer, json::parse(line));
    EXPECT_GT(checker.cases, 0) << name;
    EXPECT_EQ(checker.wrong, 0) << name << ", of " << checker.cases;
    ++files;
    cases += checker.cases;
  }
  EXPECT_GT(files, 90);
  EXPECT_GT(cases, 9000);
}

TEST(TokenizerJson, OfFoldersGiveTheRecordedAnswers) {
  PLUMB_REQUIRE_FIXTURES();
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "hf-dev")) {
    const fs::path file = entry.path() / "tokenizer.json";
    if (!fs::exists(file)) continue;
    const Tokenizer tokenizer = Tokenizer::from_json(read_file(file), file);
    std::ifstream lines(fs::path(entry.path()).concat(".text.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const json test_case = json::parse(line);
      const auto text = test_case["text"].get<std::string>();
      const std::vector<Token> ids = ids_of(test_case["ids"]);
      EXPECT_EQ(tokenizer.encode(text, kIds), ids) << file << ": " << text;
      EXPECT_EQ(tokenizer.encode(text, kIdsSpecial), ids_of(test_case["ids_special"])) << file << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids), test_case["decoded"].get<std::string>()) << file << ": " << text;
    }
    ++folders;
  }
  EXPECT_GT(folders, 40);
}

TEST(TokenizerJson, MalformedFilesAreRefusedOrReadAsTheLibraryDoes) {
  PLUMB_REQUIRE_FIXTURES();
  std::ifstream lines(fixtures_dir() / "tokenizer-json" / "bad.jsonl");
  int cases = 0;
  for (std::string line; std::getline(lines, line);) {
    const json test_case = json::parse(line);
    const auto name = test_case["name"].get<std::string>(), want = test_case["want"].get<std::string>();
    std::optional<Tokenizer> tokenizer;
    std::string message;
    try {
      tokenizer = Tokenizer::from_json(read_file(fixtures_dir() / "tokenizer-json" / "bad" / (name + ".json")), name);
      (void)tokenizer->encode("ab abz c<x>");
    } catch (const Error& error) {
      message = error.what();
    }
    if (want == "reject") {
      EXPECT_NE(message, "") << name;
    } else if (want == "accept") {
      ASSERT_TRUE(tokenizer) << name << ": " << message;
      const std::vector<Token> ids = tokenizer->encode(test_case["text"].get<std::string>(), kIdsSpecial);
      EXPECT_EQ(ids, ids_of(test_case["ids"])) << name;
      EXPECT_EQ(tokenizer->decode(ids), test_case["detok"].get<std::string>()) << name;
    }
    ++cases;
  }
  EXPECT_GT(cases, 60);
}

}  // namespace
}  // namespace plumb::tokenizer_json_test
