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

TEST(BenchCommand, TakesListsAndRanges) {
  const auto run = [](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"bench", "--preset", "stories-260k", "-n", "0",
                                    "-r",    "1",        "--no-warmup",  "-o", "json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_plumb(all);
  };
  const auto prompts = [&](const std::vector<std::string>& more) {
    const auto bench = run(more);
    EXPECT_EQ(bench.exit_code, 0) << bench.err;
    std::vector<int> all;
    for (const json& row : json::parse(bench.out))
      all.push_back(row["n_prompt"].get<int>() + row["n_depth"].get<int>());
    return all;
  };
  using Numbers = std::vector<int>;
  EXPECT_EQ(prompts({"-p", "4-16*2"}), (Numbers{4, 8, 16}));
  EXPECT_EQ(prompts({"-p", "4-10+3"}), (Numbers{4, 7, 10}));
  EXPECT_EQ(prompts({"-p", "4-6"}), (Numbers{4, 5, 6}));
  EXPECT_EQ(prompts({"-p", "2,4-8*2", "-p", "3"}), (Numbers{2, 4, 8, 3}));
  EXPECT_EQ(prompts({"-p", "4", "-d", "0-2+2"}), (Numbers{4, 6}));
  EXPECT_EQ(prompts({"-p", "0", "-pg", "4,1", "-pg", "6,0"}), (Numbers{4, 6}));
  for (const char* bad :
       {"4-", "-4", "8-4", "4-8*1", "0-8*2", "4-8+0", "1-100000", "4,,5", "4,", "1.5", "x", "", "4-8/2"})
    EXPECT_EQ(run({"-p", bad}).exit_code, 2) << bad;
}

// Rows tell what was varied; a table has a column for it then.
TEST(BenchCommand, VaryingTheBatchShows) {
  const std::vector<std::string> base = {"bench", "--preset", "stories-260k", "-p", "8", "-n", "0",
                                         "-r",    "1",        "-b",           "4,8"};
  const auto md = run_plumb(base);
  EXPECT_NE(md.out.find("| n_batch |"), std::string::npos) << md.out;
  EXPECT_NE(md.out.find("|       4 |"), std::string::npos) << md.out;
  std::vector<std::string> csv = base;
  csv.insert(csv.end(), {"-o", "csv"});
  const std::string out = run_plumb(csv).out, titles = out.substr(0, out.find('\n'));
  std::set<std::string> names;
  std::istringstream in(titles);
  std::size_t columns = 0;
  for (std::string name; std::getline(in, name, ','); ++columns) names.insert(name);
  EXPECT_EQ(names.size(), columns) << titles;
  EXPECT_TRUE(names.contains("n_batch") && names.contains("n_ubatch")) << titles;
  const auto usual = run_plumb({"bench", "--preset", "stories-260k", "-p", "8", "-n", "0", "-r", "1"});
  EXPECT_EQ(usual.out.find("n_batch"), std::string::npos) << usual.out;
}

// As they are typed for llama-bench: what has no meaning here is said and ignored, what would change the result
// refused.
TEST(BenchCommand, TakesTheFlagsOfLlamaBench) {
  const std::vector<std::string> base = {"bench", "--preset", "stories-260k", "-p", "4", "-n", "1", "-r", "1"};
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_plumb(arguments);
  };
  const auto many = run({"-ngl",  "0",    "-mmp",   "0,1",  "-fa",    "1",          "-sm",    "none", "-mg",  "0",
                         "-ts",   "1/0",  "-nkvo",  "0",    "--numa", "distribute", "--prio", "2",    "-dev", "none",
                         "-embd", "0",    "--poll", "50",   "-ncmoe", "0",          "-C",     "0x0",  "-v",   "--delay",
                         "0",     "-ctk", "f16",    "-ctv", "f16",    "--n_batch",  "64"});
  EXPECT_EQ(many.exit_code, 2) << "--n_batch is none of its flags";
  const auto taken =
      run({"-ngl", "99",    "-mmp", "0,1",    "-fa",          "1",      "-sm", "none", "-mg",  "0",       "-ts",
           "1/0",  "-nkvo", "0",    "--numa", "distribute",   "--prio", "2",   "-dev", "none", "-embd",   "0",
           "-lm",  "mmap",  "-ot",  "a=CPU",  "-nopo",        "0",      "-C",  "0x0",  "-v",   "--delay", "0",
           "-ctk", "f16",   "-ctv", "f16",    "--batch_size", "64"});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_EQ(std::count(taken.out.begin(), taken.out.end(), '\n'), 2 + 2) << "once each: " << taken.out;
  for (const char* flag : {"-ngl", "-mmp", "-fa", "-sm", "-mg", "-ts", "-nkvo", "--numa", "--prio", "-dev", "-embd"}) {
    const std::size_t note = taken.err.find("plumb: " + std::string(flag) + " is ignored");
    EXPECT_NE(note, std::string::npos) << flag << taken.err;
    EXPECT_EQ(taken.err.find("plumb: " + std::string(flag) + " is ignored", note + 1), std::string::npos) << flag;
  }
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"-dev", "CUDA0"},
                                              {"-rpc", "host:1"},
                                              {"-embd", "1"},
                                              {"-C", "0x3"},
                                              {"-hf", "org/m"},
                                              {"-ctk", "f16", "-ctv", "f32"},
                                              {"-ngl"}}) {
    const auto refused = run(bad);
    EXPECT_EQ(refused.exit_code, 2) << bad[0];
    EXPECT_EQ(refused.out, "") << bad[0];
  }
}

TEST(BenchCommand, WritesSqlAndASecondOutput) {
  const auto both =
      run_plumb({"bench", "--preset", "stories-260k", "-p", "4", "-n", "0", "-r", "2", "-o", "sql", "-oe", "json"});
  ASSERT_EQ(both.exit_code, 0) << both.err;
  EXPECT_EQ(both.out.rfind("CREATE TABLE IF NOT EXISTS llama_bench (", 0), 0u) << both.out;
  EXPECT_NE(both.out.find("INSERT INTO llama_bench (build_commit, "), std::string::npos) << both.out;
  EXPECT_NE(both.out.find("avg_ts REAL"), std::string::npos) << both.out;
  const json rows = json::parse(both.err);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["samples_ts"].size(), 2u);
  const auto none = run_plumb({"bench", "--preset", "stories-260k", "-p", "4", "-n", "0", "-r", "1", "-o", "none"});
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.exit_code, 0);
}

TEST(BenchCommand, SaysWhatIsWrong) {
  EXPECT_EQ(run_plumb({"bench"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "no-such-model"}).exit_code, 1);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "--type", "q9"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-o", "xml"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-p", "-5"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-p", "a"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-pg", "5"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"bench", "--preset", "stories-260k", "-p", "0", "-n", "0"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"synth", "stories-260k", "/no/such/folder/m.gguf"}).exit_code, 1);
  const TempDir dir;
  const auto synth = run_plumb({"synth", "stories-260k", (dir / "m.gguf").native(), "--type", "int4g64"});
  EXPECT_EQ(synth.exit_code, 2);
  EXPECT_NE(synth.err.find("exists in memory only"), std::string::npos) << synth.err;
}

}  // namespace
}  // namespace plumb::bench_test
