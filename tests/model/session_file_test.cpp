// Sessions as bytes: what was saved goes on bit for bit, for every kind of state, in sessions of other sizes too.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/expect_error.hpp"
#include "tests/support/state_models.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::session_file_test {
namespace {

using test::StateModel;

/// What follows: some tokens generated, a text read, cut back, and read again.
std::vector<float> continued(Session& session, int s) {
  std::vector<float> all;
  for (const Token token : test::greedy(session, 5, s)) all.push_back(static_cast<float>(token));
  session.prefill(test::state_text(30, 9), s);
  const auto append = [&] { all.insert(all.end(), session.logits().begin(), session.logits().end()); };
  append();
  session.truncate(s, session.length(s) - 17);
  session.prefill(test::state_text(11, 4), s);
  append();
  return all;
}

TEST(SavedSessions, GoOnBitForBit) {
  for (const StateModel& kind : test::state_models())
    for (const DType kv : {DType::f32, DType::f16, DType::i8})
      for (const std::size_t length : {1U, 16U, 100U, 400U}) {
        if (kv != DType::f32 && length != 100) continue;
        SCOPED_TRACE(testing::Message() << kind.name << " " << kv_type_name(kv) << " " << length << " tokens");
        Session session(kind.model, {.threads = 2, .batch = 30, .kv = kv});
        session.prefill(test::state_text(length));
        const std::vector<std::byte> saved = session.save();
        const std::vector<float> want = continued(session, 0);
        // Into a sequence that has read something else, of a session with other rings.
        for (const int batch : {30, 7, 300}) {
          Session other(kind.model, {.context = 1000, .threads = 3, .sequences = 3, .batch = batch, .kv = kv});
          other.prefill(test::state_text(60, 7), 2);
          other.restore(saved, 2);
          EXPECT_EQ(other.length(2), static_cast<int>(length));
          EXPECT_EQ(other.rows_read(), 60u);
          EXPECT_EQ(continued(other, 2), want) << batch;
        }
      }
}

TEST(SavedSessions, AreTheSameBytesAgain) {
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.threads = 2}), other(kind.model, {.threads = 2, .sequences = 2});
    session.prefill(test::state_text(333));
    const std::vector<std::byte> saved = session.save();
    other.restore(saved, 1);
    EXPECT_EQ(other.save(1), saved);
  }
}

/// A generated token that was not read, state that was lost, nothing at all.
TEST(SavedSessions, HoldSequencesInEveryState) {
  for (const StateModel& kind : test::state_models()) {
    SCOPED_TRACE(kind.name);
    Session session(kind.model, {.context = 60, .threads = 2, .sequences = 2}), other(kind.model, {.context = 60});
    const auto expect_same = [&](int s) {
      other.restore(session.save(s));
      EXPECT_TRUE(std::ranges::equal(session.tokens(s), other.tokens()));
      if (session.length(s) == 0 || session.length(s) >= 60) return;
      EXPECT_EQ(test::greedy(session, 3, s), test::greedy(other, 3));
    };
    expect_same(0);
    session.prefill(test::state_text(20));
    test::greedy(session, 4);
    EXPECT_EQ(session.length(), 24);
    expect_same(0);
    session.truncate(0, 13);
    expect_same(0);
    session.prefill(test::state_text(30, 5), 1);  // the logits of sequence 0 are overwritten
    expect_same(0);
    session.clear(1);
    expect_same(1);
    test::greedy(session, 100);
    EXPECT_EQ(session.length(), 61) << "one more than fits was generated";
    expect_same(0);
  }
}

TEST(SavedSessions, AsFilesAreCompleteOrAsTheyWere) {
  const test::TempDir dir;
  const StateModel& kind = test::state_model("hybrid");
  Session session(kind.model, {.threads = 2}), other(kind.model, {.threads = 2});
  session.prefill(test::state_text(50));
  session.save(dir / "one.session");
  EXPECT_EQ(std::filesystem::file_size(dir / "one.session"), session.save().size());
  other.load(dir / "one.session");
  EXPECT_EQ(continued(other, 0), continued(session, 0));
  EXPECT_EQ(dir.entries(), 1u);
  test::expect_error(ErrorCode::io, [&] { session.save(dir / "absent" / "one.session"); });
  test::expect_error(ErrorCode::io, [&] { session.load(dir / "absent.session"); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.save(1); });
  test::expect_error(ErrorCode::out_of_range, [&] { session.load(dir / "one.session", 1); });
}

TEST(Fingerprints, TellModelsApart) {
  const ModelSpec spec = test::state_spec();
  const Model model = Model::random(spec, DType::q8_0, 7);
  EXPECT_EQ(Model::random(spec, DType::q8_0, 7).fingerprint(), model.fingerprint());
  EXPECT_NE(Model::random(spec, DType::q8_0, 8).fingerprint(), model.fingerprint());
  EXPECT_NE(Model::random(spec, DType::q4_0, 7).fingerprint(), model.fingerprint());
  ModelSpec slower = spec;
  slower.ropes[0].base = 20000;
  EXPECT_NE(Model::random(slower, DType::q8_0, 7).fingerprint(), model.fingerprint());
}

}  // namespace
}  // namespace plumb::session_file_test
