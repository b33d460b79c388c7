/// One vocabulary: the same names, counts and defaults in every command, and what is refused in all of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "plumb/core/version.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::vocabulary_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

/// The line of --help that begins with these names.
std::string help_line(const std::string& command, const std::string& names) {
  const std::string help = run_plumb({command, "--help"}).out;
  const std::size_t at = help.find(names + " ");
  return at == std::string::npos ? std::string() : help.substr(at, help.find('\n', at) - at);
}

TEST(Vocabulary, OptionsHaveTheSameNamesEverywhere) {
  struct Shared {
    std::string names;
    Arguments commands;
  };
  const Shared all[] = {
      {"-t,--threads N",
       {"generate", "chat", "embed", "logits", "perplexity", "compare-logits", "calibrate", "measure", "explain",
        "predict", "decide", "compare", "quantize", "convert", "inspect", "tokenize", "report-card"}},
      {"-c,--ctx,--context N",
       {"generate", "chat", "embed", "logits", "perplexity", "compare-logits", "calibrate", "predict", "decide",
        "compare", "quantize", "report-card"}},
      {"-p,--prompt N", {"measure", "explain", "predict"}},
      {"-n,--n-predict N", {"generate", "chat", "measure", "explain"}},
      {"-d,--depth N", {"measure", "explain"}},
      {"-r,--repetitions N", {"measure", "explain", "predict", "bench"}},
      {"--sequences,--users N", {"explain", "predict", "decide", "compare"}},
      {"--machine FILE", {"explain", "predict", "decide", "compare", "measure"}},
      {"--format FORMAT",
       {"generate", "perplexity", "compare-logits", "measure", "bench", "explain", "predict", "decide", "compare",
        "machine", "models", "inspect", "report-card", "diff", "embed"}}};
  for (const Shared& shared : all)
    for (const std::string& command : shared.commands)
      EXPECT_FALSE(help_line(command, shared.names).empty()) << command << " " << shared.names;
}

TEST(Vocabulary, CountsMayHaveAK) {
  const TempDir dir;
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();
  const auto context = [&](const std::string& text) {
    const auto result = run_plumb({"predict", "smollm2-135m", "--machine", machine, "--ctx", text, "--format", "json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out)["context"].get<int>();
  };
  EXPECT_EQ(context("2k"), 2048);
  EXPECT_EQ(context("2K"), 2048);
  EXPECT_EQ(context("1.5k"), 1536);
  EXPECT_EQ(context("300"), 300);
  const std::vector<Arguments> commands = {{"generate", "absent", "-p", "x", "-c"},
                                           {"chat", "absent", "--ctx"},
                                           {"embed", "absent", "--text", "x", "--context"},
                                           {"logits", "absent", "--tokens", "1", "--out", "o", "-c"},
                                           {"perplexity", "absent", "--text", "/dev/null", "-c"},
                                           {"quantize", "absent", "o", "-c"},
                                           {"measure", "absent", "-d"},
                                           {"explain", "absent", "--machine", machine, "-p"},
                                           {"bench", "-m", "absent", "-p"}};
  for (Arguments arguments : commands) {
    arguments.emplace_back("8k");
    const auto taken = run_plumb(arguments);
    EXPECT_EQ(taken.exit_code, 1) << arguments[0] << ": absent, and said so; " << taken.err;
    for (const char* bad : {"8kb", "k", "-8k", "8.0001k", "8GB", "1e300", ""}) {
      arguments.back() = bad;
      const auto refused = run_plumb(arguments);
      EXPECT_EQ(refused.exit_code, 2) << arguments[0] << " " << bad;
      EXPECT_NE(refused.err.find("1024"), std::string::npos) << arguments[0] << " " << refused.err;
    }
  }
}

TEST(Vocabulary, PredictsPresetsOnTheirOwnDefaults) {
  const TempDir dir;
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();
  for (const char* preset : {"stories-15m", "stories-260k", "gpt2", "smollm2-135m"}) {
    const auto result = run_plumb({"predict", preset, "--machine", machine});
    EXPECT_EQ(result.exit_code, 0) << preset << result.err;
    EXPECT_EQ(result.err, "") << preset;
  }
  const auto cut = run_plumb({"predict", "stories-15m", "--machine", machine, "--ctx", "8k"});
  EXPECT_EQ(cut.exit_code, 0);
  EXPECT_NE(cut.err.find("8192"), std::string::npos) << cut.err;
  EXPECT_NE(cut.err.find("256"), std::string::npos) << cut.err;
}

TEST(Vocabulary, TheProgramSaysItsVersion) {
  const auto result = run_plumb({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.rfind(std::string("plumb ") + version(), 0), 0u) << result.out;
  EXPECT_NE(result.out.find("kernels "), std::string::npos) << result.out;
}

TEST(Vocabulary, WhatIsNoOptionIsAnError) {
  for (const Arguments& arguments : {Arguments{"-hf", "x"},
                                     {"generate", "m", "-hf", "x"},
                                     {"generate", "m", "-hfr", "x", "-p", "x"},
                                     {"bench", "-hf", "org/model"},
                                     {"predict", "m", "-hx"},
                                     {"no-such-command"},
                                     {"--no-such-option"},
                                     {"measure", "--no-such-option"},
                                     {}}) {
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 2) << (arguments.empty() ? "" : arguments.back()) << result.out;
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(result.err.empty());
  }
  for (const Arguments& arguments : {Arguments{"-h"}, {"generate", "-h"}, {"generate", "m", "--help"}, {"--help-all"}})
    EXPECT_EQ(run_plumb(arguments).exit_code, 0) << arguments.back();
}

TEST(Vocabulary, ListsObeyFormats) {
  const json list = json::parse(run_plumb({"predict", "--list", "--format", "json"}).out);
  EXPECT_GT(list["presets"].size(), 100u);
  const std::string csv = run_plumb({"predict", "--list", "--format", "csv"}).out;
  EXPECT_EQ(csv.rfind("preset,model,parameters\n", 0), 0u);
  EXPECT_EQ(static_cast<std::size_t>(std::count(csv.begin(), csv.end(), '\n')), list["presets"].size() + 1);
  EXPECT_EQ(run_plumb({"predict", "--list", "--format", "md"}).out.rfind("| preset", 0), 0u);
}

/// On a terminal, with `script`, whose output is what a person sees.
TEST(Vocabulary, NoTableStartsOnALineOfProgress) {
  const TempDir dir;
  const std::string model = dir.file("m.gguf", test::tiny_llama(false).bytes()).native();
  const std::string seen = (dir / "seen").native();
  if (std::system("command -v script >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no script(1)";
  const std::string line = "script -q -e -c " +
                           test::shell_word(test::shell_word(std::string(PLUMB_BINARY_DIR) + "/plumb") + " measure " +
                                            test::shell_word(model) + " -p 4 -n 2 -r 3 --format csv") +
                           " " + test::shell_word(seen) + " </dev/null >/dev/null 2>&1";
  ASSERT_EQ(std::system(line.c_str()), 0);
  std::ifstream file(seen, std::ios::binary);
  const std::string all(std::istreambuf_iterator<char>(file), {});
  const std::size_t table = all.find("model,params");
  ASSERT_NE(table, std::string::npos) << all;
  const std::size_t wiped = all.rfind("\x1b[K", table);
  ASSERT_NE(wiped, std::string::npos) << "progress was shown\n" << all;
  EXPECT_EQ(wiped + 3, table) << "between the wiped line and the table stands nothing\n" << all;
}

}  // namespace
}  // namespace plumb::vocabulary_test
