// Sessions: however a text is cut, interleaved, copied or threaded, each row's logits are the same bits; bad arguments
// are refused and change nothing.

#include "plumb/model/session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "plumb/model/llama_spec.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"

namespace plumb::session_test {
namespace {

constexpr int kContext = 300;
constexpr int kVocab = 61;

/// Long enough that keys span two blocks of attention; odd widths.
const Model& model() {
  static const test::BuiltModel built([] {
    test::GgufBuilder builder;
    test::add_tiny_llama(
        builder, kVocab,
        {.dim = 40, .heads = 4, .kv_heads = 2, .head_dim = 10, .ffn = 52, .layers = 2, .context = kContext});
    return builder;
  }());
  return built.model;
}

std::vector<Token> text(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

TEST(Session, AnySplitGivesTheSameBits) {
  const std::vector<Token> tokens = text(kContext);
  const std::vector<float> whole = test::all_logits(model(), tokens, kContext);
  for (const std::size_t chunk : {1U, 2U, 3U, 64U, 255U, 299U})
    EXPECT_EQ(test::all_logits(model(), tokens, chunk), whole) << chunk;
  for (const DType kv : {DType::f32, DType::f16}) {
    const auto at_once = test::all_logits(model(), tokens, kContext, {.threads = 2, .kv = kv});
    EXPECT_EQ(test::all_logits(model(), tokens, 1, {.threads = 2, .kv = kv}), at_once);
  }
}

TEST(Session, AnyNumberOfThreadsGivesTheSameBits) {
  const std::vector<Token> tokens = text(100);
  const std::vector<float> one = test::all_logits(model(), tokens, 33, {.threads = 1});
  for (const int threads : {2, 3, 4, 8})
    EXPECT_EQ(test::all_logits(model(), tokens, 33, {.threads = threads}), one) << threads;
}

TEST(Session, PrefillCutsLongPrompts) {
  const std::vector<Token> tokens = text(200);
  Session small(model(), {.threads = 2, .batch = 17}), large(model(), {.threads = 2});
  small.prefill(tokens);
  large.prefill(tokens);
  EXPECT_EQ(small.batch(), 17);
  const auto a = small.logits(), b = large.logits();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

TEST(Session, ReadsItsOwnTokensAgain) {
  Session session(model(), {.threads = 2, .batch = 16});
  session.prefill(text(50));
  session.prefill(session.tokens());
  const std::vector<Token> once = text(50);
  ASSERT_EQ(session.length(), 100);
  for (const std::size_t first : {0U, 50U}) EXPECT_TRUE(std::ranges::equal(session.tokens().subspan(first, 50), once));
}

TEST(Session, InterleavedSequencesGiveWhatEachGivesAlone) {
  const std::vector<std::vector<Token>> texts = {text(120, 1), text(80, 2), text(7, 3)};
  Session session(model(), {.threads = 2, .sequences = 3});
  SCOPED_TRACE("seed 5");
  const auto got = test::alternating_logits(session, texts, 11, 5);
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(got[s], test::all_logits(model(), texts[s])) << "sequence " << s;
}

TEST(Session, LogitsComeOnlyForRowsThatAsk) {
  const std::vector<Token> tokens = text(10);
  std::vector<BatchRow> rows = test::rows_of(tokens);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].logits = i == 3 || i == 9;
  Session session(model(), {.threads = 2});
  session.forward(rows);
  ASSERT_EQ(session.logit_rows(), 2);
  const std::vector<float> all = test::all_logits(model(), tokens);
  EXPECT_TRUE(std::equal(session.logits(0).begin(), session.logits(0).end(), all.begin() + 3 * kVocab));
  EXPECT_TRUE(std::equal(session.logits(1).begin(), session.logits(1).end(), all.begin() + 9 * kVocab));
  test::expect_error(ErrorCode::out_of_range, [&] { session.logits(2); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.logits(-1); });
}

TEST(Session, TruncatedAndCopiedSequencesContinueAsIfReadAnew) {
  const std::vector<Token> tokens = text(60, 4), other = text(20, 5);
  Session session(model(), {.threads = 2, .sequences = 2});
  session.prefill(tokens);
  session.copy(0, 1, 40);
  session.truncate(0, 25);
  EXPECT_EQ(session.length(0), 25);
  EXPECT_EQ(session.length(1), 40);
  for (const auto& [s, kept] : {std::pair{0, 25}, {1, 40}}) {
    std::vector<Token> whole(tokens.begin(), tokens.begin() + kept);
    whole.insert(whole.end(), other.begin(), other.end());
    EXPECT_EQ(test::all_logits(model(), whole).size(), whole.size() * kVocab);
    session.prefill(other, s);
    const std::vector<float> fresh = test::all_logits(model(), whole);
    EXPECT_TRUE(std::equal(session.logits().begin(), session.logits().end(), fresh.end() - kVocab)) << "sequence " << s;
    const auto read = session.tokens(s);
    EXPECT_EQ(std::vector<Token>(read.begin(), read.end()), whole);
  }
  session.clear(0);
  EXPECT_EQ(session.length(0), 0);
  test::expect_error(ErrorCode::out_of_range, [&] { session.truncate(1, 61); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.truncate(1, -1); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.copy(0, 1, 1); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.copy(1, 2, 1); });
}

std::vector<Token> generated(Session& session, int count, int s = 0) {
  std::vector<Token> tokens;
  for (const Token token : session.generate({.sampling = {.temperature = 0}, .max_tokens = count}, s))
    tokens.push_back(token);
  return tokens;
}

TEST(Generate, ContinuesWhereItStopped) {
  Session once(model(), {.threads = 2}), twice(model(), {.threads = 2});
  once.prefill(text(9));
  twice.prefill(text(9));
  const std::vector<Token> whole = generated(once, 12);
  ASSERT_EQ(whole.size(), 12u);
  EXPECT_EQ(once.length(), 9 + 12);
  EXPECT_EQ(once.rows_read(), 9u + 11) << "the last token costs no pass";
  std::vector<Token> parts = generated(twice, 5);
  for (const Token token : generated(twice, 7)) parts.push_back(token);
  EXPECT_EQ(parts, whole);
  // The token that was handed out last is read before what is prefilled after it.
  const std::vector<Token> more = text(3, 8);
  once.prefill(more);
  EXPECT_EQ(once.length(), 9 + 12 + 3);
  EXPECT_EQ(once.tokens()[20], whole.back());
}

TEST(Generate, SequencesSideBySideDoNotDisturbEachOther) {
  Session alone(model(), {.threads = 2});
  alone.prefill(text(9, 1));
  const std::vector<Token> want = generated(alone, 10);
  Session both(model(), {.threads = 2, .sequences = 2});
  both.prefill(text(9, 1), 0);
  both.prefill(text(30, 2), 1);  // overwrites the logits of sequence 0
  std::vector<Token> got = generated(both, 4, 0);
  generated(both, 3, 1);
  for (const Token token : generated(both, 6, 0)) got.push_back(token);
  EXPECT_EQ(got, want);
}

TEST(Generate, SaysWhyItStopped) {
  Session session(model(), {.context = 20, .threads = 2});
  session.prefill(text(18));
  Generation generation = session.generate({.sampling = {.temperature = 0}});
  int count = 0;
  for ([[maybe_unused]] const Token token : generation) ++count;
  EXPECT_EQ(count, 3) << "positions 18 and 19, and one token after the last position";
  EXPECT_EQ(generation.stop_reason(), StopReason::context_full);
  session.truncate(0, 10);
  Generation none = session.generate({.max_tokens = 0});
  for ([[maybe_unused]] const Token token : none) ADD_FAILURE();
  EXPECT_EQ(none.stop_reason(), StopReason::max_tokens);
}

TEST(Session, BadArgumentsAreRefusedAndChangeNothing) {
  Session session(model(), {.context = 10, .threads = 2, .sequences = 2, .batch = 6});
  session.prefill(text(4));
  const auto refused = [&](ErrorCode code, std::vector<BatchRow> rows) {
    test::expect_error(code, [&] { session.forward(rows); });
    EXPECT_EQ(session.length(0), 4);
    EXPECT_EQ(session.length(1), 0);
  };
  refused(ErrorCode::invalid_argument, {});
  refused(ErrorCode::out_of_range, {{kVocab, 4, 0, true}});
  refused(ErrorCode::out_of_range, {{-1, 4, 0, true}});
  refused(ErrorCode::out_of_range, {{1, 0, 2, true}});
  refused(ErrorCode::out_of_range, {{1, 0, -1, true}});
  refused(ErrorCode::invalid_argument, {{1, 5, 0, true}});
  refused(ErrorCode::invalid_argument, {{1, 3, 0, true}});
  refused(ErrorCode::invalid_argument, {{1, 4, 0, true}, {1, 4, 0, true}});
  refused(ErrorCode::invalid_argument, std::vector<BatchRow>(7, BatchRow{1, 4, 0, true}));

  test::expect_error(ErrorCode::invalid_argument, [&] { session.prefill({}); });
  test::expect_error(ErrorCode::context_overflow, [&] { session.prefill(text(7)); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.decode(kVocab); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.decode(1, 2); });
  EXPECT_EQ(session.length(0), 4);
  session.prefill(text(6));
  test::expect_error(ErrorCode::context_overflow, [&] { session.decode(1); });
  std::vector<BatchRow> beyond = {{1, 10, 0, true}};
  test::expect_error(ErrorCode::context_overflow, [&] { session.forward(beyond); });

  test::expect_error(ErrorCode::invalid_argument, [&] { (void)session.generate({}, 1); });
  test::expect_error(ErrorCode::out_of_range, [&] { (void)session.generate({}, 5); });
  test::expect_error(ErrorCode::invalid_argument, [&] { (void)session.generate({.max_tokens = -2}); });
  test::expect_error(ErrorCode::invalid_argument, [&] {
    (void)session.generate({.sampling = {.temperature = std::numeric_limits<float>::quiet_NaN()}});
  });
}

TEST(Session, BadOptionsAreRefused) {
  for (const SessionOptions& bad : {SessionOptions{.context = -1},
                                    {.threads = -1},
                                    {.threads = 1 << 30},
                                    {.sequences = 0},
                                    {.sequences = -4},
                                    {.batch = 0}})
    test::expect_error(ErrorCode::invalid_argument, [&] { Session session(model(), bad); });
  test::expect_error(ErrorCode::invalid_argument, [&] { Session session(model(), {.kv = DType::q4_0}); });
  test::expect_error(ErrorCode::invalid_argument, [&] { Session session(model(), {.kv = DType::i64}); });
}

/// A row beyond the table of learned positions would be read from elsewhere.
TEST(Session, AContextEndsWithTheTableOfPositions) {
  ModelSpec spec = llama_spec({"positions", kVocab, 32, 1, 2, 2, 16, 64, 24});
  spec.embedding.positions = true;
  const Model learned = Model::random(spec, DType::f32);
  EXPECT_EQ(Session(learned).context(), 24);
  EXPECT_EQ(Session(learned, {.context = 7}).context(), 7);
  const std::string message =
      test::expect_error(ErrorCode::invalid_argument, [&] { Session(learned, {.context = 25}); });
  EXPECT_NE(message.find("24"), std::string::npos) << message;
}

}  // namespace
}  // namespace plumb::session_test
