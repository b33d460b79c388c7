/// plumb diff: what is matched, what counts as noise, what is refused.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::diff_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

json document(const std::string& schema) {
  return {{"schema", "plumb." + schema},
          {"schema_version", 1},
          {"program", {{"name", "plumb"}, {"version", "0.2.0"}, {"build", "a"}, {"isa", "avx2"}}},
          {"time", "2026-01-01T00:00:00Z"},
          {"machine", {{"cpu", "X"}, {"load_average", 0.5}}},
          {"profile", nullptr},
          {"settings", {{"repetitions", 3}}}};
}

json bench_row(const std::string& test, const std::vector<double>& rates, int batch = 2048) {
  json row = document("bench");
  double mean = 0;
  for (const double rate : rates) mean += rate / static_cast<double>(rates.size());
  row.update({{"test", test},
              {"model_type", "m"},
              {"weight_types", "Q4_0: all"},
              {"type_k", "f16"},
              {"n_threads", 2},
              {"n_batch", batch},
              {"n_ubatch", 512},
              {"isa", "avx2"},
              {"avg_ts", mean},
              {"samples_ts", rates}});
  return row;
}

class DiffCommand : public testing::Test {
 protected:
  TempDir dir;

  json diff(const json& before, const json& after, const Arguments& more = {}, int exit_code = 0) const {
    Arguments all = {"diff", dir.file("old.json", before.dump()).native(), dir.file("new.json", after.dump()).native(),
                     "--format", "json"};
    all.insert(all.end(), more.begin(), more.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  static std::string verdict(const json& diff, const std::string& row) {
    for (const json& change : diff["changes"])
      if (change["row"] == row) return change["verdict"];
    return "no such row";
  }
};

TEST_F(DiffCommand, ChangesCountBeyondTheNoise) {
  const json before = {bench_row("tg8", {100, 101, 99}), bench_row("tg16", {100, 140, 60}),
                       bench_row("pp8", {1000, 1001, 999}), bench_row("pp16", {50, 50, 50}), bench_row("pp32", {7})};
  const json after = {bench_row("pp32", {7.2}), bench_row("tg8", {110, 111, 109}), bench_row("tg16", {110, 150, 70}),
                      bench_row("pp8", {900, 901, 899}), bench_row("pp64", {50, 50, 50})};
  const json out = diff(before, after);
  EXPECT_EQ(verdict(out, "tg8"), "faster");
  EXPECT_EQ(verdict(out, "tg16"), "within noise") << "runs differ by more";
  EXPECT_EQ(verdict(out, "pp8"), "slower");
  EXPECT_EQ(verdict(out, "pp32"), "within noise") << "one run each: nobody knows, 3% are nothing";
  EXPECT_EQ(out["only_old"], json({"pp16"}));
  EXPECT_EQ(out["only_new"], json({"pp64"}));
  EXPECT_EQ(out["summary"], "2 of 4 numbers changed beyond the noise: 1 faster, 1 slower");
  EXPECT_NEAR(out["changes"][0]["change"].get<double>(), 0.1, 1e-9) << "in the order of the old file";
  EXPECT_TRUE(out["conditions"].empty()) << out["conditions"];
  EXPECT_EQ(verdict(diff(before, after, {"--noise", "12"}), "tg8"), "within noise");
  EXPECT_EQ(verdict(diff(before, before), "tg8"), "same");
}

TEST_F(DiffCommand, OtherConditionsAreNamedFirst) {
  json before = bench_row("tg8", {100, 101}), after = before;
  after["machine"] = {{"cpu", "Y"}, {"load_average", 3}};
  after["program"]["build"] = "b";
  after["settings"] = {{"repetitions", 2}, {"warmup", true}};
  after["time"] = "2026-01-02T00:00:00Z";
  EXPECT_EQ(diff(before, after)["conditions"],
            json({"machine.cpu: X -> Y", "program.build: a -> b", "settings.repetitions: 3 -> 2",
                  "settings.warmup: nothing -> true"}));
  const auto text = run_plumb({"diff", (dir / "old.json").native(), (dir / "new.json").native()}).out;
  EXPECT_LT(text.find("different machine.cpu: X -> Y"), text.find("verdict")) << text;
}

TEST_F(DiffCommand, FailsWhereSomethingIsSlower) {
  const json before = {bench_row("tg8", {100, 100.1}), bench_row("pp8", {100, 100.1})};
  const json after = {bench_row("tg8", {92, 92.1}), bench_row("pp8", {120, 120.1})};
  EXPECT_EQ(verdict(diff(before, after, {"--fail-if-slower", "10"}), "tg8"), "slower");
  diff(before, after, {"--fail-if-slower", "5"}, 1);
  diff(after, before, {"--fail-if-slower", "5"}, 1);
  diff(before, before, {"--fail-if-slower", "0"});
  const auto result =
      run_plumb({"diff", (dir / "old.json").native(), (dir / "old.json").native(), "--fail-if-slower", "x"});
  EXPECT_EQ(result.exit_code, 2);
}

TEST_F(DiffCommand, RowsAreMatchedBySettings) {
  const json before = {bench_row("pp8", {100, 100}, 64), bench_row("pp8", {200, 200}, 128)};
  const json after = {bench_row("pp8", {200, 200}, 128), bench_row("pp8", {100, 100}, 64),
                      bench_row("pp8", {50, 50}, 32)};
  const json out = diff(before, after);
  EXPECT_EQ(verdict(out, "n_batch 64"), "same");
  EXPECT_EQ(verdict(out, "n_batch 128"), "same");
  EXPECT_EQ(out["only_new"], json({"n_batch 32"}));
}

/// What the commands write is what is read.
TEST_F(DiffCommand, ReadsWhatCommandsWrite) {
  const std::string model = dir.file("m.gguf", test::tiny_llama().bytes()).native();
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();
  const std::string text = dir.file("text", "abcdefghijklmabcdefghijklmabcdefghijklmabcdefghijklm").native();
  const Arguments commands[] = {
      {"bench", "-m", model, "-p", "4", "-n", "2", "-r", "2", "--format", "json"},
      {"bench", "-m", model, "-p", "4", "-n", "2", "-r", "2", "-o", "json"},
      {"bench", "-m", model, "-p", "4", "-n", "2", "-r", "2", "-o", "jsonl"},
      {"measure", model, "-p", "4", "-n", "2", "-r", "2", "--format", "json"},
      {"measure", "--preset", "stories-260k", "--sweep", "depth", "--to", "4", "--machine", "none", "-p", "4", "-n",
       "2", "-r", "1", "--format", "json"},
      {"report-card", model, "--text", text, "--ctx", "8", "--type", "q8_0", "--format", "json"},
      {"machine", "--file", machine, "--format", "json"},
      {"predict", "--verify", "--only", "1m Q4_0 pp128", "-r", "1", "--machine", machine, "--format", "json"},
      {"predict", "stories-260k", "--machine", machine, "--format", "json"}};
  for (const Arguments& command : commands) {
    const std::string file = dir.file("out.json", run_plumb(command).out).native();
    const auto result = run_plumb({"diff", file, file, "--format", "json"});
    ASSERT_EQ(result.exit_code, 0) << command[0] << result.err;
    const json out = json::parse(result.out);
    EXPECT_FALSE(out["changes"].empty()) << command[0];
    for (const json& change : out["changes"]) EXPECT_EQ(change["verdict"], "same") << command[0];
    for (const char* format : {"text", "csv", "md"})
      EXPECT_EQ(run_plumb({"diff", file, file, "--format", format}).exit_code, 0) << command[0];
  }
}

TEST_F(DiffCommand, RefusesWhatCannotBeCompared) {
  const json row = bench_row("tg8", {100, 101});
  json other = document("measure"), later = row, odd = row, none = row;
  other["results"] = json::array();
  later["schema_version"] = 2;
  odd["samples_ts"] = {1, "x"};
  none.erase("avg_ts");
  const std::string good = dir.file("good.json", row.dump()).native();
  const std::pair<std::string, const char*> bad[] = {
      {other.dump(), "expected two of one schema"},
      {later.dump(), "expected 1"},
      {odd.dump(), "samples_ts"},
      {none.dump(), "avg_ts"},
      {document("generate").dump(), "expected one of"},
      {"{}", "schema"},
      {"[1]", "schema"},
      {"[]", "no JSON"},
      {"", "no JSON"},
      {row.dump().substr(0, 50), "no JSON"},
      {R"({"schema": "plumb.machine", "schema_version": 1, "time": 3})", "program"},
      {"[" + row.dump() + "," + document("predict").dump() + "]", "plumb.predict"}};
  for (const auto& [text, mention] : bad) {
    const auto result = run_plumb({"diff", good, dir.file("bad.json", text).native()});
    EXPECT_EQ(result.exit_code, 1) << text;
    EXPECT_NE(result.err.find(mention), std::string::npos) << text << result.err;
    EXPECT_NE(result.err.find("bad.json"), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(run_plumb({"diff", good, (dir / "absent").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"diff", good}).exit_code, 2);
}

}  // namespace
}  // namespace plumb::diff_test
