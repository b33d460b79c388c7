/// plumb decide and plumb compare on a machine of round numbers: every format, budgets, misses, users, refusals.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/synth.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/range_server.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::decide_test {
namespace {

using nlohmann::json;
using Arguments = std::vector<std::string>;

class Decide : public testing::Test {
 protected:
  test::CommandResult run(Arguments arguments) const {
    arguments.insert(arguments.end(), {"--machine", machine});
    return test::run_plumb(arguments);
  }
  json answer(Arguments arguments) const {
    arguments.insert(arguments.end(), {"--format", "json"});
    const test::CommandResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }

  test::TempDir dir;
  const std::string machine = dir.file("machine.json", test::round_machine().to_json()).native();
};

TEST_F(Decide, ListsWhatMeetsTheBudget) {
  const json found = answer(
      {"decide", "--latency", "200ms", "--memory", "6GiB", "--context", "2048", "--ttft", "60 s", "--prompt", "1000"});
  ASSERT_FALSE(found["choices"].empty());
  for (const json& choice : found["choices"]) {
    EXPECT_LE(choice["seconds_per_token"], 0.2);
    EXPECT_LE(choice["memory_bytes"], 6.0 * (1 << 30));
    EXPECT_LE(choice["seconds_to_first_token"], 60);
    EXPECT_GT(choice["file_bytes"], 0);
    EXPECT_EQ(choice["excess"]["memory"], 0);
    EXPECT_TRUE(choice["seconds_per_token_margin"].is_null() || choice["seconds_per_token_margin"] > 0);
  }
  EXPECT_TRUE(std::any_of(found["choices"].begin(), found["choices"].end(), [](const json& c) { return c["pareto"]; }));
  EXPECT_EQ(found["budget"]["memory_from"], "given");
  for (const char* format : {"text", "md", "csv"}) {
    const auto shown = run({"decide", "--latency", "200ms", "--memory", "6GiB", "--format", format});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_NE(shown.out.find("first token"), std::string::npos) << shown.out;
  }
}

// What is asked for is what is priced.
TEST_F(Decide, LengthsAreNotCut) {
  const json prompt = answer({"decide", "--memory", "8GB", "--prompt", "5000"});
  EXPECT_EQ(prompt["budget"]["prompt"], 5000);
  EXPECT_GE(prompt["budget"]["context"], 5000);
  const json context = answer({"decide", "--memory", "64GB", "--ctx", "200000"});
  EXPECT_EQ(context["budget"]["context"], 200000);
  const json& shorter = context["short_contexts"];
  EXPECT_TRUE(std::any_of(shorter.begin(), shorter.end(), [](const json& m) { return m["model"] == "llama-3.1-8b"; }));
  const json kilo = answer({"decide", "--memory", "8GB", "--context", "8k"});
  EXPECT_EQ(kilo["budget"]["context"], 8192);
  const std::string text = run({"decide", "--memory", "8GB", "--context", "8k"}).out;
  EXPECT_NE(text.find("trained for fewer than 8192 positions"), std::string::npos) << text;
}

TEST_F(Decide, WhereNothingFitsTheNearestAreShown) {
  const json found = answer({"decide", "--memory", "100kB", "--latency", "1us"});
  EXPECT_TRUE(found["choices"].empty());
  ASSERT_FALSE(found["misses"].empty());
  EXPECT_GT(found["misses"][0]["excess"]["memory"], 0);
  const auto text = run({"decide", "--memory", "100kB", "--latency", "1us"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* part : {"Nothing fits", "misses", "memory ", "token "})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << " in\n" << text.out;
}

TEST_F(Decide, UsersAndScoresNarrowTheChoice) {
  const json one = answer({"decide", "--memory", "8GB"}), many = answer({"decide", "--memory", "8GB", "--users", "8"});
  EXPECT_GT(one["choices"].size(), many["choices"].size());
  EXPECT_EQ(many["choices"][0]["tokens_per_second_all_users"].get<double>(),
            8 * many["choices"][0]["tokens_per_second"].get<double>());
  const json good = answer({"decide", "--memory", "100GB", "--quality", "75"});
  ASSERT_FALSE(good["choices"].empty());
  for (const json& choice : good["choices"]) EXPECT_GE(choice["mmlu"]["percent"], 75);
}

TEST_F(Decide, MemoryIsWhatIsFreeUnlessGiven) {
  EXPECT_EQ(answer({"decide"})["budget"]["memory_from"], "all that the machine has");
  EXPECT_EQ(answer({"decide"})["budget"]["memory_bytes"], 16e9);
}

TEST_F(Decide, ModelsStandSideBySide) {
  const json found = answer({"compare", "llama-3.2-1b:q4_k_m", "llama-3.2-1b:q8_0", "qwen3-0.6b", "--ctx", "8k"});
  const json& models = found["models"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(found["context"], 8192);
  EXPECT_EQ(models[0]["type"], "q4_k_m");
  EXPECT_EQ(models[2]["type"], "q4_0");
  EXPECT_LT(models[0]["file_bytes"], models[1]["file_bytes"]);
  EXPECT_EQ(models[0]["parameters"], 1'235'814'400);
  EXPECT_GT(models[0]["kl_of_type_estimate"], models[1]["kl_of_type_estimate"]);
  EXPECT_EQ(models[0]["mmlu"]["percent"], 32.2);
  for (const char* format : {"text", "md", "csv"}) {
    const auto shown = run({"compare", "llama-3.2-1b:q4_k_m", "qwen3-0.6b", "--format", format});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    for (const char* part : {"file", "tokens/s", "MMLU"})
      EXPECT_NE(shown.out.find(part), std::string::npos) << part << " in\n" << shown.out;
  }
}

TEST_F(Decide, FilesAtHandReadTheText) {
  write_random_model(dir / "m.gguf", preset_spec("stories-260k"), {.type = "f32"});
  std::string words;
  for (int i = 0; i < 2000; ++i) words += "word" + std::to_string(i % 97) + ' ';
  const std::string text = dir.file("text.txt", words).native(), model = (dir / "m.gguf").native();
  const json found = answer({"compare", model, model + ":q4_0", "stories-260k", "--ctx", "512", "--text", text});
  EXPECT_EQ(found["models"][0]["type"], "as in the file");
  EXPECT_EQ(found["models"][0]["file_bytes"], std::filesystem::file_size(model));
  EXPECT_GT(found["models"][0]["bits_per_byte"]["value"], 0);
  EXPECT_NE(found["models"][0]["bits_per_byte"]["value"], found["models"][1]["bits_per_byte"]["value"]);
  EXPECT_TRUE(found["models"][2]["bits_per_byte"].is_null());
  EXPECT_EQ(run({"compare", "no-such-model"}).exit_code, 1);
}

TEST_F(Decide, FilesOnServersAndOfUnknownKindsAreCompared) {
  GgufWriter writer;
  writer.set("general.architecture", "unheard_of");
  writer.add_tensor("token_embd.weight", DType::q8_0, Shape{100, 64});
  writer.write(dir / "new.gguf", [](const GgufTensorPlan& plan, const GgufAppend& append) {
    append(std::vector<std::byte>(plan.bytes, std::byte{1}));
  });
  write_random_model(dir / "m.gguf", preset_spec("stories-260k"), {.type = "q8_0"});
  const std::string file = test::read_file((dir / "m.gguf").native());
  test::RangeServer server(file, file.size());
  const json stored = answer({"compare", (dir / "new.gguf").native(), "stories-15m", "--ctx", "256"});
  EXPECT_EQ(stored["models"][0]["parameters"], 6400);
  EXPECT_GT(stored["models"][0]["seconds_per_token_at_least"], 0);
  const auto remote =
      run({"compare", server.url("/file") + ":q4_0", server.url("/file"), "--ctx", "256", "--format", "json"});
  if (remote.err.find("without libcurl") != std::string::npos) GTEST_SKIP() << "built without libcurl";
  ASSERT_EQ(remote.exit_code, 0) << remote.err;
  const json models = json::parse(remote.out)["models"];
  EXPECT_EQ(models[1]["file_bytes"], file.size());
  EXPECT_LT(models[0]["file_bytes"], models[1]["file_bytes"]);
}

}  // namespace
}  // namespace plumb::decide_test
