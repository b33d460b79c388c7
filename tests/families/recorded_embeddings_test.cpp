// Every embedding model with a recorded answer: a row per token and the pooled row, on any number of threads, alone and
// in company; and what such models refuse.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "plumb/model/embedding.hpp"
#include "plumb/model/session.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::recorded_embeddings_test {
namespace {

using Texts = std::vector<std::vector<Token>>;

class Encoders : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path file(const std::string& extension) const {
    return test::fixtures_dir() / "arch2-dev" / (std::string(GetParam()) + extension);
  }
  Model load(bool exact) const { return Model::load(file(".gguf"), {.exact = exact}); }
  std::vector<Token> tokens() const { return test::read_tokens(file(".tokens")); }
};

std::vector<Embedding> embed(const Model& model, const Texts& texts, SessionOptions options) {
  Session session(model, options);
  return session.embed(texts, {.rows = true});
}

TEST_P(Encoders, RowsAndPooledRowEqualTheRecordedOnes) {
  PLUMB_REQUIRE_FIXTURES();
  const std::vector<float> want = test::read_array<float>(file(".embeddings"));
  for (const bool exact : {true, false}) {
    const Model model = load(exact);
    const Embedding got = embed(model, {tokens()}, {.threads = 2})[0];
    ASSERT_EQ(want.size(), got.rows.size() + got.pooled.size());
    const auto rows = std::span(want).first(got.rows.size()), pooled = std::span(want).subspan(got.rows.size());
    EXPECT_LT(test::nmse(std::span(got.rows), rows), 1e-6) << (exact ? "exact" : "packed");
    EXPECT_LT(test::nmse(std::span(got.pooled), pooled), 1e-6) << (exact ? "exact" : "packed");
  }
}

TEST_P(Encoders, CompanyAndNumberOfThreadsChangeNoBit) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> text = tokens(), reversed(text.rbegin(), text.rend()), first(text.begin(), text.begin() + 5);
  const Texts texts = {text, reversed, first, {text[0]}, text};
  const std::vector<Embedding> want = embed(model, texts, {.threads = 1});  // one by one
  for (const int threads : {1, 2, 3, 8})
    for (const int sequences : {1, 2, 5}) {
      const std::vector<Embedding> got = embed(model, texts, {.threads = threads, .sequences = sequences});
      ASSERT_EQ(got.size(), texts.size());
      for (std::size_t t = 0; t < texts.size(); ++t) {
        EXPECT_EQ(got[t].pooled, want[t].pooled) << "text " << t << ", " << threads << " threads";
        EXPECT_EQ(got[t].rows, want[t].rows) << "text " << t << ", " << threads << " threads";
      }
    }
  EXPECT_NE(want[0].pooled, want[1].pooled);
  EXPECT_EQ(want[0].pooled, want[4].pooled);
}

TEST_P(Encoders, PoolingIsWhatItSays) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> text = tokens();
  Session session(model, {.threads = 2});
  const auto width = static_cast<std::size_t>(model.spec().width);
  const Embedding mean = session.embed(Texts{text}, {.pooling = Pooling::mean, .rows = true})[0];
  const std::span<const float> rows(mean.rows);
  for (const auto& [pooling, row] : {std::pair{Pooling::cls, rows.first(width)}, {Pooling::last, rows.last(width)}}) {
    const std::vector<float> got = session.embed(Texts{text}, {.pooling = pooling})[0].pooled;
    EXPECT_TRUE(std::ranges::equal(got, row));
  }
  double error = 0;
  for (std::size_t i = 0; i < width; ++i) {
    double sum = 0;
    for (std::size_t t = 0; t < text.size(); ++t) sum += static_cast<double>(rows[t * width + i]);
    error = std::max(error, std::abs(sum / static_cast<double>(text.size()) - static_cast<double>(mean.pooled[i])));
  }
  EXPECT_LT(error, 1e-6);
}

TEST_P(Encoders, ATextIsReadAtOnceAndNothingIsGenerated) {
  PLUMB_REQUIRE_FIXTURES();
  const Model model = load(false);
  const std::vector<Token> text = tokens();
  Session session(model, {.threads = 1, .batch = static_cast<int>(text.size()) - 1});
  const auto refused = [&](ErrorCode code, const char* mention, auto&& act) {
    const std::string message = test::expect_error(code, act);
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  constexpr const char* kOnePass = "a text is read in one pass";
  refused(ErrorCode::invalid_argument, kOnePass, [&] { session.embed(Texts{{text[0]}, text}); });
  refused(ErrorCode::invalid_argument, kOnePass, [&] { session.prefill(text); });
  refused(ErrorCode::invalid_argument, "text 1: no tokens", [&] { session.embed(Texts{{}}); });
  refused(ErrorCode::out_of_range, "token 1000000", [&] { session.embed(Texts{{1000000}}); });
  refused(ErrorCode::invalid_argument, "no head", [&] {
    session.forward(std::vector<BatchRow>{{text[0], 0, 0, true}});
  });
  EXPECT_EQ(session.length(), 0);
  session.prefill(std::span(text).first(3));
  EXPECT_EQ(session.logit_rows(), 0);
  refused(ErrorCode::invalid_argument, kOnePass, [&] { session.decode(text[3]); });
  refused(ErrorCode::unsupported_architecture, "nothing can be generated", [&] { (void)session.generate({}); });
  session.truncate(0, 2);
  EXPECT_EQ(session.length(), 2);
  const Session small(model, {.context = 4, .threads = 1});
  refused(ErrorCode::context_overflow, "context of 4",
          [&] { Session(small.model(), {.context = 4}).embed(Texts{text}); });
}

INSTANTIATE_TEST_SUITE_P(Recorded, Encoders, testing::Values("bert", "nomic-bert", "modern-bert", "gemma-embedding"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::erase(name, '-');
                           return name;
                         });

/// A decoder makes embeddings of texts longer than a pass too; each row is what the head reads.
TEST(Embed, OfADecoder) {
  PLUMB_REQUIRE_FIXTURES();
  const auto file = [](const char* name) { return test::fixtures_dir() / "arch-dev" / name; };
  const Model model = Model::load(file("qwen3.gguf"));
  const std::vector<Token> text = test::read_tokens(file("qwen3.tokens"));
  Session whole(model, {.context = 64, .threads = 2});
  const Embedding want = whole.embed(Texts{text}, {.rows = true})[0];
  const auto width = static_cast<std::size_t>(model.spec().width);
  ASSERT_EQ(want.rows.size(), text.size() * width);
  EXPECT_TRUE(std::ranges::equal(want.pooled, std::span(want.rows).last(width))) << "the last token's";
  Session parts(model, {.context = 64, .threads = 1, .sequences = 2, .batch = 5});
  const std::vector<Embedding> got = parts.embed(Texts{{text[0], text[1]}, text}, {.rows = true});
  EXPECT_EQ(got[1].rows, want.rows);
  EXPECT_EQ(got[1].pooled, want.pooled);
  EXPECT_TRUE(std::ranges::equal(got[0].pooled, std::span(want.rows).subspan(width, width)));
  EXPECT_EQ(parts.length(1), 0);
  whole.prefill(text);  // a session that has made embeddings generates as before
  EXPECT_EQ(whole.logit_rows(), 1);
  test::expect_error(ErrorCode::out_of_range, [&] { whole.state(); });
}

TEST(Embed, LengthAndCosine) {
  std::vector<float> v = {3, 0, 4};
  EXPECT_DOUBLE_EQ(length_of(v), 5);
  EXPECT_DOUBLE_EQ(cosine_similarity(v, std::vector<float>{0, 2, 0}), 0);
  EXPECT_DOUBLE_EQ(cosine_similarity(v, std::vector<float>{6, 0, 8}), 1);
  make_unit_length(v);
  EXPECT_EQ(v, (std::vector<float>{0.6f, 0, 0.8f}));
  std::vector<float> none = {0, 0};
  make_unit_length(none);
  EXPECT_EQ(none, (std::vector<float>{0, 0}));
  EXPECT_EQ(cosine_similarity(none, std::vector<float>{1, 1}), 0);
}

}  // namespace
}  // namespace plumb::recorded_embeddings_test
