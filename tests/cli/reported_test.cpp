/// What users reported of commands: values that are refused late or taken for others, names with commas, tables that
/// cannot be read back, streams that are closed, threads that do not run.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/llama2c_files.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::reported_test {
namespace {

using test::run_plumb;
using test::TempDir;
using Arguments = std::vector<std::string>;

/// A model that was loaded first would be missed first, with exit code 1.
TEST(BadValues, AreUsageAndToldBeforeAModelIsLoaded) {
  const Arguments none = {"absent.gguf"}, generate = {"generate", "absent.gguf", "-p", "x"};
  struct Case {
    Arguments command;
    std::vector<Arguments> bad;
  };
  const std::vector<Arguments> sampling = {{"--temp", "-1"},
                                           {"--temp", "nan"},
                                           {"--temp", ""},
                                           {"--temp", "1e99"},
                                           {"--top-k", "-1"},
                                           {"--top-p", "2"},
                                           {"--min-p", "-1"},
                                           {"--typical", "1.1"},
                                           {"--repeat-penalty", "0"},
                                           {"--repeat-last-n", "-2"},
                                           {"-s", "-1"},
                                           {"-s", "18446744073709551616"},
                                           {"-s", ""},
                                           {"-s", "0x10"},
                                           {"-s", "1.5"},
                                           {"-n", "99999999999"},
                                           {"-n", ""},
                                           {"--frequency-penalty", "inf"}};
  const Case cases[] = {
      {generate, sampling},
      {{"chat", "absent.gguf"}, sampling},
      {generate, {{"--stop", ""}, {"--type", "q9"}, {"--kv", "q9"}, {"--threads", "4097"}, {"--ctx", "0"}}},
      {{"logits", "absent.gguf", "--out", "o"}, {{"--tokens", "1 x"}, {"--tokens", "99999999999"}}},
      {{"embed", "absent.gguf"}, {{"--tokens", "1 x"}, {"--text", "x", "--batch-size", "0"}}},
      {{"perplexity", "absent.gguf", "--text", "-"}, {{"--ctx", "2"}, {"--stride", "0"}, {"--type", "q9"}}},
      {{"quantize", "absent.gguf", "o.gguf"},
       {{"--type", "q9"}, {"--type", "int4g64"}, {"--type", "*=q9"}, {"--method", "gptq"}, {"--threads", "-1"}}},
      {{"convert", "absent", "o.gguf"}, {{"--type", "q9"}, {"--threads", "99999999999"}}},
      {{"synth", "absent.json", "o.gguf"}, {{"--type", "q9"}, {"--seed", "-1"}}},
      {{"report-card", "absent.gguf", "--text", "-"}, {{"--types", "q4_0,q9"}, {"--methods", "magic"}}},
      {{"bench", "-m", "absent.gguf"},
       {{"-pg", "99999999999,1"}, {"-pg", "5"}, {"-pg", "0,0"}, {"-t", "-1"}, {"-p", "1x"}, {"--type", "q9"}}},
      {{"compare", "llama-3.2-1b"},
       {{"qwen3-0.6b:", "gpt2"},
        {"qwen3-0.6b:q9", "gpt2"},
        {"--ctx", "0"},
        {"--prompt", "5000", "--ctx", "4k"},
        {"--users", "0"}}},
      {{"decide"},
       {{"--latency", "50"},
        {"--latency", "-5ms"},
        {"--memory", "6"},
        {"--ttft", "2"},
        {"--context", "0"},
        {"--ctx", "8x"},
        {"--ctx", "1.3"},
        {"--users", "0"},
        {"--prompt", "5000", "--context", "4k"},
        {"--type", "q9"}}},
      {{"predict"}, {{}}},
      {{"predict", "absent.gguf"}, {{"--ctx", "0"}, {"--prompt", "-1"}, {"--threads", "0"}, {"--type", "q9"}}},
      {{"explain", "absent.gguf"}, {{"--depth", "-1"}, {"--sequences", "0"}, {"--type", "q9"}}},
      {{"measure"}, {{"--sweep", "nothing"}, {"--from", "x"}, {"--type", "q9"}, {"absent.gguf", "--sweep", "depth"}}},
      {{"machine"}, {{"--threads", "0"}, {"--threads", "1,x"}}},
      {{"tokenize", "absent.gguf"}, {{"--decode", "x"}}}};
  for (const auto& [command, all] : cases)
    for (const Arguments& bad : all) {
      Arguments arguments = command;
      arguments.insert(arguments.end(), bad.begin(), bad.end());
      const auto result = run_plumb(arguments);
      EXPECT_EQ(result.exit_code, 2) << command[0] << " " << (bad.empty() ? "" : bad[0] + " " + bad[1]) << result.err;
      EXPECT_EQ(result.out, "");
      EXPECT_LT(result.err.size(), 900u) << result.err;
    }
  const std::string units = run_plumb({"decide", "--latency", "50"}).err + run_plumb({"decide", "--memory", "6"}).err;
  EXPECT_NE(units.find("ms, s, min"), std::string::npos) << units;
  EXPECT_NE(units.find("kib, mib, gib"), std::string::npos) << units;
}

class Reported : public testing::Test {
 protected:
  /// `plumb generate MODEL -p the -n 2 MORE...`
  test::CommandResult generate(const Arguments& more, const std::string& behind = "") const {
    Arguments all = {"generate", model, "-p", "the", "-n", "2"};
    all.insert(all.end(), more.begin(), more.end());
    return run_plumb(all, behind);
  }

  TempDir dir;
  const std::string model = dir.file("m.gguf", test::tiny_llama().bytes()).native();
};

TEST_F(Reported, NumbersAreDecimal) {
  EXPECT_EQ(generate({"--temp", "2", "-s", "010"}).out, generate({"--temp", "2", "-s", "+10"}).out);
  EXPECT_EQ(generate({"-s", "18446744073709551615"}).exit_code, 0);
}

TEST_F(Reported, MessagesThatNobodyReadsAreNoFailure) {
  const std::string want = generate({}).out, out = (dir / "o.f32").native();
  ASSERT_EQ(run_plumb({"logits", model, "--tokens", "1 5", "--out", out}).exit_code, 0);
  const std::string logits = test::read_file(out);
  for (const std::string stderr_to : {"&-", "/dev/full"}) {
    const std::string behind = "sh -c 'exec \"$@\" 2>" + stderr_to + "' sh ";
    const auto text = generate({}, behind);
    EXPECT_EQ(text.exit_code, 0) << stderr_to;
    EXPECT_EQ(text.out, want);
    EXPECT_EQ(run_plumb({"logits", model, "--tokens", "1 5", "--out", out}, behind).exit_code, 0) << stderr_to;
    EXPECT_EQ(test::read_file(out), logits) << "nothing said is written into a file that was opened";
  }
  EXPECT_EQ(generate({}, "sh -c 'exec \"$@\" >&-' sh ").exit_code, 1) << "text that nobody reads is";
  EXPECT_EQ(generate({}, "sh -c 'exec \"$@\" >/dev/full' sh ").exit_code, 1);
}

TEST_F(Reported, ThreadsThatAreNamedAreThoseThatRun) {
  const std::string limit = "env OMP_THREAD_LIMIT=1 ";
  EXPECT_NE(generate({"-t", "4"}, limit).err.find(", 1 thread\n"), std::string::npos);
  EXPECT_NE(generate({"-t", "3"}).err.find(", 3 threads\n"), std::string::npos);
  EXPECT_NE(generate({}, "env OMP_NUM_THREADS=3 ").err.find(", 3 threads\n"), std::string::npos);
  const auto bench =
      run_plumb({"bench", "-m", model, "-t", "4", "-p", "4", "-n", "0", "-r", "1", "-o", "jsonl"}, limit);
  EXPECT_NE(bench.out.find("\"n_threads\":1,"), std::string::npos) << bench.out;
}

/// The fields of one line of RFC 4180.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[i++];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      fields.emplace_back();
    else
      fields.back() += line[i];
  }
  return fields;
}

TEST_F(Reported, NamesDoNotBreakTables) {
  test::GgufBuilder file = test::tiny_llama();
  file.set_string("general.name", "Llama \"3\", 8B\nInstruct|x");
  const std::string odd = dir.file("a,b.gguf", file.bytes()).native();
  const auto bench = [&](const char* format) {
    const auto result = run_plumb({"bench", "-m", odd + "," + model, "-p", "4", "-n", "0", "-r", "1", "-o", format});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const std::string csv = bench("csv");
  ASSERT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3) << csv;
  const std::size_t first = csv.find('\n') + 1;
  const auto titles = fields_of(csv.substr(0, first - 1));
  const auto cells = fields_of(csv.substr(first, csv.find('\n', first) - first));
  ASSERT_EQ(cells.size(), titles.size()) << csv;
  const auto type = std::find(titles.begin(), titles.end(), "model_type") - titles.begin();
  EXPECT_EQ(cells.at(static_cast<std::size_t>(type)), "Llama \"3\", 8B\\nInstruct|x");
  const std::string md = bench("md");
  EXPECT_NE(md.find("Llama \"3\", 8B\\nInstruct\\|x"), std::string::npos) << md;
}

/// A vocabulary beside a checkpoint may be that of another, which matters to those who read text.
TEST(Llama2cCheckpoints, VocabulariesAreReadWhereTheyAreNeededAndMayBeNamed) {
  const TempDir dir;
  const std::string model = dir.file("model.bin", test::small_checkpoint()).native();
  const auto code = [](const Arguments& arguments) { return run_plumb(arguments).exit_code; };
  const Arguments generate = {"generate", model, "-p", "a", "-n", "2"};
  const auto none = run_plumb(generate);
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("tokenizer.bin"), std::string::npos) << none.err;
  dir.file("tokenizer.bin", test::pieces_file(20));
  EXPECT_EQ(code(generate), 1);
  EXPECT_EQ(code({"bench", "-m", model, "-p", "4", "-n", "0", "-r", "1"}), 0);
  EXPECT_EQ(code({"measure", model, "-p", "4", "-n", "0", "-r", "1"}), 0);
  EXPECT_EQ(code({"logits", model, "--tokens", "1 2 3", "--out", (dir / "l").native()}), 0);
  EXPECT_EQ(code({"embed", model, "--tokens", "1 2 3"}), 0);
  const std::string right = dir.file("right.bin", test::pieces_file(16)).native(), out = (dir / "out.gguf").native();
  const std::string text = dir.file("text", "abcdefghijklmabcdefghijklm").native();
  for (Arguments arguments : {generate,
                              {"logits", model, "--text", "ab", "--out", out},
                              {"perplexity", model, "--text", text},
                              {"quantize", model, out, "--type", "f16"}}) {
    arguments.insert(arguments.end(), {"--tokenizer", right});
    const auto result = run_plumb(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments[0] << result.err;
  }
  if (!test::have_fixtures()) return;
  EXPECT_EQ(code({"predict", model, "--machine",
                  (test::fixtures_dir() / "machines" / "emerald-rapids" / "profile.json").native()}),
            0);
}

TEST(ReportedFixtures, ASplitModelIsOne) {
  PLUMB_REQUIRE_FIXTURES();
  const TempDir dir;
  const auto stories = test::fixtures_dir() / "stories" / "stories260K-f32.gguf";
  const auto split = test::fixtures_dir() / "reported" / "split";
  const auto text = [](const std::filesystem::path& model) {
    const auto result = run_plumb({"generate", model.native(), "-p", "Once upon a time", "-n", "20"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(text(split / "m-00001-of-00002.gguf"), text(stories));
  for (const auto& in : {split / "m-00001-of-00002.gguf", stories})
    ASSERT_EQ(run_plumb({"quantize", in.native(), (dir / in.filename().native()).native(), "--type", "q8_0", "--quiet"})
                  .exit_code,
              0);
  EXPECT_EQ(text(dir / "m-00001-of-00002.gguf"), text(dir / stories.filename().native()));
  const auto second = run_plumb({"generate", (split / "m-00002-of-00002.gguf").native(), "-p", "x"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find("part 2 of 2"), std::string::npos) << second.err;
  std::filesystem::copy_file(split / "m-00001-of-00002.gguf", dir / "lone-00001-of-00002.gguf");
  const auto lone = run_plumb({"generate", (dir / "lone-00001-of-00002.gguf").native(), "-p", "x"});
  EXPECT_EQ(lone.exit_code, 1);
  EXPECT_NE(lone.err.find("lone-00002-of-00002.gguf"), std::string::npos) << lone.err;
}

TEST(ReportedFixtures, ForecastsFitTheModelAndNameTheThreadsTheyKnow) {
  PLUMB_REQUIRE_FIXTURES();
  const std::string machine = (test::fixtures_dir() / "machines" / "emerald-rapids" / "profile.json").native();
  const std::string small = (test::fixtures_dir() / "arch-dev" / "llama-gqa.gguf").native();
  const auto cut = run_plumb({"predict", small, "--machine", machine});
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  EXPECT_NE(cut.out.find("after 256 prompt tokens"), std::string::npos) << cut.out;
  EXPECT_EQ(cut.err, "");
  EXPECT_EQ(run_plumb({"predict", small, "--machine", machine, "--prompt", "512"}).exit_code, 1);
  const auto more = run_plumb({"predict", small, "--machine", machine, "--threads", "4"});
  EXPECT_NE(more.err.find("4 threads, but the profile knows no more than 2"), std::string::npos) << more.err;
}

TEST(ReportedFixtures, FilesThatAreNoModels) {
  PLUMB_REQUIRE_FIXTURES();
  const std::pair<const char*, const char*> cases[] = {
      {"ggjt", "before GGUF"}, {"lfs", "Git LFS"}, {"torch", "PyTorch"}};
  for (const auto& [name, mention] : cases) {
    const auto path = test::fixtures_dir() / "reported" / "bin-that-is-no-llama2c" / (std::string(name) + ".bin");
    const auto result = run_plumb({"generate", path.native(), "-p", "x"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.err.find(mention), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace plumb::reported_test
