/// Every JSON output begins with the same head; every CSV has titles that differ and cells that are plain.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plumb/core/version.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::json_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

class Output : public testing::Test {
 protected:
  TempDir dir;
  const std::string model = dir.file("m.gguf", test::tiny_llama().bytes()).native();
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();
  const std::string text = dir.file("text", "abcdefghijklmabcdefghijklmabcdefghijklmabcdefghijklm").native();

  struct Case {
    std::string schema;
    Arguments arguments;
    bool profile = false;
  };
  /// All commands with --format json and csv, but for `bench`, `generate` and `quantize`, which have other options.
  std::vector<Case> cases() const {
    const Arguments quick = {"-p", "4", "-n", "2", "-r", "1"};
    const auto with = [](Arguments a, const Arguments& b) {
      a.insert(a.end(), b.begin(), b.end());
      return a;
    };
    return {
        {"measure", with({"measure", model}, quick)},
        {"sweep",
         with({"measure", "--preset", "stories-260k", "--sweep", "depth", "--to", "4", "--machine", machine}, quick),
         true},
        {"perplexity", {"perplexity", model, "--text", text, "--ctx", "8"}},
        {"compare-logits", {"compare-logits", model, model, "--text", text, "--ctx", "8"}},
        {"report-card", {"report-card", model, "--text", text, "--ctx", "8", "--type", "q8_0"}},
        {"machine", {"machine", "--file", machine}, true},
        {"models", {"models"}},
        {"presets", {"predict", "--list"}},
        {"predict", {"predict", "stories-260k", "--machine", machine}, true},
        {"verify", {"predict", "--verify", "--only", "1m Q4_0 pp128", "-r", "1", "--machine", machine}, true},
        {"explain", with({"explain", "stories-260k", "--machine", machine}, quick), true},
        {"decide", {"decide", "--latency", "200ms", "--machine", machine}, true},
        {"compare", {"compare", "gpt2:q8_0", "gpt2:q4_0", "--ctx", "1k", "--machine", machine}, true},
        {"embed", {"embed", model, "--tokens", "1 2 3"}},
        {"inspect", {"inspect", model}}};
  }

  static std::string run(Arguments arguments, const char* format) {
    arguments.insert(arguments.end(), {"--format", format});
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments[0] << result.err;
    return result.out;
  }

  static void expect_head(const json& document, const std::string& schema, bool profile) {
    SCOPED_TRACE(schema);
    ASSERT_TRUE(document.is_object());
    EXPECT_EQ(document["schema"], "plumb." + schema);
    EXPECT_EQ(document["schema_version"], 1);
    EXPECT_EQ(document["program"]["version"], version());
    EXPECT_FALSE(document["program"]["build"].get<std::string>().empty());
    EXPECT_TRUE(std::regex_match(document["time"].get<std::string>(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")))
        << document["time"];
    for (const char* key : {"cpu", "processors", "cores", "caches", "memory_bytes", "governor", "load_average"})
      EXPECT_TRUE(document["machine"].contains(key)) << key;
    EXPECT_EQ(document["profile"].is_object(), profile);
    EXPECT_TRUE(document["settings"].is_object());
  }
};

TEST_F(Output, OfEveryCommandHasTheHead) {
  for (const Case& c : cases()) expect_head(json::parse(run(c.arguments, "json")), c.schema, c.profile);
  const Arguments quick = {"bench", "-m", model, "-p", "4,5", "-n", "0", "-r", "1"};
  const json document = json::parse(run(quick, "json"));
  expect_head(document, "bench", false);
  EXPECT_EQ(document["results"].size(), 2u);
  Arguments array = quick;
  array.insert(array.end(), {"-o", "json"});
  for (const json& row : json::parse(run_plumb(array).out)) expect_head(row, "bench", false);
  expect_head(json::parse(run({"generate", model, "-p", "ab", "-n", "2"}, "json")), "generate", false);
  expect_head(json::parse(run_plumb({"embed", model, "--tokens", "1 2", "--tokens", "3", "--pairs"}).out), "embed",
              false);
  const std::string report = (dir / "card.json").native();
  ASSERT_EQ(run_plumb({"quantize", model, (dir / "q.gguf").native(), "--type", "q8_0", "--report", report, "--text",
                       text, "--quiet"})
                .exit_code,
            0);
  expect_head(json::parse(test::read_file(report)), "report-card", false);
}

/// What benchmarks/JSON.md says there is.
TEST_F(Output, IsDocumented) {
  std::ifstream file(std::string(PLUMB_SOURCE_DIR) + "/benchmarks/JSON.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  for (const Case& c : cases()) {
    EXPECT_NE(page.find("`plumb." + c.schema + "`"), std::string::npos) << c.schema;
    const json document = json::parse(run(c.arguments, "json"));
    for (const auto& [key, value] : document.items())
      EXPECT_NE(page.find("`" + key + "`"), std::string::npos) << c.schema << ": " << key;
  }
}

TEST_F(Output, AProfileIsReadBackFromADocument) {
  const std::string again = dir.file("again.json", run({"machine", "--file", machine}, "json")).native();
  const auto read = [](const std::string& text) { return Machine::from_json(text, "x").to_json(); };
  EXPECT_EQ(read(test::read_file(again)), test::round_machine().to_json());
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

TEST_F(Output, AsCsvIsOneTableOfPlainCells) {
  const std::regex number_with_unit(R"([-+]?[0-9.]+ ?(%|[kMGT]i?B|[kMBTQ]|[nmu]?s|min))");
  std::vector<Case> all = cases();
  all.push_back({"bench", {"bench", "-m", model, "-p", "4", "-n", "2", "-r", "1"}});
  for (const Case& c : all) {
    SCOPED_TRACE(c.schema);
    const std::string csv = run(c.arguments, "csv");
    std::istringstream in(csv);
    std::string line;
    std::getline(in, line);
    const std::vector<std::string> titles = fields_of(line);
    EXPECT_EQ(std::set<std::string>(titles.begin(), titles.end()).size(), titles.size()) << line;
    for (const std::string& title : titles) EXPECT_FALSE(title.empty() || title.ends_with(' ')) << line;
    for (int rows = 0; std::getline(in, line); ++rows) {
      const std::vector<std::string> cells = fields_of(line);
      EXPECT_EQ(cells.size(), titles.size()) << line;
      for (const std::string& cell : cells)
        EXPECT_FALSE(std::regex_match(cell, number_with_unit)) << cell << " in " << line;
    }
  }
}

}  // namespace
}  // namespace plumb::json_test
