/// From a folder's tokenizer.json to GGUF keys and back: the same ids for the same texts.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plumb/io/gguf.hpp"
#include "plumb/text/tokenizer_folder.hpp"
#include "plumb/text/vocabulary_keys.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::gguf_vocabulary_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::expect_error;
using test::fixtures_dir;
using test::TempDir;

Vocabulary written_and_read(const Vocabulary& vocabulary, const fs::path& path) {
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  set_vocabulary(writer, vocabulary);
  writer.write(path, [](const GgufTensorPlan&, const GgufAppend&) {});
  return vocabulary_from_file(GgufFile::open(path));
}

TEST(GgufVocabulary, OfFoldersGivesTheRecordedIds) {
  PLUMB_REQUIRE_FIXTURES();
  TempDir dir;
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(fixtures_dir() / "hf-dev")) {
    if (!fs::exists(entry.path() / "tokenizer.json")) continue;
    const std::int64_t size = tokenizer_from_folder(entry.path()).size() + 3;
    std::string difference;
    const Vocabulary vocabulary = gguf_vocabulary_from_folder(entry.path(), size, &difference);
    // One has a short form of the published pattern, for which there is a name; the other looks for digits among the
    // letters of bytes, which GGUF readers do not.
    const std::string name = entry.path().filename();
    EXPECT_EQ(difference.empty(), name != "deepseek_v2" && name != "falcon") << name << ": " << difference;
    EXPECT_EQ(vocabulary.size(), size);
    EXPECT_EQ(vocabulary.types.back(), TokenType::unused);
    const Tokenizer tokenizer(written_and_read(vocabulary, dir / "vocabulary.gguf"));
    std::ifstream lines(fs::path(entry.path()).concat(".text.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const json test_case = json::parse(line);
      const auto text = test_case["text"].get<std::string>();
      EXPECT_EQ(tokenizer.encode(text, {.add_special = false, .parse_special = true}),
                test_case["ids"].get<std::vector<Token>>())
          << entry.path() << " (" << vocabulary.pre << "): " << text;
      EXPECT_EQ(tokenizer.encode(text, {.add_special = true, .parse_special = true}),
                test_case["ids_special"].get<std::vector<Token>>())
          << entry.path() << ": " << text;
    }
    ++folders;
  }
  EXPECT_GT(folders, 40);
}

TEST(GgufVocabulary, OfBertGivesTheRecordedIds) {
  PLUMB_REQUIRE_FIXTURES();
  TempDir dir;
  const fs::path from = fixtures_dir() / "tokenizer-json";
  for (const char* name : {"bert-uncased", "wp-uncased", "wp-cased"}) {
    fs::copy_file(from / (std::string(name) + ".json"), dir / "tokenizer.json", fs::copy_options::overwrite_existing);
    const Tokenizer original = tokenizer_from_folder(dir.path());
    const Tokenizer tokenizer(
        written_and_read(gguf_vocabulary_from_folder(dir.path(), original.size()), dir / "vocabulary.gguf"));
    std::ifstream lines(from / (std::string(name) + ".jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const json test_case = json::parse(line);
      if (!test_case.contains("ids_special") || test_case["text"].get<std::string>().find('[') != std::string::npos)
        continue;
      EXPECT_EQ(tokenizer.encode(test_case["text"].get<std::string>()),
                test_case["ids_special"].get<std::vector<Token>>())
          << name << ": " << line.substr(0, 200);
    }
  }
}

TEST(GgufVocabulary, WhatCannotBeSaidIsRefusedByName) {
  PLUMB_REQUIRE_FIXTURES();
  TempDir dir;
  for (const auto& [name, mention] :
       std::vector<std::pair<std::string, std::string>>{{"uni-xlmr", "Unigram"},
                                                        {"wl-basic", "WordLevel"},
                                                        {"bpe-endofword", "byte fallback"},
                                                        {"pt-digits-individual", "pre-tokenizer without a name"},
                                                        {"nm-bytelevel", "pre-tokenizer without a name"},
                                                        {"at-l", "looks at its neighbours"}}) {
    fs::copy_file(fixtures_dir() / "tokenizer-json" / (name + ".json"), dir / "tokenizer.json",
                  fs::copy_options::overwrite_existing);
    const std::string message = expect_error(
        ErrorCode::unsupported_tokenizer, [&, dir = dir.path()] { (void)gguf_vocabulary_from_folder(dir, 1 << 20); });
    EXPECT_NE(message.find(mention), std::string::npos) << name << ": " << message;
  }
  expect_error(ErrorCode::out_of_range, [&] {
    fs::copy_file(fixtures_dir() / "tokenizer-json" / "qwen3.json", dir / "tokenizer.json",
                  fs::copy_options::overwrite_existing);
    (void)gguf_vocabulary_from_folder(dir.path(), 100);
  });
}

}  // namespace
}  // namespace plumb::gguf_vocabulary_test
