/// Real vocabularies and recorded ids: what an independent engine says.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "plumb/io/gguf.hpp"
#include "plumb/text/tokenizer.hpp"
#include "src/text/pretokenizer.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::fixture_cases_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::fixtures_dir;
using test::read_file;
using test::read_tokens;

constexpr EncodeOptions kTextOnly{.add_special = false, .parse_special = false};

Tokenizer load(const fs::path& path) { return Tokenizer::from_file(GgufFile::open(path)); }

std::vector<std::string> split_cases(const std::string& text) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> cases;
  std::size_t at = 0;
  for (std::size_t hit; (hit = text.find(separator, at)) != std::string::npos; at = hit + separator.size())
    cases.push_back(text.substr(at, hit - at));
  if (at < text.size()) cases.push_back(text.substr(at));
  return cases;
}

TEST(FixtureCases, RealVocabularies) {
  PLUMB_REQUIRE_FIXTURES();
  int vocabularies = 0, cases = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "vocab")) {
    if (entry.path().extension() != ".inp") continue;
    const fs::path gguf = fs::path(entry.path()).replace_extension();
    const Tokenizer tokenizer = load(gguf);
    const std::vector<std::string> texts = split_cases(read_file(entry.path()));
    std::ifstream answers(fs::path(entry.path()).replace_extension(".out"));
    for (const std::string& text : texts) {
      std::string line;
      ASSERT_TRUE(std::getline(answers, line)) << gguf;
      std::istringstream ids(line);
      const std::vector<Token> want{std::istream_iterator<Token>(ids), {}};
      const std::vector<Token> got = tokenizer.encode(text, kTextOnly);
      EXPECT_EQ(got, want) << gguf << ": " << text;
      EXPECT_EQ(tokenizer.decode(got), text) << gguf;
      ++cases;
    }
    ++vocabularies;
  }
  EXPECT_EQ(vocabularies, 9);
  EXPECT_GT(cases, 9 * 40);
}

TEST(FixtureCases, PretokenizersWithRecordedCases) {
  PLUMB_REQUIRE_FIXTURES();
  int files = 0, cases = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "vocab-pre")) {
    if (entry.path().extension() != ".jsonl") continue;
    const Tokenizer tokenizer = load(fs::path(entry.path()).replace_extension(".gguf"));
    const bool clean_up = tokenizer.vocabulary().clean_up_spaces;
    std::ifstream lines(entry.path());
    std::string line;
    std::getline(lines, line);  // what the file holds
    while (std::getline(lines, line)) {
      const json test_case = json::parse(line);
      const auto text = test_case["text"].get<std::string>();
      const auto ids = test_case["ids"].get<std::vector<Token>>();
      EXPECT_EQ(tokenizer.encode(text, kTextOnly), ids) << entry.path() << ": " << text;
      EXPECT_EQ(tokenizer.encode(text, {.add_special = true, .parse_special = true}),
                test_case["ids_special"].get<std::vector<Token>>())
          << entry.path() << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids), text);
      if (!test_case["detok"].is_null()) {
        EXPECT_EQ(tokenizer.decode(ids, {.clean_up_spaces = clean_up}), test_case["detok"].get<std::string>());
      }
      ++cases;
    }
    ++files;
  }
  EXPECT_EQ(files, 5);
  EXPECT_EQ(cases, 5 * 79);
}

std::string fnv1a(const std::vector<Token>& ids) {
  std::string text;
  for (const Token id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  std::uint32_t hash = 0x811c9dc5u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193u;
  std::ostringstream out;
  out << std::hex << std::setw(8) << std::setfill('0') << hash;
  return out.str();
}

/// All pre-tokenizers, by hashes: tests/data/pretokenizer_ids.txt says how they were made.
TEST(FixtureCases, EveryPretokenizer) {
  PLUMB_REQUIRE_FIXTURES();
  std::vector<std::string> texts;
  std::ifstream lines(fixtures_dir() / "vocab-pre" / "qwen2.jsonl");
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) texts.push_back(json::parse(line)["text"].get<std::string>());

  const Vocabulary base = vocabulary_from_file(GgufFile::open(fixtures_dir() / "vocab-pre" / "gpt-2.gguf"));
  std::map<std::string, bool> in_fixtures;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "vocab-pre"))
    if (entry.path().extension() == ".gguf") in_fixtures[entry.path().stem().native()] = false;

  std::ifstream hashes(fs::path(PLUMB_SOURCE_DIR) / "tests" / "data" / "pretokenizer_ids.txt");
  while (std::getline(hashes, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name, hash;
    fields >> name;
    if (in_fixtures.count(name)) in_fixtures[name] = true;
    Vocabulary vocabulary = base;
    vocabulary.pre = name;
    ASSERT_NE(find_pretokenizer(name), nullptr) << name;
    vocabulary.ignore_merges = find_pretokenizer(name)->ignore_merges;
    const Tokenizer tokenizer(std::move(vocabulary));
    for (const std::string& text : texts) {
      ASSERT_TRUE(fields >> hash) << name;
      EXPECT_EQ(fnv1a(tokenizer.encode(text, kTextOnly)), hash) << name << ": " << text;
    }
  }
  for (const auto& [name, tested] : in_fixtures) EXPECT_TRUE(tested) << name;
}

TEST(FixtureCases, EveryFixtureVocabularyLoadsAndGivesTextBack) {
  PLUMB_REQUIRE_FIXTURES();
  int loaded = 0;
  for (const char* folder : {"vocab", "vocab-pre", "stories", "arch-dev", "quant-models"})
    for (const auto& entry : fs::directory_iterator(fixtures_dir() / folder)) {
      if (entry.path().extension() != ".gguf") continue;
      const Tokenizer tokenizer = load(entry.path());
      const std::string text = "The quick brown fox, 3.14159 \u00e9\u4e2d\u6587\n\n\tdone.";
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, kTextOnly)), text) << entry.path();
      for (Token token = 0; token < tokenizer.size(); ++token) (void)tokenizer.decode(token);
      ++loaded;
    }
  EXPECT_GT(loaded, 40);
}

TEST(FixtureCases, StoriesTextGivesTheRecordedTokens) {
  PLUMB_REQUIRE_FIXTURES();
  const fs::path stories = fixtures_dir() / "stories";
  const Tokenizer tokenizer = load(stories / "stories260K-f32.gguf");
  const std::vector<Token> want = read_tokens(stories / "ppl.tokens");
  std::vector<Token> got =
      tokenizer.encode(read_file(stories / "text.txt"), {.add_special = true, .parse_special = true});
  ASSERT_GE(got.size(), want.size());
  got.resize(want.size());  // recorded are whole chunks only
  EXPECT_EQ(got, want);
  EXPECT_EQ(tokenizer.encode("Once upon a time"), read_tokens(stories / "prompt.tokens"));
  // The recorded text is the prompt and its continuation, and begins with the rendered bos.
  std::vector<Token> story = read_tokens(stories / "prompt.tokens");
  for (const Token token : read_tokens(stories / "greedy-200.tokens")) story.push_back(token);
  const std::string text = read_file(stories / "greedy-200.txt");
  EXPECT_EQ(tokenizer.decode(story), text);
  StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const Token token : story) streamed += stream.push(token);
  EXPECT_EQ(streamed, text);
}

}  // namespace
}  // namespace plumb::fixture_cases_test
