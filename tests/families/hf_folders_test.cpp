// Hugging Face folders: the answers of every one that is recorded, and the same bits from the GGUF file that it
// converts to.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::hf_folders_test {
namespace {

/// The answers were computed with a session of this context, which matters to long rope factors.
constexpr int kContext = 256;

std::filesystem::path fixture(const std::string& name) { return test::fixtures_dir() / "hf-dev" / name; }

std::vector<std::string> folders() {
  std::vector<std::string> names;
  if (!test::have_fixtures()) return {"absent"};
  for (const auto& entry : std::filesystem::directory_iterator(test::fixtures_dir() / "hf-dev"))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Folders : public testing::TestWithParam<std::string> {
 protected:
  std::vector<Token> tokens() const { return test::read_tokens(fixture(GetParam() + ".tokens")); }
  std::vector<float> logits(const std::filesystem::path& path, bool exact) const {
    const Model model = Model::load(path, {.exact = exact, .tokenizer = false});
    const int context = model.spec().embedding.positions ? std::min(kContext, model.spec().context) : kContext;
    return test::all_logits(model, tokens(), 7, {.context = context, .threads = 2});
  }
  /// Without `exact`, products round activations to bf16 or int8 where weights are of those types.
  std::vector<bool> modes() const {
    for (const GgufTensor& tensor : open_model_file(fixture(GetParam())).tensors())
      if (tensor.view.dtype() != DType::f32 && tensor.view.dtype() != DType::f16) return {true};
    return {true, false};
  }
};

TEST_P(Folders, LogitsEqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<float> want = test::read_array<float>(fixture(GetParam() + ".logits"));
  for (const bool exact : modes()) {
    const std::vector<float> got = logits(fixture(GetParam()), exact);
    EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-6) << (exact ? "exact" : "packed");
  }
}

TEST_P(Folders, ConvertedFilesGiveTheSameBits) {
  PLUMB_REQUIRE_FIXTURES();
  const test::TempDir folder;
  const std::filesystem::path gguf = folder.path() / "converted.gguf";
  QuantizeOptions options;
  options.recipe = Recipe::parse("f32");
  quantize_model(fixture(GetParam()), gguf, options);
  for (const bool exact : modes())
    EXPECT_EQ(logits(gguf, exact), logits(fixture(GetParam()), exact)) << (exact ? "exact" : "packed");
}

TEST_P(Folders, TokenizersComeWithThem) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = Model::load(fixture(GetParam()));
  ASSERT_TRUE(model.has_tokenizer());
  EXPECT_FALSE(model.tokenizer().encode("Once upon a time").empty());
}

/// Where the fixtures have the same model as a GGUF file that another tool made of it.
TEST_P(Folders, TensorsEqualThoseOfTheOtherConverter) {
  PLUMB_REQUIRE_FIXTURES();
  static const std::vector<std::pair<std::string, std::string>> kTwins{{"qwen3_5_text", "qwen35"},
                                                                       {"qwen3_5_moe_text", "qwen35moe"},
                                                                       {"qwen3_next", "qwen3next"},
                                                                       {"lfm2", "lfm2"},
                                                                       {"granitemoehybrid", "granitehybrid"},
                                                                       {"mamba2", "mamba2"},
                                                                       {"glm4_moe", "glm4moe"},
                                                                       {"exaone4", "exaone4"},
                                                                       {"ministral3", "mistral3"},
                                                                       {"llama4_text", "llama4"},
                                                                       {"nemotron_h", "nemotron_h"},
                                                                       {"gemma4_text", "gemma4"},
                                                                       {"qwen3_vl", "qwen3vl"}};
  const auto twin =
      std::find_if(kTwins.begin(), kTwins.end(), [](const auto& pair) { return pair.first == GetParam(); });
  if (twin == kTwins.end()) return;
  const ModelFile ours = open_model_file(fixture(GetParam()));
  const ModelFile theirs = open_model_file(test::fixtures_dir() / "arch2-dev" / (twin->second + ".gguf"));
  std::size_t compared = 0;
  for (const GgufTensor& tensor : ours.tensors()) {
    const GgufTensor* other = theirs.find_tensor(tensor.name);
    ASSERT_TRUE(other) << tensor.name;
    // It reorders rows for a rotation that these models do not have.
    const bool reordered = tensor.name.ends_with("attn_q.weight") || tensor.name.ends_with("attn_k.weight");
    if (reordered && twin->second == "nemotron_h") continue;
    EXPECT_EQ(tensor.view.shape().to_string(), other->view.shape().to_string()) << tensor.name;
    if (tensor.view.dtype() != DType::f32 || other->view.dtype() != DType::f32) continue;
    const HeldTensor held = ours.hold(tensor);
    const auto* mine = reinterpret_cast<const float*>(held.view.data());
    const auto* wanted = reinterpret_cast<const float*>(other->view.data());
    const auto n = static_cast<std::size_t>(tensor.view.shape().elements());
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i)
      worst = std::max(worst, std::abs(static_cast<double>(mine[i]) - static_cast<double>(wanted[i])) /
                                  (1 + std::abs(static_cast<double>(wanted[i]))));
    EXPECT_LT(worst, 1e-6) << tensor.name;
    ++compared;
  }
  EXPECT_GT(compared, 5u);
}

INSTANTIATE_TEST_SUITE_P(Recorded, Folders, testing::ValuesIn(folders()), [](const auto& parameter) {
  std::string name = parameter.param;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace plumb::hf_folders_test
