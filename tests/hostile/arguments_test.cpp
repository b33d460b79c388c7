/// Bad arguments to a good model: refused with the right code, and the session works on as if nothing had happened.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/hostile_model.hpp"

namespace plumb::arguments_test {
namespace {

using test::expect_error;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int kVocab = 272, kContext = 32;

class BadArguments : public testing::Test {
 protected:
  test::AlignedCopy bytes_{test::tiny_llama().bytes()};
  Model model_ = test::load_from(bytes_.bytes());
  Session session_{model_, {.threads = 1}};
  const std::vector<Token> prompt_ = {1, 261, 262};

  /// Whatever was refused before must not have left a trace: a fresh session gives the same logits.
  void TearDown() override {
    if (session_.length() > 0) session_.clear();
    session_.prefill(prompt_);
    Session fresh(model_, {.threads = 1});
    fresh.prefill(prompt_);
    const auto got = session_.logits(), want = fresh.logits();
    EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin(), want.end()));
  }

  void expect_bad_sampling(const SamplerOptions& options, ErrorCode code = ErrorCode::invalid_argument) {
    session_.clear();
    session_.prefill(prompt_);
    expect_error(code, [&] { (void)session_.generate({.sampling = options}); });
  }
};

TEST_F(BadArguments, TokensOutOfRange) {
  for (const Token token :
       {kVocab, -1, kNoToken, std::numeric_limits<Token>::max(), std::numeric_limits<Token>::min()}) {
    const std::vector<Token> tokens = {1, token, 2};
    const std::string message = expect_error(ErrorCode::out_of_range, [&] { session_.prefill(tokens); });
    EXPECT_NE(message.find(std::to_string(token)), std::string::npos) << message;
    EXPECT_EQ(session_.length(), 0) << "nothing changes";
    expect_error(ErrorCode::out_of_range, [&] { session_.decode(token); });
    const std::vector<BatchRow> rows = {{.token = token, .position = 0}};
    expect_error(ErrorCode::out_of_range, [&] { session_.forward(rows); });
    expect_error(ErrorCode::out_of_range, [&] { (void)model_.tokenizer().decode(token); });
    expect_error(ErrorCode::out_of_range, [&] { (void)model_.tokenizer().decode(tokens); });
    expect_error(ErrorCode::out_of_range, [&] { (void)model_.tokenizer().spelling(token); });
    EXPECT_FALSE(model_.tokenizer().is_end(token));
  }
}

TEST_F(BadArguments, PromptLongerThanTheContext) {
  const std::vector<Token> fits(kContext, 5), long_prompt(kContext + 1, 5);
  expect_error(ErrorCode::context_overflow, [&] { session_.prefill(long_prompt); });
  EXPECT_EQ(session_.length(), 0);
  session_.prefill(fits);
  expect_error(ErrorCode::context_overflow, [&] { session_.decode(5); });
  const std::vector<BatchRow> beyond = {{.token = 5, .position = kContext}};
  expect_error(ErrorCode::context_overflow, [&] { session_.forward(beyond); });
}

TEST_F(BadArguments, EmptyPrompt) {
  expect_error(ErrorCode::invalid_argument, [&] { session_.prefill({}); });
  expect_error(ErrorCode::invalid_argument, [&] { session_.forward({}); });
  expect_error(ErrorCode::invalid_argument, [&] { (void)session_.generate({}); });
  EXPECT_TRUE(model_.tokenizer().encode("", {.add_special = false}).empty());
}

TEST_F(BadArguments, PositionsAndSequencesThatDoNotExist) {
  const std::vector<BatchRow> gap = {{.token = 5, .position = 1}}, negative = {{.token = 5, .position = -1}};
  expect_error(ErrorCode::invalid_argument, [&] { session_.forward(gap); });
  expect_error(ErrorCode::invalid_argument, [&] { session_.forward(negative); });
  const std::vector<BatchRow> twice = {{.token = 5, .position = 0}, {.token = 6, .position = 0}};
  expect_error(ErrorCode::invalid_argument, [&] { session_.forward(twice); });
  for (const int s : {1, -1, std::numeric_limits<int>::max()}) {
    const std::vector<BatchRow> elsewhere = {{.token = 5, .position = 0, .sequence = s}};
    expect_error(ErrorCode::out_of_range, [&] { session_.forward(elsewhere); });
    expect_error(ErrorCode::out_of_range, [&] { session_.prefill(prompt_, s); });
    expect_error(ErrorCode::out_of_range, [&] { session_.clear(s); });
    expect_error(ErrorCode::out_of_range, [&] { session_.copy(0, s, 0); });
    expect_error(ErrorCode::out_of_range, [&] { (void)session_.tokens(s); });
  }
  for (const int length : {-1, 1, std::numeric_limits<int>::max()})
    expect_error(ErrorCode::out_of_range, [&] { session_.truncate(0, length); });
  expect_error(ErrorCode::out_of_range, [&] { (void)session_.logits(0); });
  expect_error(ErrorCode::out_of_range, [&] { (void)session_.logits(-1); });
}

TEST_F(BadArguments, SessionOptions) {
  const auto refused = [&](const SessionOptions& options, ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, [&] { (void)Session(model_, options); });
  };
  refused({.context = -1});
  refused({.threads = -1});
  refused({.threads = 1 << 20});
  refused({.sequences = 0});
  refused({.sequences = -5});
  refused({.batch = 0});
  refused({.batch = -1});
  refused({.kv = DType::q4_0});
  refused({.kv = DType::i32});
  refused({.context = std::numeric_limits<int>::max()});
}

TEST_F(BadArguments, SamplerNumbersThatAreNone) {
  for (const float bad : {kNan, -1.0f, -kInf}) {
    expect_bad_sampling({.temperature = bad});
    expect_bad_sampling({.typical_p = bad});
    expect_bad_sampling({.top_p = bad});
    expect_bad_sampling({.min_p = bad});
    expect_bad_sampling({.repetition_penalty = bad});
  }
  expect_bad_sampling({.temperature = kInf});
  expect_bad_sampling({.top_p = 1.5f});
  expect_bad_sampling({.min_p = 1.5f});
  expect_bad_sampling({.repetition_penalty = 0});
  expect_bad_sampling({.frequency_penalty = kNan});
  expect_bad_sampling({.presence_penalty = kNan});
  expect_bad_sampling({.penalty_last_n = -2});
  expect_bad_sampling({.top_k = -1});
  expect_bad_sampling({.logprobs = -2});
  expect_bad_sampling({.logit_bias = {{.token = 3, .bias = kNan}}});
  expect_bad_sampling({.logit_bias = {{.token = kVocab, .bias = 1}}}, ErrorCode::out_of_range);
  expect_bad_sampling({.logit_bias = {{.token = -1, .bias = 1}}}, ErrorCode::out_of_range);
  session_.clear();
  session_.prefill(prompt_);
  expect_error(ErrorCode::invalid_argument, [&] { (void)session_.generate({.max_tokens = -2}); });
}

/// top_k 0 means "all", and more than there are is all too.
TEST_F(BadArguments, TopKOf0KeepsEveryToken) {
  const auto draw = [&](std::int64_t top_k) {
    session_.clear();
    session_.prefill(prompt_);
    std::vector<Token> tokens;
    for (const Token token :
         session_.generate({.sampling = {.top_k = top_k, .seed = 11}, .max_tokens = 8, .stop_at_end = false}))
      tokens.push_back(token);
    return tokens;
  };
  EXPECT_EQ(draw(0).size(), 8u);
  EXPECT_EQ(draw(0), draw(kVocab));
  EXPECT_EQ(draw(0), draw(std::numeric_limits<std::int64_t>::max()));
  EXPECT_NE(draw(0), draw(1)) << "a seed for which the most probable token is not always drawn";
}

TEST_F(BadArguments, LogitsOfTheWrongSize) {
  Sampler sampler({}, kVocab);
  const std::vector<float> few(kVocab - 1, 0.0f), many(kVocab + 1, 0.0f), none(kVocab, kNan);
  expect_error(ErrorCode::invalid_argument, [&] { (void)sampler.sample(few); });
  expect_error(ErrorCode::invalid_argument, [&] { (void)sampler.sample(many); });
  expect_error(ErrorCode::invalid_argument, [&] { (void)sampler.sample({}); });
  expect_error(ErrorCode::bad_value, [&] { (void)sampler.sample(none); });
  expect_error(ErrorCode::out_of_range, [&] { sampler.accept(kVocab); });
  expect_error(ErrorCode::out_of_range, [&] { sampler.accept(-1); });
  expect_error(ErrorCode::invalid_argument, [&] { Sampler({}, 0); });
}

}  // namespace
}  // namespace plumb::arguments_test
