/// plumb embed: embeddings of texts and ids as JSON, CSV and raw floats; cosines of pairs; what is refused.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/model/embedding.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/run_command.hpp"
#include "tests/support/tiny_bert.hpp"

namespace plumb::embed_test {
namespace {

using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;
using nlohmann::json;

constexpr std::size_t kWidth = 32;

class EmbedCommand : public testing::Test {
 protected:
  TempDir dir;
  const test::GgufBuilder builder = test::tiny_bert();
  const std::string model = dir.file("model.gguf", builder.bytes()).native();
  const std::string out = (dir / "out").native();

  /// `plumb embed model.gguf ARGUMENTS...`, which must succeed.
  std::string embed(const Arguments& arguments) {
    Arguments all = {"embed", model};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }
  std::vector<float> raw(Arguments arguments) {
    arguments.insert(arguments.end(), {"--out", out});
    EXPECT_EQ(embed(arguments), "");
    return test::read_array<float>(out);
  }
};

TEST_F(EmbedCommand, WritesARowPerTextOfUnitLength) {
  const std::vector<float> got = raw({"--tokens", "2 5 6 3", "--tokens", "2,7,3"});
  ASSERT_EQ(got.size(), 2 * kWidth);
  EXPECT_NEAR(length_of(std::span(got).first(kWidth)), 1, 1e-6);
  EXPECT_NEAR(length_of(std::span(got).last(kWidth)), 1, 1e-6);
  const test::BuiltModel built(builder, {});
  const std::vector<std::vector<Token>> texts = {{2, 5, 6, 3}};
  std::vector<float> want = Session(built.model, {.threads = 1}).embed(texts)[0].pooled;
  EXPECT_EQ(raw({"--tokens", "2 5 6 3", "--no-normalize"}), want);
  make_unit_length(want);
  EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin()));
}

TEST_F(EmbedCommand, TakesIdsTextsAndFilesInThisOrder) {
  const std::vector<float> want = raw({"--tokens", "2 5 6 3", "--text", "The fox", "--text", "red.", "--file",
                                       dir.file("lines", "the foxes\r\n\nfox").native()});
  EXPECT_EQ(want.size(), 6 * kWidth) << "an empty line is a text of special tokens";
  EXPECT_EQ(want, raw({"--tokens", "2 5 6 3", "--tokens", "2 5 7 3", "--tokens", "2 6 11 3", "--tokens", "2 5 7 10 3",
                       "--tokens", "2 3", "--tokens", "2 7 3"}));
  for (const char* threads : {"1", "3"})
    EXPECT_EQ(raw({"--text", "The fox", "--threads", threads}),
              std::vector<float>(want.begin() + kWidth, want.begin() + 2 * kWidth));
}

TEST_F(EmbedCommand, AllWritesARowPerTokenThenThePooledOne) {
  const std::vector<float> got = raw({"--tokens", "2 5 3", "--all", "--no-normalize"});
  ASSERT_EQ(got.size(), 4 * kWidth);
  for (std::size_t i = 0; i < kWidth; ++i)
    EXPECT_NEAR((got[i] + got[kWidth + i] + got[2 * kWidth + i]) / 3, got[3 * kWidth + i], 1e-6);
  const std::vector<float> first = raw({"--tokens", "2 5 3", "--pooling", "cls", "--no-normalize"});
  EXPECT_TRUE(std::equal(first.begin(), first.end(), got.begin()));
}

TEST_F(EmbedCommand, FormatsAgree) {
  const std::vector<float> want = raw({"--text", "the fox", "--text", "red", "--all"});
  const Arguments texts = {"--text", "the fox", "--text", "red", "--all", "--format"};
  const auto with = [&](const char* format) {
    Arguments arguments = texts;
    arguments.push_back(format);
    return embed(arguments);
  };
  const json parsed = json::parse(with("json"));
  EXPECT_EQ(parsed["width"], kWidth);
  std::vector<float> from_json;
  for (const json& text : parsed["embeddings"]) {
    for (const json& row : text["rows"]) from_json.insert(from_json.end(), row.begin(), row.end());
    from_json.insert(from_json.end(), text["embedding"].begin(), text["embedding"].end());
  }
  EXPECT_EQ(from_json, want);
  std::istringstream csv(with("csv"));
  std::string line;
  std::getline(csv, line);
  EXPECT_TRUE(line.starts_with("text,row,0,1,2")) << line;
  std::vector<float> from_csv;
  std::vector<std::string> names;
  while (std::getline(csv, line)) {
    std::istringstream cells(line);
    std::string text, row, cell;
    std::getline(cells, text, ',');
    std::getline(cells, row, ',');
    names.push_back(text + "/" + row);
    while (std::getline(cells, cell, ',')) from_csv.push_back(std::stof(cell));
  }
  EXPECT_EQ(from_csv, want);
  EXPECT_EQ(names, (std::vector<std::string>{"1/1", "1/2", "1/3", "1/4", "1/pooled", "2/1", "2/2", "2/3", "2/pooled"}));
  const std::string bytes = with("raw");
  ASSERT_EQ(bytes.size(), want.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(bytes.data(), want.data(), bytes.size()), 0);
}

TEST_F(EmbedCommand, PairsAreCosines) {
  const std::vector<float> rows = raw({"--text", "the", "--text", "red fox", "--text", "the"});
  const json pairs = json::parse(embed({"--text", "the", "--text", "red fox", "--text", "the", "--pairs"}))["pairs"];
  ASSERT_EQ(pairs.size(), 3u);
  const std::span<const float> all(rows);
  const auto want = cosine_similarity(all.first(kWidth), all.subspan(kWidth, kWidth));
  EXPECT_NEAR(pairs[0]["cosine"].get<double>(), want, 1e-6);
  EXPECT_EQ(pairs[1]["a"], 1);
  EXPECT_EQ(pairs[1]["b"], 3);
  EXPECT_NEAR(pairs[1]["cosine"].get<double>(), 1, 1e-6);
  EXPECT_TRUE(embed({"--text", "the", "--text", "fox", "--pairs", "--format", "csv"}).starts_with("a,b,cosine\n1,2,"));
}

TEST_F(EmbedCommand, BadInputExitsWith1AndLeavesNoFile) {
  const std::string many = "5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5";
  const std::pair<Arguments, const char*> cases[] = {
      {{"--tokens", "2 12"}, "token 12"},
      {{"--tokens", ""}, "no tokens"},
      {{"--tokens", many}, "positions has 24"},
      {{"--tokens", "2 5 3", "--ctx", "2"}, "3 tokens for a context of 2"},
      {{"--file", (dir / "absent").native()}, "absent"},
      {{"--file", dir.file("empty", "").native()}, "holds no text"},
  };
  for (const auto& [arguments, mention] : cases) {
    Arguments all = {"embed", model, "--out", out};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 1) << mention;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(mention), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(out)) << mention;
  }
}

TEST_F(EmbedCommand, BadUsageExitsWith2) {
  for (const Arguments& arguments : {Arguments{"embed", model},
                                     {"embed", model, "--text", "a", "--all", "--pairs"},
                                     {"embed", model, "--tokens", "2", "--tokens", "x"},
                                     {"embed", model, "--text", "a", "--format", "text"},
                                     {"embed", model, "--text", "a", "--pooling", "rank"}})
    EXPECT_EQ(run_plumb(arguments).exit_code, 2);
  EXPECT_EQ(run_plumb({"embed", "--help"}).exit_code, 0);
}

/// What makes logits refuses a model that has none, in one line.
TEST_F(EmbedCommand, OtherCommandsSayWhatTheModelIsFor) {
  for (const Arguments& arguments :
       {Arguments{"generate", model, "--prompt", "the fox"}, {"logits", model, "--tokens", "2 5 3", "--out", out}}) {
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 1) << arguments[0];
    EXPECT_NE(result.err.find("embeddings"), std::string::npos) << result.err;
  }
  EXPECT_EQ(run_plumb({"inspect", model}).exit_code, 0);
}

TEST(EmbedFixtures, EqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const TempDir dir;
  const auto fixtures = test::fixtures_dir() / "arch2-dev";
  for (const std::string name : {"bert", "nomic-bert", "modern-bert", "gemma-embedding"}) {
    const auto result = run_plumb({"embed", (fixtures / (name + ".gguf")).native(), "--tokens",
                                   test::read_file(fixtures / (name + ".tokens")), "--all", "--no-normalize", "--out",
                                   (dir / "out").native()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto got = test::read_array<float>(dir / "out"),
               want = test::read_array<float>(fixtures / (name + ".embeddings"));
    ASSERT_EQ(got.size(), want.size()) << name;
    EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-6) << name;
  }
}

}  // namespace
}  // namespace plumb::embed_test
