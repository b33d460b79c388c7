// What sequences keep of what they have read: checkpoints of recurrent state, tokens removed from the middle, full
// contexts.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "plumb/blocks/checkpoints.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/state_models.hpp"

namespace plumb::session_state_test {
namespace {

using test::StateModel;

TEST(Checkpoints, ACutReadsAgainFromTheLastOneOnly) {
  const std::vector<Token> tokens = test::state_text(500, 1), other = test::state_text(9, 2);
  for (const StateModel& kind : test::state_models()) {
    if (!kind.recurrent) continue;
    for (const int kept : {499, 490, 401, 400, 350, 60, 10}) {
      SCOPED_TRACE(testing::Message() << kind.name << " cut to " << kept);
      Session session(kind.model,
                      {.threads = 2, .sequences = 2, .batch = 500, .checkpoints = 100, .checkpoint_every = 50});
      for (std::size_t i = 0; i < tokens.size(); i += 25) session.prefill(std::span(tokens).subspan(i, 25));
      session.copy(0, 1, kept);
      session.truncate(0, kept);
      for (const int s : {0, 1}) {
        const std::uint64_t before = session.rows_read();
        session.prefill(other, s);
        EXPECT_EQ(session.rows_read() - before, static_cast<std::uint64_t>(kept % 50) + other.size()) << s;
        const std::vector<Token> whole = test::joined({tokens.begin(), tokens.begin() + kept}, other);
        EXPECT_EQ(test::last_logits(session), test::logits_after(kind.model, whole)) << s;
      }
    }
  }
}

TEST(Checkpoints, TakeNoMoreMemoryThanTheyMay) {
  const Model& model = test::state_model("mamba").model;
  const auto bytes = [&](int checkpoints, std::size_t tokens) {
    Session session(model, {.threads = 1, .sequences = 2, .checkpoints = checkpoints, .checkpoint_every = 10});
    const std::size_t before = session.state_bytes();
    for (std::size_t i = 0; i < tokens; i += 10) session.prefill(test::state_text(10));
    session.copy(0, 1, session.length());
    return session.state_bytes() - before;
  };
  const std::size_t one = bytes(5, 10);
  EXPECT_GE(one, 3u * 48 * (8 + 3) * 4);
  EXPECT_EQ(bytes(0, 100), 0u);
  EXPECT_EQ(bytes(5, 0), 0u);
  EXPECT_EQ(bytes(5, 30), 3 * one) << "what a copy shares counts once";
  EXPECT_EQ(bytes(5, 300), 5 * one);
}

TEST(Checkpoints, LieCloserTogetherTowardsTheEnd) {
  Checkpoints checkpoints(4, 10);
  for (int length = 1; length <= 400; ++length)
    if (checkpoints.due(length)) checkpoints.add(length, 8);
  ASSERT_EQ(checkpoints.all().size(), 4u);
  EXPECT_EQ(checkpoints.all().back().position, 400);
  int before = 400, gap = 0;
  for (auto one = checkpoints.all().rbegin() + 1; one != checkpoints.all().rend(); ++one) {
    EXPECT_GE(before - one->position, gap);
    gap = before - one->position;
    before = one->position;
  }
  EXPECT_EQ(checkpoints.before(9), nullptr);
  EXPECT_EQ(checkpoints.before(399)->position, checkpoints.all()[2].position);
  checkpoints.cut(398);
  EXPECT_EQ(checkpoints.all().size(), 3u);
}

/// Copies of copies, cut and read on in every order, are what fresh sessions are.
TEST(Forks, GoOnAsIfReadAnew) {
  const std::vector<Token> prompt = test::state_text(700, 1);
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.threads = 2, .sequences = 6, .batch = 100});
    std::vector<std::vector<Token>> texts(6);
    const auto expect_all = [&] {
      for (int s = 0; s < 6; ++s) {
        const std::vector<Token>& own = texts[static_cast<std::size_t>(s)];
        ASSERT_TRUE(std::ranges::equal(session.tokens(s), own)) << s;
        if (own.empty()) continue;
        Session fresh(kind.model, {.threads = 2});
        fresh.prefill(own);
        const std::vector<Token> more = test::state_text(3, static_cast<unsigned>(s) + 50);
        fresh.prefill(more);
        session.prefill(more, s);
        ASSERT_EQ(test::last_logits(session), test::last_logits(fresh)) << s;
        texts[static_cast<std::size_t>(s)].insert(texts[static_cast<std::size_t>(s)].end(), more.begin(), more.end());
      }
    };
    const auto read = [&](int s, const std::vector<Token>& tokens) {
      session.prefill(tokens, s);
      texts[static_cast<std::size_t>(s)].insert(texts[static_cast<std::size_t>(s)].end(), tokens.begin(), tokens.end());
    };
    const auto fork = [&](int from, int to, int length) {
      session.copy(from, to, length);
      texts[static_cast<std::size_t>(to)] = texts[static_cast<std::size_t>(from)];
      texts[static_cast<std::size_t>(to)].resize(static_cast<std::size_t>(length));
    };
    const auto cut = [&](int s, int length) {
      session.truncate(s, length);
      texts[static_cast<std::size_t>(s)].resize(static_cast<std::size_t>(length));
    };
    read(0, prompt);
    fork(0, 1, 700);
    fork(1, 2, 600);
    fork(2, 3, 512);
    fork(0, 4, 256);
    fork(3, 5, 100);
    ASSERT_NO_FATAL_FAILURE(expect_all());
    cut(0, 300);
    read(0, test::state_text(290, 2));
    cut(3, 511);
    read(3, test::state_text(20, 3));
    cut(1, 0);
    fork(2, 4, 590);
    ASSERT_NO_FATAL_FAILURE(expect_all());
    fork(0, 1, 550);
    session.remove(0, 5, 280);
    texts[0].erase(texts[0].begin() + 5, texts[0].begin() + 280);
    cut(0, 5);  // what was moved is not what a fresh session has
    ASSERT_NO_FATAL_FAILURE(expect_all());
  }
}

TEST(Forks, AreCutInTheMiddleAsAnUnsharedSequenceIs) {
  for (const int threads : {1, 2}) {
    Session alone(test::state_model("attention").model, {.threads = threads, .sequences = 2});
    Session forked(test::state_model("attention").model, {.threads = threads, .sequences = 2});
    const std::vector<Token> text = test::state_text(700);
    for (Session* session : {&alone, &forked}) session->prefill(text, 0);
    forked.copy(0, 1, 700);
    for (Session* session : {&alone, &forked}) {
      session->remove(0, 5, 280);
      session->decode(3, 0);
    }
    const std::span<const float> want = alone.logits(), got = forked.logits();
    EXPECT_TRUE(std::equal(want.begin(), want.end(), got.begin(), got.end())) << "the one that was cut";
    forked.decode(4, 1);
    alone.clear(0);
    alone.prefill(text, 0);
    alone.decode(4, 0);
    const std::span<const float> whole = alone.logits(), other = forked.logits();
    EXPECT_TRUE(std::equal(whole.begin(), whole.end(), other.begin(), other.end())) << "the other";
  }
}

TEST(Forks, OfOnePromptTakeTheMemoryOfOne) {
  Session session(test::state_model("attention").model, {.threads = 2, .sequences = 200});
  session.prefill(test::state_text(1030), 0);
  const std::size_t one = session.held_bytes() / 5;  // 4 whole blocks, and a few positions of the last
  for (int s = 1; s < 200; ++s) session.copy(0, s, s % 2 == 0 ? 1030 : 1024);
  EXPECT_EQ(session.rows_read(), 1030u);
  EXPECT_EQ(session.held_bytes(), one * (4 + 100));
  for (int s = 0; s < 200; ++s) session.decode(3, s);
  EXPECT_EQ(session.held_bytes(), one * (4 + 200));
}

/// One layer: keys depend on their own token and its position alone, so that moved ones are those of a fresh text.
TEST(Remove, RotatesKeysToTheirNewPlaces) {
  const std::vector<Token> tokens = test::state_text(150, 3), other = test::state_text(5, 4);
  const auto expect_equal = [&](const ModelSpec& spec, DType kv, double most) {
    const Model model = Model::random(spec, DType::f32, 5, {.exact = true});
    Session session(model, {.threads = 2, .kv = kv});
    session.prefill(tokens);
    session.remove(0, 7, 90);
    EXPECT_EQ(session.length(), 67);
    const std::uint64_t before = session.rows_read();
    session.prefill(other);
    EXPECT_EQ(session.rows_read() - before, other.size()) << "nothing is read again";
    std::vector<Token> rest = tokens;
    rest.erase(rest.begin() + 7, rest.begin() + 90);
    const std::vector<float> got = test::last_logits(session),
                             want = test::logits_after(model, test::joined(rest, other), {.kv = kv});
    EXPECT_LT(test::nmse(std::span(got), std::span(want)), most) << kv_type_name(kv);
  };
  for (const RopePairs pairs : {RopePairs::interleaved, RopePairs::halves, RopePairs::none}) {
    ModelSpec spec = test::state_spec(1);
    spec.ropes[0].pairs = pairs;
    spec.ropes[0].dims = 6;
    spec.ropes[0].attn_factor = 1.7f;
    expect_equal(spec, DType::f32, 1e-11);
    expect_equal(spec, DType::f16, 1e-5);
    expect_equal(spec, DType::i8, 1e-3);
  }
  ModelSpec alibi = test::state_spec(1);
  test::attention_of(alibi).rope = -1;
  test::attention_of(alibi).alibi_max_bias = 8;
  expect_equal(alibi, DType::f32, 1e-12);
}

TEST(Remove, ReadsAgainWhatCannotBeRotated) {
  const std::vector<Token> tokens = test::state_text(150, 3), other = test::state_text(5, 4);
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.threads = 2, .batch = 32});
    session.prefill(tokens);
    session.remove(0, 7, 90);
    std::vector<Token> rest = tokens;
    rest.erase(rest.begin() + 7, rest.begin() + 90);
    EXPECT_TRUE(std::ranges::equal(session.tokens(), rest));
    session.remove(0, 60, 67);  // the end
    rest.resize(60);
    const std::uint64_t before = session.rows_read();
    session.prefill(other);
    if (kind.shifts)
      EXPECT_EQ(session.rows_read() - before, other.size());
    else
      EXPECT_EQ(test::last_logits(session), test::logits_after(kind.model, test::joined(rest, other)));
    session.remove(0, 3, 3);
    EXPECT_EQ(session.length(), 65);
    for (const auto& [first, last] : {std::pair{-1, 3}, {4, 3}, {0, 66}})
      test::expect_error(ErrorCode::out_of_range, [&, first = first, last = last] { session.remove(0, first, last); });
    session.remove(0, 0, 65);
    EXPECT_EQ(session.length(), 0);
  }
}

TEST(FullContext, StopsUnlessToldToShift) {
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.context = 50, .threads = 2, .batch = 16});
    session.prefill(test::state_text(40, 1));
    const auto made = [&](const GenerateOptions& options) {
      Generation generation = session.generate(options);
      int count = 0;
      for ([[maybe_unused]] const Token token : generation) ++count;
      return std::tuple(count, generation.stop_reason(), generation.shifted());
    };
    EXPECT_EQ(made({.sampling = {.temperature = 0}}), std::tuple(11, StopReason::context_full, 0));
    EXPECT_EQ(session.length(), 51);
    const std::vector<Token> before(session.tokens().begin(), session.tokens().end());
    const GenerateOptions shift{
        .sampling = {.temperature = 0}, .max_tokens = 60, .when_full = ContextFull::shift, .keep = 6};
    // 22 of the 44 behind the first 6 go each time.
    EXPECT_EQ(made(shift), std::tuple(60, StopReason::max_tokens, 66));
    EXPECT_LE(session.length(), 51);
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 6, session.tokens().begin())) << "the first ones stay";
    EXPECT_EQ(made({.sampling = {.temperature = 0}, .when_full = ContextFull::shift, .keep = 50}),
              std::tuple(6, StopReason::context_full, 0))
        << "nothing may go";
    test::expect_error(ErrorCode::invalid_argument, [&] { (void)session.generate({.keep = -2}); });
  }
}

/// Models that read again are those of a fresh session in every shift.
TEST(FullContext, WhatIsReadAgainIsExact) {
  const StateModel& kind = test::state_model("hybrid");
  Session session(kind.model, {.context = 50, .threads = 2, .batch = 16});
  session.prefill(test::state_text(40, 1));
  for ([[maybe_unused]] const Token token :
       session.generate({.sampling = {.temperature = 0}, .max_tokens = 45, .when_full = ContextFull::shift}))
    ;
  const std::vector<Token> tokens(session.tokens().begin(), session.tokens().end());
  Session fresh(kind.model, {.context = 50, .threads = 2});
  fresh.prefill(tokens);
  EXPECT_EQ(test::greedy(session, 1), test::greedy(fresh, 1));
}

TEST(FullContext, APromptThatDoesNotFitSaysByHowMuch) {
  Session session(test::state_model("attention").model, {.context = 50, .threads = 1});
  const auto message = [&](std::size_t tokens) {
    return test::expect_error(ErrorCode::context_overflow, [&] { session.prefill(test::state_text(tokens)); });
  };
  EXPECT_EQ(message(63), "63 tokens are 13 too many for a context of 50");
  session.prefill(test::state_text(30));
  EXPECT_EQ(message(25), "25 tokens after the 30 of the sequence are 5 too many for a context of 50");
  EXPECT_EQ(session.length(), 30);
}

}  // namespace
}  // namespace plumb::session_state_test
