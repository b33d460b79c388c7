/// plumb tokenize: ids, pieces, text; escapes; exit codes.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::tokenize_test {
namespace {

using test::run_plumb;
using test::TempDir;

class TokenizeCommand : public testing::Test {
 protected:
  TempDir dir;
  const std::string spm = dir.file("spm.gguf", test::tiny_llama().bytes()).native();
  const std::string bpe = dir.file("bpe.gguf", test::tiny_llama_bpe().bytes()).native();
};

// In the vocabulary of tiny_llama(): 1 <s>, 2 </s>, 3 + b the byte b, 259 "▁t", 260 "he", 261 "▁the", 262 "re", 263
// "▁".

TEST_F(TokenizeCommand, PrintsIdsAlone) {
  const auto result = run_plumb({"tokenize", spm, "the there", "--ids"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "261 261 262\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(run_plumb({"tokenize", bpe, "the the", "--ids"}).out, "258 259\n");
  EXPECT_EQ(run_plumb({"tokenize", spm, "", "--ids"}).out, "\n") << "no tokens";
}

TEST_F(TokenizeCommand, TakesAnyTextAfterTwoDashes) {
  EXPECT_EQ(run_plumb({"tokenize", spm, "--ids", "--", "-t"}).out, "263 48 264\n");
  EXPECT_EQ(run_plumb({"tokenize", "--ids", "--", spm, "--ids"}).exit_code, 0);
  EXPECT_EQ(run_plumb({"tokenize", spm, "inspect", "--ids"}).exit_code, 0) << "the name of a command is a text too";
}

TEST_F(TokenizeCommand, AddsAndParsesSpecialTokensOnRequest) {
  EXPECT_EQ(run_plumb({"tokenize", spm, "the", "--ids", "--add-special"}).out, "1 261\n");
  EXPECT_EQ(run_plumb({"tokenize", spm, "</s>", "--ids", "--parse-special"}).out, "2\n");
  EXPECT_EQ(run_plumb({"tokenize", spm, "<s>the", "--ids", "--parse-special", "--add-special"}).out, "1 1 261\n");
  EXPECT_EQ(run_plumb({"tokenize", bpe, "<|endoftext|>", "--ids", "--parse-special"}).out, "260\n");
  EXPECT_NE(run_plumb({"tokenize", bpe, "<|endoftext|>", "--ids"}).out, "260\n");
}

TEST_F(TokenizeCommand, ListsPiecesWithControlBytesEscaped) {
  const auto result = run_plumb({"tokenize", spm, "the\x1b[2J\n\xff"});
  EXPECT_EQ(result.out,
            "    261  ' the'\n     30  '\\x1b'\n     94  '['\n     53  '2'\n     77  'J'\n     13  '\\n'\n    258  "
            "'\\xff'\n");
}

TEST_F(TokenizeCommand, DecodesIds) {
  EXPECT_EQ(run_plumb({"tokenize", spm, "--decode", "261 261 262"}).out, "the there\n");
  EXPECT_EQ(run_plumb({"tokenize", spm, "--decode", "1,261,2"}).out, "<s> the</s>\n");
  EXPECT_EQ(run_plumb({"tokenize", bpe, "--decode", "258 259"}).out, "the the\n");
}

TEST_F(TokenizeCommand, ReadsFiles) {
  const std::string text = dir.file("text", std::string("the\0 the\n", 9)).native();
  EXPECT_EQ(run_plumb({"tokenize", spm, "--file", text, "--ids"}).out, "261 3 261 13\n");
  EXPECT_EQ(run_plumb({"tokenize", spm, "--file", "-", "--ids"}).out, "\n") << "standard input is empty here";
}

TEST_F(TokenizeCommand, AnswersEachLineOfAFile) {
  const std::string texts = dir.file("texts.jsonl",
                                     "{\"text\":\"the there\"}\n{\"text\":\"</s>\"}\n{\"text\":1}\n\n[]\n"
                                     "{\"text\":\"\\u00e9\",\"more\":null}\n")
                                .native();
  const auto plain = run_plumb({"tokenize", spm, "--jsonl", texts});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  std::vector<std::string> lines;
  std::istringstream out(plain.out);
  for (std::string line; std::getline(out, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 6u) << plain.out;
  EXPECT_EQ(lines[0], "{\"ids\":[261,261,262]}");
  EXPECT_NE(lines[1], "{\"ids\":[2]}");
  for (const std::size_t bad : {2u, 3u, 4u}) EXPECT_EQ(lines[bad].substr(0, 10), "{\"error\":\"");
  EXPECT_EQ(lines[5], "{\"ids\":[263,198,172]}");
  const std::string special = run_plumb({"tokenize", spm, "--jsonl", texts, "--add-special", "--parse-special"}).out;
  EXPECT_TRUE(special.starts_with("{\"ids\":[1,261,261,262]}\n{\"ids\":[1,2]}\n{")) << special;
  const std::string ids = dir.file("ids.jsonl", "{\"ids\":[1,261,2]}\n{\"ids\":[]}\n{\"ids\":[9999]}\n").native();
  const std::string decoded = run_plumb({"tokenize", spm, "--jsonl", ids, "--decode"}).out;
  EXPECT_TRUE(decoded.starts_with("{\"text\":\"<s> the</s>\"}\n{\"text\":\"\"}\n{\"error\"")) << decoded;
  const std::string skipped = run_plumb({"tokenize", spm, "--jsonl", ids, "--decode", "--skip-special"}).out;
  EXPECT_TRUE(skipped.starts_with("{\"text\":\"the\"}\n")) << skipped;
}

TEST_F(TokenizeCommand, TakesATokenizerJson) {
  const std::string file =
      dir.file("tokenizer.json",
               R"({"added_tokens":[{"id":3,"content":"<x>","special":true}],"normalizer":null,"pre_tokenizer":null,
                   "post_processor":null,"decoder":{"type":"Fuse"},
                   "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})")
          .native();
  EXPECT_EQ(run_plumb({"tokenize", file, "abb<x>", "--ids"}).out, "2 1\n");
  EXPECT_EQ(run_plumb({"tokenize", dir.path().native(), "abb<x>", "--ids", "--parse-special"}).out, "2 1 3\n");
  EXPECT_EQ(run_plumb({"tokenize", file, "--decode", "2 1 3 4"}).out, "abb<x>\n");
}

TEST_F(TokenizeCommand, ExitCodesAre0And1And2) {
  const auto code = [](const std::vector<std::string>& arguments) { return run_plumb(arguments).exit_code; };
  EXPECT_EQ(code({"tokenize", "--help"}), 0);
  EXPECT_EQ(code({"tokenize", spm, "x", "--threads", "2"}), 0);
  for (const auto& bad : std::vector<std::vector<std::string>>{{"tokenize", (dir / "absent").native(), "x"},
                                                               {"tokenize", spm, "--file", (dir / "absent").native()},
                                                               {"tokenize", spm, "--file", dir.path().native()},
                                                               {"tokenize", spm, "--decode", "272"},
                                                               {"tokenize", spm, "--decode", "-1"}}) {
    const auto result = run_plumb(bad);
    EXPECT_EQ(result.exit_code, 1) << bad.back();
    EXPECT_EQ(result.out, "") << bad.back();
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  for (const char* ids : {"1 x", "99999999999"}) EXPECT_EQ(code({"tokenize", spm, "--decode", ids}), 2) << ids;
  EXPECT_EQ(code({"tokenize"}), 2);
  EXPECT_EQ(code({"tokenize", spm}), 2);
  EXPECT_EQ(code({"tokenize", spm, "x", "--decode", "1"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "x", "--file", "y"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "--decode", "1", "--ids"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "x", "--nonsense"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "x", "--jsonl", "y"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "--jsonl", "y", "--decode", "1"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "--decode"}), 2);
  EXPECT_EQ(code({"tokenize", spm, "--jsonl", (dir / "absent").native()}), 1);
}

TEST_F(TokenizeCommand, NamesAnUnknownPretokenizer) {
  test::GgufBuilder file = test::tiny_llama_bpe();
  file.set_string("tokenizer.ggml.pre", "gpt-17\x1b[2J");
  const auto result = run_plumb({"tokenize", dir.file("odd.gguf", file.bytes()).native(), "x"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("'gpt-17\\x1b[2J'"), std::string::npos) << result.err;
}

TEST(TokenizeFixtures, ReproduceTheRecordedTokens) {
  PLUMB_REQUIRE_FIXTURES();
  const auto stories = test::fixtures_dir() / "stories";
  const auto result = run_plumb({"tokenize", (stories / "stories260K-f32.gguf").native(), "--file",
                                 (stories / "text.txt").native(), "--ids", "--add-special", "--parse-special"});
  std::istringstream ids(result.out);
  std::vector<std::int32_t> got{std::istream_iterator<std::int32_t>(ids), {}};
  const std::vector<std::int32_t> want = test::read_tokens(stories / "ppl.tokens");
  ASSERT_GE(got.size(), want.size());
  got.resize(want.size());
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace plumb::tokenize_test
