/// plumb inspect: shows everything, and nothing that a file could use against a terminal.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"
#include "tests/support/split_files.hpp"

namespace plumb::inspect_test {
namespace {

using test::run_plumb;
using test::TempDir;

const std::vector<std::string> kFormats = {"text", "json", "csv", "md"};

/// A file whose keys, strings and tensor names carry terminal sequences, line breaks, direction marks and bad UTF-8.
test::GgufBuilder nasty_file() {
  test::GgufBuilder file = test::tiny_llama(false);
  file.set_string("general.name",
                  "\x1b]0;owned\x07\x1b[2J\r\n| \"a\", b\x9b"
                  "31m");
  file.set_string("evil\x1b[31m.key", std::string("nul\0bell\a", 9));
  file.set_string("general.author",
                  "\u202egnp.exe\u2066 \u0085 \u200b \ufeff \xff\xfe \xc0\x80 \xed\xa0\x80 caf\u00e9");
  const std::vector<std::string> list = {"\x1b[1m", "\x7f", "ok"};
  file.set_strings("evil.list", list);
  file.tensor("output_norm.weight").name = "out\x1b[5m|\n.weight";
  return file;
}

bool is_clean(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n') || byte == 0x7f;
  });
}

TEST(Inspect, NeverPrintsControlBytesOrInvalidUtf8) {
  TempDir dir;
  const auto path = dir.file("nasty.gguf", nasty_file().bytes());
  for (const std::string& format : kFormats) {
    const auto result = run_plumb({"inspect", path.native(), "--format", format});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(is_clean(result.out)) << format;
    EXPECT_NO_THROW((void)nlohmann::json(result.out).dump()) << format << ": invalid UTF-8";  // dump() checks it
    for (const char* mark : {"\u202e", "\u2066", "\u0085", "\u200b", "\ufeff"})
      EXPECT_EQ(result.out.find(mark), std::string::npos) << format;
    EXPECT_NE(result.out.find("gnp.exe"), std::string::npos) << format;
  }
  const auto text = run_plumb({"inspect", path.native()});
  EXPECT_NE(text.out.find("\\x1b]0;owned\\x07"), std::string::npos);
  EXPECT_NE(text.out.find("caf\u00e9"), std::string::npos) << "harmless text stays as it is";
}

TEST(Inspect, ErrorLinesAreCleanToo) {
  TempDir dir;
  test::GgufBuilder file = nasty_file();
  file.tensor("out\x1b[5m|\n.weight").type = 999;
  const auto result = run_plumb({"inspect", dir.file("bad\x1b[2J.gguf", file.bytes()).native()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(is_clean(result.err)) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << "one line";
  EXPECT_NE(result.err.find("999"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(Inspect, ExitCodesAre0And1And2) {
  TempDir dir;
  const auto good = dir.file("good.gguf", test::tiny_llama().bytes()).native();
  EXPECT_EQ(run_plumb({"inspect", good}).exit_code, 0);
  EXPECT_EQ(run_plumb({"inspect", dir.file("empty.gguf", "").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"inspect", (dir / "absent.gguf").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"inspect", dir.path().native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"inspect"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"inspect", good, "--format", "xml"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"inspect", good, "--nonsense"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"inspect", "--help"}).exit_code, 0);
}

TEST(Inspect, JsonHoldsEveryKeyAndTensor) {
  TempDir dir;
  test::GgufBuilder file = test::tiny_llama();
  file.set("big", test::value_type::u64, test::encoded(~std::uint64_t{0}));
  file.set_f32("nan", std::numeric_limits<float>::quiet_NaN());
  const auto result =
      run_plumb({"inspect", dir.file("a.gguf", file.bytes()).native(), "--format", "json", "--elements", "3"});
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["metadata"].size(), file.pairs.size());
  ASSERT_EQ(json["tensors"].size(), file.tensors.size());
  EXPECT_EQ(json["metadata"]["llama.block_count"]["value"], 2);
  EXPECT_EQ(json["metadata"]["big"]["value"], ~std::uint64_t{0});
  EXPECT_EQ(json["metadata"]["nan"]["value"], "nan");
  EXPECT_EQ(json["metadata"]["tokenizer.ggml.tokens"]["first"], nlohmann::json({"<unk>", "<s>", "</s>"}));
  EXPECT_EQ(json["metadata"]["tokenizer.ggml.tokens"]["length"], 272);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    EXPECT_EQ(json["tensors"][i]["name"], file.tensors[i].name);
    EXPECT_EQ(json["tensors"][i]["bytes"], file.tensors[i].data.size());
    bytes += file.tensors[i].data.size();
  }
  EXPECT_EQ(json["totals"]["F32"]["bytes"], bytes);
  EXPECT_EQ(json["tensors"][0]["shape"], nlohmann::json({272, 8})) << "outermost first";
}

TEST(Inspect, CsvRowsAllHaveTheSameNumberOfCells) {
  TempDir dir;
  const auto result = run_plumb({"inspect", dir.file("nasty.gguf", nasty_file().bytes()).native(), "--format", "csv"});
  std::size_t cells = 1, rows = 0;
  bool in_quotes = false;
  for (const char c : result.out) {
    if (c == '"') in_quotes = !in_quotes;
    if (c == ',' && !in_quotes) ++cells;
    if (c == '\n' && !in_quotes) {
      EXPECT_EQ(cells, 6u) << "row " << rows;
      cells = 1;
      ++rows;
    }
  }
  const test::GgufBuilder file = nasty_file();
  EXPECT_EQ(rows, 1 + file.pairs.size() + file.tensors.size() + 1);
}

TEST(Inspect, ShowsAllPartsOfASplitModel) {
  const TempDir dir;
  const test::GgufBuilder model = test::tiny_llama();
  const auto first = test::write_parts(dir, test::split(model, 3));
  const auto result = run_plumb({"inspect", first.native(), "--format", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["files"].size(), 3u);
  ASSERT_EQ(json["tensors"].size(), model.tensors.size());
  EXPECT_EQ(json["tensors"].front()["part"], 1);
  EXPECT_EQ(json["tensors"].back()["part"], 3);
  const auto later = run_plumb({"inspect", (dir / test::part_name(1, 3)).native()});
  EXPECT_NE(later.exit_code, 0);
  EXPECT_NE(later.err.find(first.native()), std::string::npos) << later.err;
}

TEST(Inspect, ShowsEveryFixture) {
  PLUMB_REQUIRE_FIXTURES();
  for (const char* folder : {"arch-dev", "vocab"})
    for (const auto& entry : std::filesystem::directory_iterator(test::fixtures_dir() / folder)) {
      if (entry.path().extension() != ".gguf") continue;
      const auto result = run_plumb({"inspect", entry.path().native()});
      EXPECT_EQ(result.exit_code, 0) << result.err;
      EXPECT_NE(result.out.find("general.architecture"), std::string::npos);
    }
}

}  // namespace
}  // namespace plumb::inspect_test
