/// plumb measure: what it says about a model, in every format, with and without a file; exit codes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::measure_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

class MeasureCommand : public testing::Test {
 protected:
  TempDir dir;
  const std::string model = dir.file("model.gguf", test::tiny_llama(false).bytes()).native();

  static std::string run(const Arguments& arguments) {
    Arguments all = {"measure"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
};

TEST_F(MeasureCommand, CountsByHandAreTheCommands) {
  const json all = json::parse(run({model, "-p", "6", "-n", "4", "-r", "3", "--threads", "2", "--format", "json"}));
  ASSERT_EQ(all["results"].size(), 1u);
  const json& m = all["results"][0];
  // 16 tokens of width 8; 2 layers of q 8x8, k and v 4x8, o 8x8, gate, up, down 12x8 and two norms; a norm and a head.
  constexpr double kLayer = 64 + 32 + 32 + 64 + 3 * 96, kMatrices = 2 * kLayer + 128, kNorms = 5 * 8;
  EXPECT_EQ(m["parameters"], 128 + kMatrices + kNorms);
  EXPECT_EQ(m["weight_bytes"], 4 * (128 + kMatrices + kNorms));
  EXPECT_EQ(m["weight_bytes_per_token"], 4 * (8 + kMatrices + kNorms)) << "one row of the embedding";
  EXPECT_EQ(m["kv_bytes_per_token"], 2 * 2 * 4 * 2) << "keys and values, layers, head_dim, f16";
  EXPECT_GT(m["operations_per_token"], 2 * kMatrices);
  EXPECT_LT(m["operations_per_token"], 3 * kMatrices) << "attention, norms and activations come on top";
  EXPECT_EQ(m["config"]["n_layers"], 2);
  EXPECT_EQ(m["config"]["n_kv_heads"], 1);
  EXPECT_EQ(m["threads"], 2);
  EXPECT_EQ(m["weight_type"], "F32");
}

TEST_F(MeasureCommand, SpeedsFollowFromCountsAndTimes) {
  const json m =
      json::parse(run({model, "-p", "6", "-n", "4", "-d", "3", "-r", "5", "--format", "json"}))["results"][0];
  for (const auto& [pass, tokens] : {std::pair{"prefill", 6}, {"decode", 4}}) {
    const json& timed = m[pass];
    EXPECT_EQ(timed["tokens"], tokens);
    ASSERT_EQ(timed["seconds"].size(), 5u);
    auto seconds = timed["seconds"].get<std::vector<double>>();
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[2], bytes = timed["weight_bytes"].get<double>() + timed["kv_bytes"].get<double>();
    EXPECT_GT(median, 0);
    EXPECT_DOUBLE_EQ(timed["median_seconds"], median);
    EXPECT_DOUBLE_EQ(timed["tokens_per_second"], tokens / median);
    EXPECT_NEAR(timed["gigabytes_per_second"].get<double>() * median * 1e9 / bytes, 1, 1e-9);
    EXPECT_NEAR(timed["gigaops_per_second"].get<double>() * median * 1e9 / timed["operations"].get<double>(), 1, 1e-9);
  }
  EXPECT_EQ(m["decode"]["weight_bytes"], 4 * m["weight_bytes_per_token"].get<double>());
  EXPECT_EQ(json::parse(run({model, "-p", "0", "-n", "1", "-r", "1", "--format", "json"}))["results"][0]["prefill"],
            nullptr);
}

TEST_F(MeasureCommand, SpeaksEveryFormat) {
  const Arguments base = {model, "-p", "4", "-n", "2", "-r", "1"};
  const auto format = [&](const Arguments& more) {
    Arguments all = base;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  for (const Arguments& text : {Arguments{}, {"--format", "text"}}) {
    const std::string out = format(text);
    for (const char* part : {"architecture", "llama", "feed-forward width", "params", "weights MB", "GB/s", "GOP/s"})
      EXPECT_NE(out.find(part), std::string::npos) << part << " in\n" << out;
  }
  const std::string csv = format({"--format", "csv"}), md = format({"--format", "md"});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 2) << csv;
  EXPECT_EQ(std::count(md.begin(), md.end(), '\n'), 3) << md;
  EXPECT_EQ(md.rfind("| model", 0), 0u);
}

TEST_F(MeasureCommand, WithoutAModelTakesRandomWeights) {
  const std::string csv =
      run({"--preset", "stories-260k", "--type", "q8_0,q4_0,f16", "-p", "4", "-n", "2", "-r", "1", "--format", "csv"});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4) << csv;
  for (const char* type : {"Q8_0", "Q4_0", "F16"}) EXPECT_NE(csv.find(type), std::string::npos) << csv;
}

TEST_F(MeasureCommand, ProgressIsShownOnATerminalOrOnRequest) {
  const Arguments base = {"measure", model, "-p", "4", "-n", "2", "-r", "1"};
  Arguments loud = base;
  loud.emplace_back("--progress");
  EXPECT_EQ(run_plumb(base).err, "") << "stderr is a file here";
  const std::string err = run_plumb(loud).err;
  EXPECT_NE(err.find("% "), std::string::npos) << err;
  EXPECT_NE(err.find("decode"), std::string::npos) << err;
}

TEST_F(MeasureCommand, ExitCodesAre1ForInputAnd2ForUsage) {
  const auto code = [](const Arguments& arguments) { return run_plumb(arguments).exit_code; };
  for (const Arguments& bad : {Arguments{"measure", (dir / "absent").native()},
                               {"measure", dir.file("junk", "junk").native()},
                               {"measure", model, "-d", "32"},
                               {"measure", "--preset", "no-such-model"}}) {
    const auto result = run_plumb(bad);
    EXPECT_EQ(result.exit_code, 1) << bad[1];
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  EXPECT_EQ(code({"measure", model, "--type", "q9"}), 2);
  EXPECT_EQ(code({"measure", "--preset", "stories-260k", "--type", "iq2_xxs"}), 2);
  EXPECT_EQ(code({"measure", model, "--format", "xml"}), 2);
  EXPECT_EQ(code({"measure", model, "--preset", "stories-260k"}), 2);
  EXPECT_EQ(code({"measure", model, "--type", "int8row", "-p", "4", "-n", "2", "-r", "1"}), 0);
  EXPECT_EQ(code({"measure", model, "-r", "0"}), 2);
  EXPECT_EQ(code({"measure", (dir / "absent").native(), "-p", "0", "-n", "0"}), 2) << "usage comes before the model";
  EXPECT_EQ(code({"measure", "--preset", "stories-260k", "-p", "0", "-n", "0"}), 2);
  EXPECT_EQ(code({"measure", model, "--threads", "-1"}), 2);
  EXPECT_EQ(code({"measure", "--help"}), 0);
}

TEST(MeasureFixtures, MeasuresATrainedModel) {
  PLUMB_REQUIRE_FIXTURES();
  const std::string path = (test::fixtures_dir() / "stories" / "stories260K-Q8_0.gguf").native();
  const auto result = run_plumb({"measure", path, "-p", "16", "-n", "4", "-r", "1", "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json m = json::parse(result.out)["results"][0];
  double elements = 0, bytes = 0;
  const json file = json::parse(run_plumb({"inspect", path, "--format", "json"}).out);
  for (const json& tensor : file["tensors"]) {
    double size = 1;
    for (const json& dim : tensor["shape"]) size *= dim.get<double>();
    elements += size;
    bytes += tensor["bytes"].get<double>();
  }
  EXPECT_EQ(m["parameters"], elements);
  EXPECT_EQ(m["weight_bytes"], bytes);
  EXPECT_EQ(m["weight_type"], "Q8_0 mixed") << "ffn_down stays F16";
}

}  // namespace
}  // namespace plumb::measure_test
