// The trained 260k-parameter model: logits, loss and greedy text as recorded (fixtures README, "stories").

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/reference_model.hpp"

namespace plumb::stories_test {
namespace {

std::filesystem::path stories(const std::string& name) { return test::fixtures_dir() / "stories" / name; }

Model load(const std::string& type) { return Model::load(stories("stories260K-" + type + ".gguf"), {.exact = true}); }

double nmse(const std::vector<float>& got, const auto& want) { return test::nmse(std::span(got), std::span(want)); }

TEST(Stories, LogitsEqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<Token> tokens = test::read_tokens(stories("prompt.tokens"));
  EXPECT_LT(nmse(test::all_logits(load("f32"), tokens), test::read_array<float>(stories("prompt.logits"))), 1e-8);
}

TEST(Stories, LogitsEqualDoublePrecision) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<Token> tokens = test::read_tokens(stories("greedy-200.tokens"));
  const ModelFile file = open_model_file(stories("stories260K-f32.gguf"));
  const std::vector<double> want = test::ReferenceModel(file).logits(tokens);
  EXPECT_LT(nmse(test::all_logits(load("f32"), tokens), want), 1e-9);
}

TEST(Stories, QuantizedFilesEqualTheirExactLogits) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<Token> tokens = test::read_tokens(stories("prompt.tokens"));
  for (const std::string type : {"F16", "Q8_0", "Q4_0"}) {
    SCOPED_TRACE(type);
    const auto want = test::read_array<float>(stories("prompt-" + type + ".logits64"));
    EXPECT_LT(nmse(test::all_logits(load(type), tokens), want), 1e-9);
  }
}

TEST(Stories, GreedyTokensAndTextAreTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<Token> prompt = test::read_tokens(stories("prompt.tokens"));
  const std::vector<Token> want = test::read_tokens(stories("greedy-200.tokens"));
  for (const DType kv : {DType::f32, DType::f16}) {
    const Model model = load("f32");
    ASSERT_EQ(model.tokenizer().encode("Once upon a time"), prompt);
    Session session(model, {.threads = 1, .kv = kv});
    session.prefill(prompt);
    std::vector<Token> got, all = prompt;
    for (const Token token : session.generate({.sampling = {.temperature = 0}, .max_tokens = 200}))
      got.push_back(token);
    EXPECT_EQ(got, want) << dtype_name(kv);
    all.insert(all.end(), got.begin(), got.end());
    EXPECT_EQ(model.tokenizer().decode(all), test::read_file(stories("greedy-200.txt")));
  }
}

/// -log softmax(logits)[token].
double surprise(std::span<const float> logits, Token token) {
  const double top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return std::log(sum) + top - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

TEST(Stories, MeanNegativeLogLikelihoodIsTheRecordedOne) {
  PLUMB_REQUIRE_FIXTURES();
  constexpr std::size_t kChunk = 256;
  const auto recorded = nlohmann::json::parse(test::read_file(stories("ppl.json")));
  const std::vector<Token> tokens = test::read_tokens(stories("ppl.tokens"));
  ASSERT_EQ(tokens.size(), recorded["n_tokens"].get<std::size_t>());
  for (const std::string type : {"f32", "F16", "Q8_0", "Q4_0"}) {
    const Model model = load(type);
    double total = 0;
    std::size_t scored = 0;
    for (std::size_t start = 0; start < tokens.size(); start += kChunk) {
      const std::span<const Token> chunk(tokens.data() + start, kChunk);
      const std::vector<float> logits = test::all_logits(model, chunk, kChunk);
      const std::size_t vocab = logits.size() / kChunk;
      for (std::size_t i = 0; i + 1 < kChunk; ++i, ++scored)
        total += surprise(std::span(logits).subspan(i * vocab, vocab), chunk[i + 1]);
    }
    EXPECT_EQ(scored, recorded["n_scored"].get<std::size_t>());
    EXPECT_NEAR(total / static_cast<double>(scored), recorded[type]["nll_dequantized_f32"].get<double>(), 1e-4) << type;
  }
}

}  // namespace
}  // namespace plumb::stories_test
