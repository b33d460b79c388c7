/// plumb generate: the recorded story, what each option does, exit codes.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::generate_test {
namespace {

using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

class GenerateCommand : public testing::Test {
 protected:
  TempDir dir;
  const std::string spm = dir.file("spm.gguf", test::tiny_llama().bytes()).native();
  const std::string bpe = dir.file("bpe.gguf", test::tiny_llama_bpe().bytes()).native();

  /// `plumb generate spm.gguf -p "the there" --no-echo -n TOKENS MORE...`, which must succeed.
  test::CommandResult run(const Arguments& more, const std::string& tokens = "12") {
    Arguments all = {"generate", spm, "-p", "the there", "--no-echo", "-n", tokens, "--ignore-eos"};
    all.insert(all.end(), more.begin(), more.end());
    test::CommandResult result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  }
  std::string text(const Arguments& more, const std::string& tokens = "12") { return run(more, tokens).out; }
};

TEST_F(GenerateCommand, EchoesThePromptUnlessTold) {
  const std::string continuation = text({});
  EXPECT_FALSE(continuation.empty());
  EXPECT_EQ(run_plumb({"generate", spm, "-p", "the there", "-n", "12", "--ignore-eos"}).out,
            "the there" + continuation);
  EXPECT_EQ(run_plumb({"generate", spm, "-p", "the there", "-n", "12", "--ignore-eos", "--special"}).out,
            "<s> the there" + continuation);
  EXPECT_EQ(run_plumb({"generate", spm, "-p", "the there", "-n", "0"}).out, "the there");
}

TEST_F(GenerateCommand, SaysOnStderrWhatItCost) {
  const auto result = run({"--ctx", "20", "--threads", "2", "--kv", "f16"});
  for (const char* part : {"prompt 4 tokens in ", "12 new tokens in ", " tokens/s)", "stopped: token limit", "weights ",
                           "KV cache ", "(20 positions, f16)", "2 threads"})
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " in " << result.err;
  EXPECT_NE(run({"--ctx", "8"}, "-1").err.find("stopped: context full"), std::string::npos);
}

TEST_F(GenerateCommand, TheSameSeedGivesTheSameText) {
  const std::string first = text({"--temp", "1.5", "--seed", "7"});
  EXPECT_EQ(text({"--temp", "1.5", "--seed", "7"}), first);
  EXPECT_EQ(text({"--temp", "1.5", "--seed", "7", "--threads", "1"}), first);
  EXPECT_NE(text({"--temp", "1.5", "--seed", "8"}), first);
}

TEST_F(GenerateCommand, FiltersKeepWhatTheirNamesSay) {
  const Arguments hot = {"--temp", "1.5", "--seed", "7"};
  const std::string greedy = text({}), free = text(hot);
  EXPECT_EQ(text({"--temp", "0"}), greedy) << "the default is greedy";
  const auto with = [&](const Arguments& more) {
    Arguments all = hot;
    all.insert(all.end(), more.begin(), more.end());
    return text(all);
  };
  EXPECT_NE(free, greedy);
  for (const Arguments& only_the_best : {Arguments{"--top-k", "1"}, {"--top-p", "0"}, {"--min-p", "1"}})
    EXPECT_EQ(with(only_the_best), greedy) << only_the_best[0];
  for (const Arguments& all : {Arguments{"--top-k", "0"}, {"--top-p", "1"}, {"--min-p", "0"}, {"--typical", "1"}})
    EXPECT_EQ(with(all), free) << all[0];
  EXPECT_NE(with({"--typical", "0.1"}), free);
}

TEST_F(GenerateCommand, PenaltiesChangeWhatRepeats) {
  const std::string plain = text({}, "25");
  for (const Arguments& penalty :
       {Arguments{"--repeat-penalty", "50"}, {"--frequency-penalty", "50"}, {"--presence-penalty", "50"}}) {
    const std::string penalized = text(penalty, "25");
    EXPECT_NE(penalized, plain) << penalty[0];
    EXPECT_EQ(text({penalty[0], penalty[1], "--repeat-last-n", "0"}, "25"), plain) << penalty[0];
  }
}

TEST_F(GenerateCommand, EveryWayOfRunningGivesTheSameText) {
  const std::string greedy = text({"--threads", "1"});
  for (const Arguments& way : {Arguments{"--threads", "3"}, {"--exact"}, {"--no-repack"}, {"--ctx", "32"}})
    EXPECT_EQ(text(way), greedy) << way[0];
}

TEST_F(GenerateCommand, ParsesSpecialTokensOnRequest) {
  const auto tokens = [&](const Arguments& more) {
    Arguments all = {"generate", bpe, "-p", "the<|endoftext|>", "-n", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return run_plumb(all).err;
  };
  EXPECT_NE(tokens({"--parse-special"}).find("prompt 2 tokens"), std::string::npos);
  EXPECT_EQ(tokens({}).find("prompt 2 tokens"), std::string::npos);
}

TEST_F(GenerateCommand, ReadsThePromptFromAFile) {
  const std::string want = run_plumb({"generate", spm, "-p", "the there", "-n", "12", "--ignore-eos"}).out;
  const std::string file = dir.file("prompt.txt", "the there").native();
  EXPECT_EQ(run_plumb({"generate", spm, "--file", file, "-n", "12", "--ignore-eos"}).out, want);
  EXPECT_EQ(run_plumb({"generate", spm, "-f", file, "-n", "12", "--ignore-eos"}).out, want);
  EXPECT_NE(run_plumb({"generate", bpe, "-f", "-"}).err.find("prompt"), std::string::npos) << "stdin is empty";
  EXPECT_EQ(run_plumb({"generate", spm, "-f", (dir / "absent").native()}).exit_code, 1);
}

/// A stop text may begin and end anywhere, tokens notwithstanding.
TEST_F(GenerateCommand, EndsBeforeAStopText) {
  const std::string all = text({}, "25");
  for (std::size_t first = 0; first + 3 < all.size(); ++first) {
    const std::string stop = all.substr(first, 3);
    if (std::any_of(stop.begin(), stop.end(), [](char c) { return c < ' ' || c > '~'; })) continue;
    const auto result = run({"--stop", stop, "--stop", "nowhere to be seen"}, "25");
    EXPECT_EQ(result.out, all.substr(0, all.find(stop))) << stop;
    EXPECT_NE(result.err.find("stopped: stop text"), std::string::npos) << result.err;
  }
  EXPECT_EQ(text({"--stop", "nowhere to be seen"}, "25"), all);
  EXPECT_EQ(run_plumb({"generate", spm, "-p", "x", "--stop", ""}).exit_code, 2);
}

TEST_F(GenerateCommand, PrintsOneJsonObject) {
  const nlohmann::json json = nlohmann::json::parse(text({"--json", "--ctx", "20"}));
  EXPECT_EQ(json.at("text"), text({}));
  EXPECT_EQ(json.at("tokens").size(), 12u);
  EXPECT_EQ(json.at("stop"), "max_tokens");
  EXPECT_EQ(json.at("prompt_tokens"), 4);
  EXPECT_EQ(json.at("context"), 20);
  for (const char* time : {"prefill_seconds", "decode_seconds", "prefill_tokens_per_second"})
    EXPECT_GT(json.at(time), 0) << time;
  EXPECT_EQ(nlohmann::json::parse(text({"--json", "--stop", text({}).substr(2, 4)})).at("stop"), "stop_text");
}

TEST_F(GenerateCommand, ShiftsAFullContextOnRequest) {
  EXPECT_NE(run({"--ctx", "10"}, "30").err.find("stopped: context full"), std::string::npos);
  const auto result = run({"--ctx", "10", "--context-full", "shift", "--keep", "2"}, "30");
  EXPECT_NE(result.err.find("30 new tokens"), std::string::npos) << result.err;
  const std::string first = text({"--ctx", "10"}, "30");
  EXPECT_EQ(result.out.substr(0, first.size()), first);
}

/// Of coreutils: ends what it runs by a signal after some seconds.
TEST_F(GenerateCommand, EndsCleanlyWhenInterrupted) {
  const Arguments endless = {"generate", spm, "-p", "the", "-n", "-1", "--ignore-eos", "--context-full", "shift"};
  const std::string interrupt = "timeout --preserve-status -s INT 1 ";
  const auto result = run_plumb(endless, interrupt);
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.out.substr(0, 3), "the");
  EXPECT_EQ(result.out.back(), '\n');
  EXPECT_NE(result.err.find("stopped: interrupted"), std::string::npos) << result.err;
  Arguments as_json = endless;
  as_json.push_back("--json");
  EXPECT_EQ(nlohmann::json::parse(run_plumb(as_json, interrupt).out).at("stop"), "cancelled");
}

TEST_F(GenerateCommand, IgnoresAnInterruptInTheBackground) {
  const Arguments endless = {"generate", spm, "-p", "the", "-n", "-1", "--ignore-eos", "--context-full", "shift"};
  // Shells without job control start what they do not wait for so that it ignores SIGINT. What nobody ignores ends it.
  const std::string background = R"(sh -c '"$@" & sleep 0.5; kill -INT $!; sleep 0.5; kill -KILL $!; wait $!' sh )";
  EXPECT_EQ(run_plumb(endless, background).exit_code, 128 + 9);
}

TEST_F(GenerateCommand, BadInputExitsWith1AndOneLine) {
  const std::string broken = dir.file("broken.gguf", test::tiny_llama().bytes().substr(0, 500)).native();
  test::GgufBuilder other = test::tiny_llama();
  other.set_string("general.architecture", "frankenllama");
  const std::string unknown = dir.file("unknown.gguf", other.bytes()).native();
  const std::pair<Arguments, const char*> cases[] = {
      {{"generate", (dir / "absent").native(), "-p", "x"}, "absent"},
      {{"generate", broken, "-p", "x"}, "broken.gguf"},
      {{"generate", unknown, "-p", "x"}, "'frankenllama'"},
      {{"generate", bpe, "-p", ""}, "prompt"},
      {{"generate", spm, "-p", std::string(100, 'x')}, "32"},
      {{"generate", spm, "-p", "xxxxxxxxxx", "--ctx", "5"}, "context"},
      {{"generate", spm, "-p", "x", "--ctx", "1073741824"}, "the model remembers of 1073741824 positions"}};
  for (const auto& [arguments, mention] : cases) {
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 1) << mention;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(mention), std::string::npos) << result.err;
  }
}

TEST_F(GenerateCommand, BadUsageExitsWith2) {
  for (const Arguments& arguments : {Arguments{"generate"},
                                     {"generate", spm},
                                     {"generate", spm, "-p", "x", "--nonsense"},
                                     {"generate", spm, "-p", "x", "--file", spm},
                                     {"generate", spm, "-p", "x", "--context-full", "panic"},
                                     {"generate", spm, "-p", "x", "--keep", "-2"},
                                     {"generate", spm, "-p", "x", "-n", "-5"},
                                     {"generate", spm, "-p", "x", "-n", "many"},
                                     {"generate", spm, "-p", "x", "--threads", "0"},
                                     {"generate", spm, "-p", "x", "--kv", "f8"},
                                     {"generate", spm, "-p", "x", "--temp", "hot"},
                                     {"generat", spm, "-p", "x"}}) {
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_FALSE(result.err.empty());
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(run_plumb({"generate", "--help"}).exit_code, 0);
  const auto refused = run_plumb({"generate", spm, "-p", "x", "--kv", "q4_0"});
  for (const char* name : {"q4_0", "f32", "f16", "int8", "q8_0"})
    EXPECT_NE(refused.err.find(name), std::string::npos) << refused.err;
}

TEST(GenerateFixtures, GreedyTextIsTheRecordedOne) {
  PLUMB_REQUIRE_FIXTURES();
  const auto stories = test::fixtures_dir() / "stories";
  const std::string recorded = test::read_file(stories / "greedy-200.txt"), prompt = "Once upon a time";
  const Arguments base = {"generate", (stories / "stories260K-f32.gguf").native(), "-p", prompt, "--temp", "0", "-n"};
  const auto text = [&](const Arguments& more) {
    Arguments all = base;
    all.insert(all.end(), more.begin(), more.end());
    const auto result = run_plumb(all);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(text({"200", "--special"}), recorded);
  EXPECT_EQ("<s> " + text({"200"}), recorded);
  EXPECT_EQ("<s> " + prompt + text({"200", "--no-echo"}), recorded);
  const std::string shorter = "<s> " + text({"195"});
  EXPECT_LT(shorter.size(), recorded.size());
  EXPECT_EQ(shorter, recorded.substr(0, shorter.size()));
}

TEST(GenerateFixtures, QuantizedFilesSpeak) {
  PLUMB_REQUIRE_FIXTURES();
  const auto stories = test::fixtures_dir() / "stories";
  for (const std::string type : {"F16", "Q8_0", "Q4_0"}) {
    const auto result = run_plumb({"generate", (stories / ("stories260K-" + type + ".gguf")).native(), "-p",
                                   "Once upon a time", "-n", "60", "--temp", "0"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out.rfind("Once upon a time, there was a ", 0), 0u) << type << ": " << result.out;
  }
}

}  // namespace
}  // namespace plumb::generate_test
