// Stopping: a pass ends within a layer on all threads, whatever was asked of it; what the session holds then is whole,
// and going on gives the bits of a session that was never stopped.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "plumb/core/checksum.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/state_models.hpp"

namespace plumb::session_stop_test {
namespace {

using test::StateModel;

/// Asks for a stop when the observer has seen so many products.
struct StopAt {
  explicit StopAt(int products) : left(products) {}
  std::stop_source source;
  std::atomic<int> left;

  ActivationObserver observer() {
    return [this](auto&&...) {
      if (--left == 0) source.request_stop();
    };
  }
};

TEST(Stop, APrefillStoppedAnywhereGoesOnAsIfNothingHadHappened) {
  const std::vector<Token> first = test::state_text(90, 1), second = test::state_text(70, 2);
  for (const StateModel& kind : test::state_models())
    for (const int products : {1, 2, 5, 9, 14, 23, 31, 47})
      for (const int threads : {1, 3}) {
        SCOPED_TRACE(testing::Message() << kind.name << " after " << products << " products, " << threads
                                        << " threads");
        StopAt stop(1 << 30);
        Session session(kind.model, {.threads = threads,
                                     .batch = 24,
                                     .observer = stop.observer(),
                                     .checkpoints = products % 2 == 0 ? 2 : 0,
                                     .checkpoint_every = 24});
        session.prefill(first);
        stop.left = products;
        const ReadResult result = session.prefill(second, 0, stop.source.get_token());
        const auto read = static_cast<std::size_t>(session.length());
        if (result == ReadResult::stopped) {
          EXPECT_EQ((read - first.size()) % 24, 0u) << "whole passes";
          EXPECT_LT(read, first.size() + second.size());
        }
        const std::vector<Token> all = test::joined(first, second);
        EXPECT_TRUE(std::ranges::equal(session.tokens(), std::span(all).first(read)));
        stop.left = 1 << 30;
        if (read < all.size()) session.prefill(std::span(all).subspan(read));
        EXPECT_EQ(test::last_logits(session), test::logits_after(kind.model, all));
      }
}

TEST(Stop, AGenerationStoppedAnywhereMakesTheSameTokens) {
  const std::vector<Token> prompt = test::state_text(60, 3);
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session whole(kind.model, {.threads = 2});
    whole.prefill(prompt);
    const std::vector<Token> want = test::greedy(whole, 30);
    StopAt stop(1 << 30);
    Session session(kind.model, {.threads = 2, .observer = stop.observer(), .checkpoint_every = 20});
    session.prefill(prompt);
    std::vector<Token> got;
    int stops = 0;
    while (got.size() < want.size()) {
      stop.source = std::stop_source();
      stop.left = 7 + 11 * stops++ % 40;
      Generation generation = session.generate({.sampling = {.temperature = 0},
                                                .max_tokens = static_cast<int>(want.size() - got.size()),
                                                .cancel = stop.source.get_token()});
      for (const Token token : generation) got.push_back(token);
      EXPECT_TRUE(generation.stop_reason() == StopReason::cancelled ||
                  generation.stop_reason() == StopReason::max_tokens);
      EXPECT_EQ(session.length(), static_cast<int>(prompt.size() + got.size()));
    }
    EXPECT_GT(stops, 1);
    EXPECT_EQ(got, want);
  }
}

TEST(Stop, NoPassRunsOnceAStopWasAskedFor) {
  Session session(test::state_model("attention").model, {.threads = 2});
  std::stop_source source;
  source.request_stop();
  const std::vector<Token> tokens = test::state_text(5);
  EXPECT_EQ(session.prefill(tokens, 0, source.get_token()), ReadResult::stopped);
  EXPECT_EQ(session.decode(1, 0, source.get_token()), ReadResult::stopped);
  EXPECT_EQ(session.forward(test::rows_of(tokens), PassOutput::logits, source.get_token()), ReadResult::stopped);
  EXPECT_EQ(session.length(), 0);
  EXPECT_EQ(session.rows_read(), 0u);
  EXPECT_EQ(session.prefill(tokens, 0, std::stop_source().get_token()), ReadResult::done);
}

/// From another thread, at any time: no thread waits for one that has left.
TEST(Stop, RequestsFromAnotherThreadNeverHang) {
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.threads = 4, .batch = 8, .checkpoint_every = 30});
    const std::vector<Token> tokens = test::state_text(300, 5);
    for (int round = 0; round < 6; ++round) {
      std::stop_source source;
      std::jthread other([&source, round] {
        std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
        source.request_stop();
      });
      session.clear();
      (void)session.prefill(tokens, 0, source.get_token());
    }
    const auto read = static_cast<std::size_t>(session.length());
    if (read < tokens.size()) session.prefill(std::span(tokens).subspan(read));
    EXPECT_EQ(test::last_logits(session), test::logits_after(kind.model, tokens));
  }
}

/// Several sequences in one pass are all as they were.
TEST(Stop, APassOverSeveralSequencesCountsForNone) {
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    StopAt stop(1 << 30);
    Session session(kind.model, {.threads = 2, .sequences = 2, .observer = stop.observer()});
    const std::vector<Token> texts[] = {test::state_text(20, 1), test::state_text(33, 2)};
    for (const int s : {0, 1}) session.prefill(texts[s], s);
    const std::vector<BatchRow> rows = {{3, 20, 0, true}, {4, 33, 1, true}, {5, 21, 0, true}};
    stop.left = 9;
    ASSERT_EQ(session.forward(rows, PassOutput::logits, stop.source.get_token()), ReadResult::stopped);
    EXPECT_EQ(session.length(0), 20);
    EXPECT_EQ(session.length(1), 33);
    session.forward(rows);
    const std::vector<Token> want[] = {test::joined(texts[0], std::vector<Token>{3, 5}),
                                       test::joined(texts[1], std::vector<Token>{4})};
    const auto got = session.logits(2), beside = session.logits(1);
    EXPECT_EQ(std::vector<float>(got.begin(), got.end()), test::logits_after(kind.model, want[0]));
    EXPECT_EQ(std::vector<float>(beside.begin(), beside.end()), test::logits_after(kind.model, want[1]));
  }
}

TEST(Stop, ProgressComesAfterEveryPass) {
  Session session(test::state_model("attention").model, {.threads = 2, .batch = 16});
  std::vector<double> heard;
  EXPECT_EQ(session.prefill(test::state_text(60), 0, {}, [&](double part) { heard.push_back(part); }),
            ReadResult::done);
  EXPECT_EQ(heard, (std::vector<double>{16.0 / 60, 32.0 / 60, 48.0 / 60, 1}));
}

TEST(Stop, LoadingEndsWithAnError) {
  test::GgufBuilder builder;
  test::add_tiny_llama(builder, 64, {.dim = 40, .heads = 4, .kv_heads = 2, .head_dim = 10, .ffn = 52, .layers = 2});
  const test::AlignedCopy bytes(builder.bytes());
  std::stop_source source;
  LoadOptions options{.cancel = source.get_token()};
  options.progress = [&](double) { source.request_stop(); };
  const std::string message = test::expect_error(
      ErrorCode::cancelled, [&] { (void)Model::from_file(GgufFile::from_memory(bytes.bytes(), "built"), options); });
  EXPECT_NE(message.find("built"), std::string::npos) << message;
}

/// Published values of XXH64.
TEST(ChecksumOf, KnownTexts) {
  const auto of = [](std::string_view text) { return checksum(std::as_bytes(std::span(text))); };
  EXPECT_EQ(of(""), 0xef46db3751d8e999u);
  EXPECT_EQ(of("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(of("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(of("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
  const std::string text(1000, 'x');
  for (const std::size_t cut : {1U, 31U, 32U, 33U, 500U}) {
    Checksum parts;
    parts.add(std::as_bytes(std::span(text).first(cut)));
    parts.add(std::as_bytes(std::span(text).subspan(cut)));
    EXPECT_EQ(parts.value(), of(text)) << cut;
  }
}

}  // namespace
}  // namespace plumb::session_stop_test
