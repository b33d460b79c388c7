/// plumb measure --sweep: every format, errors in one line, a report.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::sweep_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

class SweepCommand : public testing::Test {
 protected:
  TempDir dir;
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();

  Arguments sweep(const Arguments& more) const {
    Arguments all = {"measure", "--preset", "stories-260k", "--machine", machine, "-p", "4",
                     "-n",      "2",        "-r",           "1",         "-t",    "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(SweepCommand, SpeaksEveryFormatAndWritesAReport) {
  const std::string report = (dir / "report").native();
  const auto text = run_plumb(sweep({"--sweep", "depth", "--to", "8", "--report", report}));
  ASSERT_EQ(text.exit_code, 0) << text.err;
  for (const char* part : {"depth 1", "depth 8", "fitted laws", "prompt Q8_0: time = ", "decode Q8_0: time = "})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << " in\n" << text.out;
  std::ifstream file(report + "/report.html");
  std::stringstream html;
  html << file.rdbuf();
  EXPECT_NE(html.str().find("</html>"), std::string::npos);
  EXPECT_NE(html.str().find("<svg"), std::string::npos);
  EXPECT_NE(html.str().find("<script type=\"application/json\" id=\"data-sweep-json\">{"), std::string::npos);
  for (const char* format : {"csv", "md"})
    EXPECT_EQ(run_plumb(sweep({"--sweep", "depth", "--to", "4", "--format", format})).exit_code, 0);
  const auto result = run_plumb(sweep({"--sweep", "depth", "--to", "8", "--format", "json"}));
  const json all = json::parse(result.out);
  EXPECT_EQ(all["sweep"], "depth");
  EXPECT_EQ(all["laws"].size(), 2u);
  for (const json& point : all["points"]) {
    EXPECT_GT(point["measured"]["decode"]["median_seconds"], 0);
    EXPECT_GT(point["predicted_decode_step"]["seconds"], 0);
    for (const char* key : {"tier", "kernels", "threads", "page_bytes", "huge_pages", "governor"})
      EXPECT_TRUE(point["measured"].contains(key)) << key;
  }
}

TEST_F(SweepCommand, ExpertsAreMeasured) {
  const auto result = run_plumb(sweep({"--sweep", "experts", "--to", "4", "--format", "json"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const json& point : json::parse(result.out)["points"])
    EXPECT_GT(point["measured"]["decode"]["median_seconds"], 0);
}

TEST_F(SweepCommand, BadOnesAreUsage) {
  for (const Arguments& bad : {Arguments{"--sweep", "depth", "--from", "0"},
                               {"--sweep", "depth", "--from", "-3"},
                               {"--sweep", "depth", "--to", "1e300"},
                               {"--sweep", "width", "--from", "13"},
                               {"--sweep", "nothing"},
                               {"--sweep", "type", "--type", "q9"},
                               {"--from", "3"}}) {
    const auto result = run_plumb(sweep(bad));
    EXPECT_EQ(result.exit_code, 2) << bad.back();
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 2) << result.err;
  }
}

}  // namespace
}  // namespace plumb::sweep_test
