/// plumb logits: rows of little-endian f32, from ids, a file of ids or a text; exit codes.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::logits_test {
namespace {

using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

constexpr std::size_t kVocab = 272;

class LogitsCommand : public testing::Test {
 protected:
  TempDir dir;
  const test::GgufBuilder builder = test::tiny_llama();
  const std::string model = dir.file("model.gguf", builder.bytes()).native();
  const std::string out = (dir / "out").native();

  /// `plumb logits model.gguf --out out ARGUMENTS...`, which must succeed: the file as floats.
  std::vector<float> logits(const Arguments& arguments) {
    Arguments all = {"logits", model, "--out", out};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, "");
    return test::read_array<float>(out);
  }
};

TEST_F(LogitsCommand, WritesARowPerToken) {
  const std::vector<float> got = logits({"--tokens", "1 261 262", "--exact"});
  ASSERT_EQ(got.size(), 3 * kVocab);
  const test::BuiltModel built(builder);
  EXPECT_EQ(got, test::all_logits(built.model, std::vector<Token>{1, 261, 262}));
}

TEST_F(LogitsCommand, TakesIdsAFileOrAText) {
  const std::vector<float> want = logits({"--tokens", "1,261 261,262"});
  EXPECT_EQ(logits({"--tokens-file", dir.file("ids", "1 261\n261\t262\n").native()}), want);
  EXPECT_EQ(logits({"--text", "the there"}), want) << "with the bos that the file asks for";
}

TEST_F(LogitsCommand, TheCacheRoundsNothingUnlessAsked) {
  const std::vector<float> plain = logits({"--tokens", "1 261 262"});
  EXPECT_EQ(plain, logits({"--tokens", "1 261 262", "--kv", "f32"}));
  EXPECT_NE(plain, logits({"--tokens", "1 261 262", "--kv", "f16"}));
  EXPECT_EQ(logits({"--tokens", "1 261 262", "--kv", "f16", "--exact"}),
            logits({"--tokens", "1 261 262", "--kv", "f16"}))
      << "--kv stands above --exact, and weights are f32";
}

TEST_F(LogitsCommand, IsTheSameOnAnyNumberOfThreads) {
  const std::vector<float> want = logits({"--tokens", "1 261 262", "--threads", "1"});
  EXPECT_EQ(logits({"--tokens", "1 261 262", "--threads", "3"}), want);
  EXPECT_EQ(logits({"--tokens", "1 261 262", "--no-repack", "--ctx", "7"}), want) << "f32 weights";
}

TEST_F(LogitsCommand, BadInputExitsWith1AndLeavesNoFile) {
  const std::pair<Arguments, const char*> cases[] = {{{"--tokens", "1 272"}, "272"},
                                                     {{"--tokens", "-1"}, "-1"},
                                                     {{"--tokens", ""}, "no tokens"},
                                                     {{"--tokens-file", (dir / "absent").native()}, "absent"},
                                                     {{"--tokens", "1 2 3", "--ctx", "2"}, "context"},
                                                     {{"--text", std::string(64, 'x')}, "context"}};
  for (const auto& [arguments, mention] : cases) {
    Arguments all = {"logits", model, "--out", out};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 1) << mention;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(mention), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(out)) << mention;
  }
  EXPECT_EQ(run_plumb({"logits", model, "--tokens", "1", "--out", (dir / "no" / "folder").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"logits", (dir / "absent").native(), "--tokens", "1", "--out", out}).exit_code, 1);
  EXPECT_EQ(dir.entries(), 1u) << "only the model: no temporary files either";
}

TEST_F(LogitsCommand, BadUsageExitsWith2) {
  for (const Arguments& arguments : {Arguments{"logits", model, "--out", out},
                                     {"logits", model, "--tokens", "1"},
                                     {"logits", model, "--tokens", "1 x", "--out", out},
                                     {"logits", model, "--tokens", "99999999999", "--out", out},
                                     {"logits", model, "--tokens", "1", "--text", "x", "--out", out},
                                     {"logits", model, "--tokens", "1", "--out", out, "--ctx", "0"}})
    EXPECT_EQ(run_plumb(arguments).exit_code, 2);
  EXPECT_EQ(run_plumb({"logits", "--help"}).exit_code, 0);
}

TEST(LogitsFixtures, EqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const TempDir dir;
  const auto nmse = [&](const std::filesystem::path& model, const std::filesystem::path& tokens,
                        const std::filesystem::path& answer) {
    const auto result = run_plumb(
        {"logits", model.native(), "--tokens-file", tokens.native(), "--exact", "--out", (dir / "out").native()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto got = test::read_array<float>(dir / "out"), want = test::read_array<float>(answer);
    return test::nmse(std::span(got), std::span(want));
  };
  const auto stories = test::fixtures_dir() / "stories";
  EXPECT_LE(nmse(stories / "stories260K-f32.gguf", stories / "prompt.tokens", stories / "prompt.logits"), 1e-8);
  for (const std::string type : {"F16", "Q8_0", "Q4_0"})
    EXPECT_LE(nmse(stories / ("stories260K-" + type + ".gguf"), stories / "prompt.tokens",
                   stories / ("prompt-" + type + ".logits64")),
              1e-9)
        << type;
  const auto quants = test::fixtures_dir() / "quant-models";
  for (const std::string type : {"Q4_K_M", "Q6_K", "tied-Q4_0"})
    EXPECT_LE(nmse(quants / (type + ".gguf"), quants / (type + ".tokens"), quants / (type + ".logits64")), 1e-9)
        << type;
}

}  // namespace
}  // namespace plumb::logits_test
