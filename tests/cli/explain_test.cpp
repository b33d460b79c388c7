/// plumb explain and plumb predict --verify as their users call them, with a made-up machine, so that nothing waits for
/// a measurement.

#include <gtest/gtest.h>

#include <algorithm>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "plumb/perf/machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::explain_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;

std::string profile(const TempDir& dir) {
  Machine machine;
  machine.isa = "avx2";
  machine.bandwidths.push_back({1, 1e6, 10e9});
  machine.peaks.push_back({"avx2", Arithmetic::f32, 1, 100e9});
  save_machine(machine, dir / "machine.json");
  return (dir / "machine.json").native();
}

TEST(ExplainCommand, ShowsEveryOperationOfBothPasses) {
  const TempDir dir;
  const std::string machine = profile(dir);
  const auto result = run_plumb({"explain", "stories-260k", "--type", "F16", "--machine", machine, "--depth", "10",
                                 "--prompt", "20", "--n-predict", "3", "-r", "1", "-t", "2", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json out = json::parse(result.out);
  for (const char* pass : {"decode", "prefill"}) {
    std::set<std::string> names;
    double share = out[pass]["meeting_seconds"].get<double>() / out[pass]["seconds"].get<double>();
    for (const json& op : out[pass]["ops"]) {
      names.insert(op["op"]);
      share += op["share"].get<double>();
    }
    EXPECT_NEAR(share, 1, 1e-6);
    for (const char* op :
         {"embedding", "attn_norm", "q", "k", "v", "rope", "attention", "attn_out", "gate", "up", "down", "head"})
      EXPECT_TRUE(names.contains(op)) << op;
    EXPECT_EQ(names.contains("sampling"), std::string(pass) == "decode");
  }
  for (const char* format : {"text", "md", "csv"}) {
    const auto table = run_plumb(
        {"explain", "stories-260k", "--machine", machine, "--prompt", "8", "-n", "1", "-r", "1", "--format", format});
    EXPECT_EQ(table.exit_code, 0) << table.err;
    EXPECT_NE(table.out.find("attention"), std::string::npos);
  }
}

TEST(ExplainCommand, RefusesWithOneLine) {
  const TempDir dir;
  const std::string machine = profile(dir);
  const auto result = run_plumb({"explain", "stories-260k", "--machine", machine, "--depth", "100000"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(PredictCommand, VerifiesHeldOutCases) {
  const TempDir dir;
  const auto result = run_plumb({"predict", "--verify", "--only", "1m Q4_0", "-r", "1", "--machine", profile(dir)});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("1m Q4_0 pp128"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("decode: 3 cases"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("prompt: 2 cases"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace plumb::explain_test
