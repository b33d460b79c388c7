/// plumb convert: a folder as a file gives the same logits, tokens and chat template, and another type where asked.

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "plumb/io/open_model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/run_command.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::convert_test {
namespace {

using nlohmann::json;
using test::run_plumb;
using test::TempDir;

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ConvertCommand, TheFileSaysWhatTheFolderSays) {
  PLUMB_REQUIRE_FIXTURES();
  for (const std::string name : {"llama", "gemma3_text", "qwen3"}) {
    const TempDir dir;
    const std::string folder = (test::fixtures_dir() / "hf-dev" / name).native(), file = dir / "out.gguf";
    const auto converted = run_plumb({"convert", folder, file, "--type", "f32", "--quiet"});
    ASSERT_EQ(converted.exit_code, 0) << converted.err;
    EXPECT_EQ(converted.err, "") << name;

    const std::string texts = folder + ".text.jsonl";
    const auto ids = run_plumb({"tokenize", file, "--jsonl", texts, "--add-special", "--parse-special"});
    ASSERT_EQ(ids.exit_code, 0) << ids.err;
    std::istringstream got(ids.out);
    std::ifstream wanted(texts);
    for (std::string want, line; std::getline(wanted, want);) {
      ASSERT_TRUE(std::getline(got, line)) << name;
      EXPECT_EQ(json::parse(line).at("ids"), json::parse(want).at("ids_special")) << name << ": " << want;
    }

    std::string tokens = contents(folder + ".tokens");
    tokens.erase(tokens.find_last_not_of(" \n") + 1);
    const auto logits = [&](const std::string& model, const std::string& out) {
      const auto run = run_plumb({"logits", model, "--tokens", tokens, "--out", dir / out, "--exact"});
      EXPECT_EQ(run.exit_code, 0) << run.err;
      return contents(dir / out);
    };
    const std::string of_folder = logits(folder, "folder.f32");
    EXPECT_FALSE(of_folder.empty());
    EXPECT_EQ(of_folder, logits(file, "file.f32")) << name;
  }
}

TEST(ConvertCommand, WritesOtherTypesAndRefusesFiles) {
  PLUMB_REQUIRE_FIXTURES();
  const TempDir dir;
  const std::string folder = test::fixtures_dir() / "hf-dev" / "llama", file = dir / "out.gguf";
  ASSERT_EQ(run_plumb({"convert", folder, file, "--type", "q8_0", "--quiet"}).exit_code, 0);
  EXPECT_EQ(open_model_file(file).get_tensor("blk.0.ffn_up.weight").view.dtype(), DType::q8_0);
  const auto refused = run_plumb({"convert", file, dir / "again.gguf"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("no folder with a config.json"), std::string::npos) << refused.err;
}

}  // namespace
}  // namespace plumb::convert_test
