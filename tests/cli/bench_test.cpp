/// plumb synth and plumb bench as their users call them.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/run_command.hpp"

namespace plumb::bench_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;

TEST(BenchCommand, WritesAFileAndTimesIt) {
  const TempDir dir;
  const std::string file = (dir / "m.gguf").native();
  const auto synth = run_plumb({"synth", "stories-260k", file, "--type", "q8_0", "--seed", "4"});
  ASSERT_EQ(synth.exit_code, 0) << synth.err;
  const auto bench = run_plumb({"bench", "-m", file, "-p", "9,12", "-n", "3", "-pg", "4,2", "-d", "0,5", "-t", "1,2",
                                "-r", "2", "-ub", "8", "-o", "json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const json results = json::parse(bench.out);
  ASSERT_EQ(results.size(), 4u * 2 * 2);
  std::set<std::string> names;
  for (const json& result : results) {
    names.insert(result["test"]);
    EXPECT_EQ(result["samples_ts"].size(), 2u);
    EXPECT_GT(result["avg_ts"], 0);
    EXPECT_EQ(result["n_ubatch"], 8);
    EXPECT_EQ(result["type_k"], "f16") << "as the peers";
    EXPECT_FALSE(result["isa"].get<std::string>().empty());
  }
  EXPECT_EQ(names, (std::set<std::string>{"pp9", "pp12", "tg3", "pp4+tg2", "pp9 @ d5", "pp12 @ d5", "tg3 @ d5",
                                          "pp4+tg2 @ d5"}));
}

TEST(BenchCommand, TimesPresetsInEveryFormat) {
  const std::vector<std::string> base = {"bench", "--preset", "stories-260k", "--type", "q4_0,f16", "-p", "4",
                                         "-n",    "2",        "-r",           "1",      "-o"};
  for (const std::string format : {"md", "csv", "jsonl", "json"}) {
    std::vector<std::string> arguments = base;
    arguments.push_back(format);
    const auto bench = run_plumb(arguments);
    ASSERT_EQ(bench.exit_code, 0) << bench.err;
    const long headings = format == "md" ? 2 : format == "csv" ? 1 : 0;
    if (format != "json") {
      EXPECT_EQ(std::count(bench.out.begin(), bench.out.end(), '\n'), headings + 4) << bench.out;
    }
    std::istringstream in(bench.out);
    for (std::string line; format == "jsonl" && std::getline(in, line);) EXPECT_TRUE(json::accept(line)) << line;
    EXPECT_NE(bench.out.find("tg2"), std::string::npos);
  }
}

// The names of other tools are the same caches, and a cache has one type for keys and values.
TEST(BenchCommand, TakesTypesOfKeysAndValuesByAnyOfTheirNames) {
  const std::vector<std::string> base = {"bench", "--preset", "stories-260k", "-p",  "4", "-n", "0",
                                         "-r",    "1",        "-o",           "json"};
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_plumb(arguments);
  };
  const auto types = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all;
    const auto bench = run(more);
    EXPECT_EQ(bench.exit_code, 0) << bench.err;
    for (const json& result : json::parse(bench.out)) all.push_back(result["type_k"]);
    return all;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(types({"-ctk", "q8_0", "-ctv", "Q8_0"}), (Names{"int8"}));
  EXPECT_EQ(types({"-ctk", "f16"}), (Names{"f16"}));
  EXPECT_EQ(types({"--kv", "f32,i8,int8"}), (Names{"f32", "int8"}));
  const auto mixed = run({"-ctk", "f16", "-ctv", "q8_0"});
  EXPECT_EQ(mixed.exit_code, 2);
  EXPECT_NE(mixed.err.find("one type for both"), std::string::npos) << mixed.err;
  const auto unknown = run({"-ctk", "q4_0"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("int8"), std::string::npos) << unknown.err;
}

TEST(BenchCommand, SaysWhatIsWrong) {
  EXPECT_EQ(run_plumb({"bench"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "no-such-model"}).exit_code, 1);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "--type", "q9"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-o", "xml"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-p", "-5"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-p", "a"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-pg", "5"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"synth", "stories-260k", "/no/such/folder/m.gguf"}).exit_code, 1);
  const TempDir dir;
  const auto synth = run_plumb({"synth", "stories-260k", (dir / "m.gguf").native(), "--type", "int4g64"});
  EXPECT_EQ(synth.exit_code, 2);
  EXPECT_NE(synth.err.find("exists in memory only"), std::string::npos) << synth.err;
}

}  // namespace
}  // namespace plumb::bench_test
