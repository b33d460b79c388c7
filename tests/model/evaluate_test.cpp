// Perplexity and the comparison of two models, against recorded figures of another engine and against the definitions.

#include "plumb/model/evaluate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"

namespace plumb::evaluate_test {
namespace {

std::filesystem::path stories(const std::string& name) { return test::fixtures_dir() / "stories" / name; }

Model load(const std::string& type, bool exact = true) {
  return Model::load(stories("stories260K-" + type + ".gguf"), {.exact = exact});
}

std::vector<Token> story_text(const Model& model) {
  return model.tokenizer().encode(test::read_file(stories("text.txt")));
}

// ppl.json: chunks of 256 without bos, all but the first token of each scored.
TEST(MeasurePerplexity, EqualsTheRecordedOneOfWholeWindows) {
  PLUMB_REQUIRE_FIXTURES();
  const auto recorded = nlohmann::json::parse(test::read_file(stories("ppl.json")));
  const std::vector<Token> text = test::read_tokens(stories("ppl.tokens"));
  for (const std::string type : {"f32", "F16", "Q8_0", "Q4_0"}) {
    const Perplexity p =
        measure_perplexity(load(type), text, {.context = 256, .stride = 256, .bos = false}, {.threads = 1});
    EXPECT_EQ(p.text_tokens, recorded["n_tokens"].get<std::size_t>());
    EXPECT_EQ(p.scored, recorded["n_scored"].get<std::size_t>());
    EXPECT_NEAR(p.nll.value, recorded[type]["nll_dequantized_f32"].get<double>(), 1e-4) << type;
  }
}

// What llama-perplexity (llama.cpp of August 2026) prints for text.txt: `-f text.txt -c CTX -b CTX`. Its Q4_0 products
// take int8 activations, as ours do unless exact; its keys and values are F16; it prints four digits.
TEST(MeasurePerplexity, EqualsWhatTheOtherEngineReports) {
  PLUMB_REQUIRE_FIXTURES();
  struct Reported {
    const char* type;
    int context;
    double perplexity, error, tolerance;
  };
  for (const Reported& r : {Reported{"f32", 256, 2.7152, 0.11683, 1e-3},
                            {"f32", 128, 2.8392, 0.12066, 1e-3},
                            {"Q4_0", 256, 2.9686, 0.13447, 3e-2},
                            {"Q4_0", 128, 3.0930, 0.13488, 3e-2}}) {
    SCOPED_TRACE(std::string(r.type) + " " + std::to_string(r.context));
    const Model model = load(r.type, false);
    const Perplexity p = measure_perplexity(model, story_text(model), {.context = r.context}, {.threads = 1});
    EXPECT_EQ(p.scored, static_cast<std::size_t>((r.context == 256 ? 9 : 19) * (r.context - 1 - r.context / 2)));
    EXPECT_NEAR(p.perplexity().value, r.perplexity, r.tolerance);
    EXPECT_NEAR(p.perplexity().error, r.error, r.tolerance / 10 + 1e-4);
  }
}

// `llama-perplexity --kl-divergence` of the Q4_0 file against the F32 file, context 256. The base's probabilities pass
// through a file of 16-bit logarithms there, so the figures agree to a few percent.
TEST(CompareLogits, AgreesWithTheOtherEngine) {
  PLUMB_REQUIRE_FIXTURES();
  const Model base = load("f32", false);
  const LogitComparison c =
      compare_logits(base, load("Q4_0", false), story_text(base), {.context = 256}, {.threads = 1});
  EXPECT_NEAR(c.kl.value, 0.064345, 0.05 * 0.064345);
  EXPECT_NEAR(c.kl.error, 0.003104, 0.1 * 0.003104);
  EXPECT_NEAR(c.kl_median, 0.034201, 0.1 * 0.034201);
  EXPECT_NEAR(c.kl_99, 0.532306, 0.1 * 0.532306);
  EXPECT_NEAR(c.kl_max, 1.279484, 0.1 * 1.279484);
  EXPECT_NEAR(c.top1.value, 0.87577, 0.01);
  EXPECT_NEAR(c.top1.error, 0.00976, 0.001);
  EXPECT_NEAR(c.nll_difference.value, 0.092441, 0.1 * 0.092441);
  EXPECT_NEAR(c.nll_difference.error, 0.011111, 0.1 * 0.011111);
}

/// The measures once more, from all logits at once and as the definitions say.
struct Direct {
  std::vector<double> kl;
  double nmse = 0, top1 = 0, top5 = 0;
};

Direct direct(const std::vector<std::vector<float>>& base, const std::vector<std::vector<float>>& other) {
  Direct d;
  const auto softmax = [](const std::vector<float>& logits) {
    std::vector<double> p;
    for (const float x : logits) p.push_back(std::exp(static_cast<double>(x)));
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
    return p;
  };
  const auto best = [](const std::vector<float>& logits) {
    std::vector<std::size_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
    order.resize(5);
    return order;
  };
  double error = 0, power = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    const std::vector<double> p = softmax(base[i]), q = softmax(other[i]);
    double kl = 0;
    for (std::size_t v = 0; v < p.size(); ++v) {
      kl += p[v] * std::log(p[v] / q[v]);
      error += std::pow(static_cast<double>(other[i][v]) - static_cast<double>(base[i][v]), 2);
      power += std::pow(static_cast<double>(base[i][v]), 2);
    }
    d.kl.push_back(kl);
    auto a = best(base[i]), b = best(other[i]);
    d.top1 += a[0] == b[0] ? 1 : 0;
    for (const std::size_t v : a) d.top5 += std::count(b.begin(), b.end(), v) > 0 ? 0.2 : 0;
  }
  d.nmse = error / power;
  d.top1 /= static_cast<double>(base.size());
  d.top5 /= static_cast<double>(base.size());
  return d;
}

/// Two models of one shape and different weights, and a text of all their tokens.
struct Pair {
  Pair() : base(test::tiny_llama()), other(changed()) {
    for (int i = 0; i < 70; ++i) text.push_back(i * 37 % base.model.spec().vocab_size);
  }
  static test::GgufBuilder changed() {
    test::GgufBuilder file = test::tiny_llama();
    std::string& data = file.tensor("output.weight").data;
    for (std::size_t i = 0; i + 4 <= data.size(); i += 4) data[i + 2] = static_cast<char>(data[i + 2] ^ 0x30);
    return file;
  }
  test::BuiltModel base, other;
  std::vector<Token> text;
};

TEST(CompareLogits, EqualsTheDefinitions) {
  const Pair pair;
  constexpr int kContext = 16;
  std::vector<std::vector<float>> base, other;
  for (const TextWindow& w : text_windows(pair.text.size(), kContext, 5)) {
    std::vector<Token> tokens = window_tokens(pair.text, w, {}, pair.base.model);
    const auto p = test::all_logits(pair.base.model, tokens), q = test::all_logits(pair.other.model, tokens);
    const std::size_t vocab = p.size() / tokens.size();
    for (std::size_t i = w.scored - w.begin - 1; i + 1 < tokens.size(); ++i) {
      const auto row = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(i * vocab),
                                  all.begin() + static_cast<std::ptrdiff_t>((i + 1) * vocab));
      };
      base.push_back(row(p));
      other.push_back(row(q));
    }
  }
  Direct want = direct(base, other);
  const LogitComparison c =
      compare_logits(pair.base.model, pair.other.model, pair.text, {.context = kContext, .stride = 5});
  ASSERT_EQ(c.base.scored, base.size());
  const auto n = static_cast<double>(want.kl.size());
  const double mean = std::accumulate(want.kl.begin(), want.kl.end(), 0.0) / n;
  double squares = 0;
  for (const double kl : want.kl) squares += (kl - mean) * (kl - mean);
  ASSERT_GT(mean, 1e-3) << "models that are equal prove nothing";
  EXPECT_NEAR(c.kl.value, mean, 1e-9);
  EXPECT_NEAR(c.kl.error, std::sqrt(squares / (n - 1) / n), 1e-9);
  std::sort(want.kl.begin(), want.kl.end());
  EXPECT_NEAR(c.kl_max, want.kl.back(), 1e-9);
  const std::size_t half = want.kl.size() / 2;
  EXPECT_NEAR(c.kl_median, want.kl.size() % 2 == 1 ? want.kl[half] : (want.kl[half - 1] + want.kl[half]) / 2, 1e-9);
  EXPECT_NEAR(c.logits_nmse.value, want.nmse, 1e-9);
  EXPECT_NEAR(c.top1.value, want.top1, 1e-12);
  EXPECT_NEAR(c.top5.value, want.top5, 1e-12);
  EXPECT_NEAR(c.nll_difference.value, c.other.nll.value - c.base.nll.value, 1e-12);
  EXPECT_GT(c.logits_nmse.error, 0);
}

TEST(CompareLogits, AModelAgreesWithItself) {
  const Pair pair;
  const LogitComparison c = compare_logits(pair.base.model, pair.base.model, pair.text, {.context = 16});
  EXPECT_EQ(c.kl.value, 0);
  EXPECT_EQ(c.kl_max, 0);
  EXPECT_EQ(c.top1.value, 1);
  EXPECT_EQ(c.top5.value, 1);
  EXPECT_EQ(c.logits_nmse.value, 0);
  EXPECT_EQ(c.nll_difference.value, 0);
  EXPECT_EQ(c.nll_difference.error, 0);
  const Perplexity alone = measure_perplexity(pair.base.model, pair.text, {.context = 16});
  EXPECT_EQ(alone.nll.value, c.base.nll.value);
  EXPECT_EQ(alone.nll.error, c.other.nll.error);
}

TEST(MeasurePerplexity, TheSameOnAnyNumberOfThreads) {
  const Pair pair;
  const Perplexity one = measure_perplexity(pair.base.model, pair.text, {}, {.threads = 1});
  const Perplexity three = measure_perplexity(pair.base.model, pair.text, {}, {.threads = 3});
  EXPECT_EQ(one.nll.value, three.nll.value);
  EXPECT_EQ(one.context, 32);
}

}  // namespace
}  // namespace plumb::evaluate_test
