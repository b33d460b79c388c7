// Every family with a recorded answer: its logits, however a text is cut into passes, on any number of threads and
// beside another sequence.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::recorded_answers_test {
namespace {

/// The answers were computed with a session of this context, which matters to long rope factors.
constexpr int kContext = 256;

class Families : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file(const std::string& extension) const {
    return test::architecture_fixture(std::string(GetParam()) + extension);
  }
  /// Texts are token ids: tokenizers have tests of their own.
  Model load(bool exact) const { return Model::load(file(".gguf"), {.exact = exact, .tokenizer = false}); }
};

TEST_P(Families, LogitsEqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<float> want = test::read_array<float>(file(".logits"));
  const std::vector<Token> tokens = test::read_tokens(file(".tokens"));
  for (const bool exact : {true, false}) {
    const std::vector<float> got = test::all_logits(load(exact), tokens, 7, {.context = kContext, .threads = 2});
    EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-6) << (exact ? "exact" : "packed");
  }
}

TEST_P(Families, EveryCutAndEveryNumberOfThreadsGivesTheSameBits) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> tokens = test::read_tokens(file(".tokens"));
  const std::vector<float> whole = test::all_logits(model, tokens, tokens.size(), {.context = kContext, .threads = 1});
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{2}, std::size_t{5}, tokens.size() - 1})
    for (const int threads : {1, 3})
      EXPECT_EQ(test::all_logits(model, tokens, chunk, {.context = kContext, .threads = threads}), whole)
          << chunk << " at once, " << threads << " threads";
}

TEST_P(Families, SequencesSideBySideDoNotMeet) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> tokens = test::read_tokens(file(".tokens"));
  const std::vector<Token> reversed(tokens.rbegin(), tokens.rend());
  const auto alone = [&](const std::vector<Token>& text) {
    return test::all_logits(model, text, 1, {.context = kContext, .threads = 1});
  };
  Session session(model, {.context = kContext, .threads = 2, .sequences = 2});
  std::vector<float> first, second;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const int position = static_cast<int>(i);
    const std::vector<BatchRow> rows = {{reversed[i], position, 1, true}, {tokens[i], position, 0, true}};
    session.forward(rows);
    second.insert(second.end(), session.logits(0).begin(), session.logits(0).end());
    first.insert(first.end(), session.logits(1).begin(), session.logits(1).end());
  }
  EXPECT_EQ(first, alone(tokens));
  EXPECT_EQ(second, alone(reversed));
}

/// Cut back anywhere, also behind what rings of windows have kept, and read on.
TEST_P(Families, CutBackAndReadOnGivesTheSameBits) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> tokens = test::read_tokens(file(".tokens"));
  const auto all = static_cast<int>(tokens.size());
  const std::vector<float> whole = test::all_logits(model, tokens, tokens.size(), {.context = kContext, .threads = 1});
  const std::span<const float> last = std::span(whole).last(static_cast<std::size_t>(model.spec().vocab_size));
  Session session(model, {.context = kContext, .threads = 2, .sequences = 2, .batch = 4});
  for (const int kept : {1, all / 2, all - 1}) {
    session.clear(0);
    session.prefill(tokens, 0);
    session.copy(0, 1, kept);
    session.truncate(0, kept);
    for (const int s : {0, 1}) {
      session.prefill(std::span(tokens).subspan(static_cast<std::size_t>(kept)), s);
      EXPECT_TRUE(std::ranges::equal(session.logits(), last)) << kept << " kept in sequence " << s;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, Families,
                         testing::Values("llama-mha", "llama-gqa", "llama3-ropefreqs", "llama-moe", "qwen2", "qwen3",
                                         "qwen3moe", "gemma2", "gemma3", "gemma3n", "gemma4", "phi3", "gpt2", "gptneox",
                                         "granite", "command-r", "cohere2", "falcon", "falcon40", "gpt-oss",
                                         "granitemoe", "granitemoe-shared", "minicpm", "mpt", "nemotron", "phi2",
                                         "stablelm", "stablelm12", "olmo3", "seed_oss", "glm4moe", "minimax-m2",
                                         "qwen3vl", "exaone4", "dots1", "bailingmoe2", "hunyuan-dense", "hunyuan-moe",
                                         "ernie4_5-moe", "mistral3", "llama4", "smallthinker", "mimo2", "step35",
                                         "apertus", "bitnet", "afmoe", "phimoe", "deepseek2", "deepseek3", "deepseek32",
                                         "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe", "mamba2",
                                         "granitehybrid", "nemotron_h", "nemotron_h_moe", "falcon-h1", "mamba", "jamba",
                                         "kimi-linear", "rwkv7"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace plumb::recorded_answers_test
