// Layers with windows keep rings of positions: whatever is cut, copied or read side by side, each row's logits are the
// bits of a session that has read the same tokens afresh.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/models.hpp"
#include "tests/support/specs.hpp"

namespace plumb::window_test {
namespace {

constexpr int kContext = 1200, kWindow = 40, kBatch = 24;  // rings of 256 positions: a text goes round several times
constexpr int kVocab = 96;

/// Windows in all layers but every third, or in all; sinks or ALiBi beside them; rotation by another table there;
/// layers that read the keys of others, with all that Gemma 3n has beside its layers; chunks of the text in place of
/// windows.
enum class Kind { mixed, all, sinks, alibi, shared, chunks };
constexpr Kind kKinds[] = {Kind::mixed, Kind::all, Kind::sinks, Kind::alibi, Kind::shared, Kind::chunks};

void share_keys(ModelSpec& spec) {
  for (const int source : {1, 2}) {
    spec.layers.push_back(spec.layers[static_cast<std::size_t>(source)]);
    test::attention_of(spec, spec.n_layers() - 1).kv_from = source;
  }
  test::attention_of(spec, 3).window = kWindow - 9;
  spec.embedding.per_layer = PerLayerEmbeddingSpec{.width = 32, .vocab = kVocab - 5, .norm = {}};
  spec.altup = AltupSpec{.streams = 3, .active = 1, .norm = {}};
  for (LayerSpec& layer : spec.layers) layer.laurel = LaurelSpec{32, {}};
  test::for_each_dense(spec, [](DenseSpec& dense) { dense.sparsity = 0.5f; });
  for_each_attention(spec, [](AttentionSpec& a) { a.value_norm = true, a.value_norm_eps = 1e-5f; });
}

const Model& model(Kind kind) {
  static const std::vector<Model> models = [] {
    std::vector<Model> made;
    for (const Kind each : kKinds) {
      ModelSpec spec = llama_spec({.vocab = kVocab,
                                   .width = 64,
                                   .layers = 3,
                                   .heads = 4,
                                   .kv_heads = 2,
                                   .head_dim = 16,
                                   .ffn = 96,
                                   .context = kContext});
      test::set_windows(spec, kWindow, each == Kind::all ? 0 : 3);
      RopeSpec slow = spec.ropes[0];
      slow.base = 1e6f;
      spec.ropes.push_back(slow);
      for_each_attention(spec, [&](AttentionSpec& attention) {
        attention.rope = each == Kind::alibi ? -1 : attention.window > 0 ? 0 : 1;
        attention.alibi_max_bias = each == Kind::alibi ? 8.0f : 0.0f;
        attention.sinks = each == Kind::sinks;
        if (each == Kind::chunks) attention.chunk = std::exchange(attention.window, 0);
      });
      if (each == Kind::shared) share_keys(spec);
      made.push_back(Model::random(spec, DType::q8_0, 7));
    }
    return made;
  }();
  return models[static_cast<std::size_t>(kind)];
}

std::vector<Token> text(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

/// A batch as long as the context: such a session keeps every position.
std::vector<float> without_rings(Kind kind, std::span<const Token> tokens, DType kv = DType::f32) {
  return test::all_logits(model(kind), tokens, tokens.size(),
                          {.context = kContext, .threads = 2, .batch = kContext, .kv = kv});
}
std::vector<float> last_row(const Session& session) { return {session.logits().begin(), session.logits().end()}; }

/// Logits after these tokens, read afresh.
std::vector<float> fresh(Kind kind, std::span<const Token> tokens, DType kv = DType::f32) {
  Session session(model(kind), {.context = kContext, .threads = 2, .batch = kContext, .kv = kv});
  session.prefill(tokens);
  return last_row(session);
}

TEST(Windows, RingsKeepLessThanTheContext) {
  const Session ring(model(Kind::all), {.context = kContext, .threads = 1, .batch = kBatch});
  const Session whole(model(Kind::all), {.context = kContext, .threads = 1, .batch = kContext});
  EXPECT_LT(3 * ring.state_bytes(), whole.state_bytes());
}

TEST(Windows, AnySplitGivesTheBitsOfASessionThatKeepsEveryPosition) {
  const std::vector<Token> tokens = text(kContext - 100);
  for (const Kind kind : kKinds)
    for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
      if (kv != DType::f32 && kind != Kind::mixed) continue;
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " kv " << dtype_name(kv));
      const std::vector<float> want = without_rings(kind, tokens, kv);
      for (const int batch : {kBatch, 7})
        EXPECT_EQ(test::all_logits(model(kind), tokens, static_cast<std::size_t>(batch),
                                   {.context = kContext, .threads = 2, .batch = batch, .kv = kv}),
                  want)
            << "batch " << batch;
      if (kind != Kind::mixed && kind != Kind::shared) continue;
      EXPECT_EQ(
          test::all_logits(model(kind), tokens, 1, {.context = kContext, .threads = 1, .batch = kBatch, .kv = kv}),
          want)
          << "one by one";
    }
}

/// Near the end, where the ring still has what is seen; far back, where it has lost it; within the first window; at
/// the start.
TEST(Windows, TruncatedSequencesContinueAsIfReadAnew) {
  const std::vector<Token> tokens = text(900, 4), other = text(60, 5);
  for (const Kind kind : kKinds)
    for (const int kept : {899, 850, 700, 560, 300, 39, 1, 0}) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " kept " << kept);
      Session session(model(kind), {.context = kContext, .threads = 2, .batch = kBatch});
      session.prefill(tokens);
      session.truncate(0, kept);
      EXPECT_EQ(session.length(), kept);
      std::vector<Token> whole(tokens.begin(), tokens.begin() + kept);
      whole.insert(whole.end(), other.begin(), other.end());
      session.prefill(std::span(other).first(50));
      for (const Token token : std::span(other).subspan(50)) session.decode(token);
      EXPECT_EQ(last_row(session), fresh(kind, whole));
      EXPECT_EQ(std::vector<Token>(session.tokens().begin(), session.tokens().end()), whole);
    }
}

TEST(Windows, TruncatedAgainAndAgain) {
  const Kind kind = Kind::mixed;
  const std::vector<Token> pool = text(4000, 8);
  std::mt19937 random(3);
  SCOPED_TRACE("seed 3");
  Session session(model(kind), {.context = kContext, .threads = 2, .batch = kBatch});
  std::vector<Token> read;
  std::size_t next = 0;
  for (int round = 0; round < 12; ++round) {
    const int more = static_cast<int>(random() % 300 + 1), room = kContext - static_cast<int>(read.size());
    const auto take = static_cast<std::size_t>(std::min(more, room));
    if (take > 0) {
      const std::span<const Token> part = std::span(pool).subspan(next, take);
      next += take;
      session.prefill(part);
      read.insert(read.end(), part.begin(), part.end());
      ASSERT_EQ(last_row(session), fresh(kind, read)) << "round " << round;
    }
    const std::size_t cut = round % 3 == 0 ? random() % 20 : random() % 400;
    read.resize(read.size() - std::min(cut, read.size()));
    session.truncate(0, static_cast<int>(read.size()));
  }
}

TEST(Windows, CopiesContinueAsIfReadAnew) {
  const std::vector<Token> tokens = text(800, 6), other = text(40, 7), old = text(500, 9);
  for (const Kind kind : kKinds)
    for (const int kept : {800, 790, 600, 200, 10, 0})
      for (const bool used : {false, true}) {  // whether the target has read something before
        SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " kept " << kept << " used " << used);
        Session session(model(kind), {.context = kContext, .threads = 2, .sequences = 2, .batch = kBatch});
        if (used) session.prefill(old, 1);
        session.prefill(tokens, 0);
        session.copy(0, 1, kept);
        EXPECT_EQ(session.length(0), 800);
        EXPECT_EQ(session.length(1), kept);
        std::vector<Token> whole(tokens.begin(), tokens.begin() + kept), both = tokens;
        whole.insert(whole.end(), other.begin(), other.end());
        both.insert(both.end(), other.begin(), other.end());
        session.prefill(other, 1);
        EXPECT_EQ(last_row(session), fresh(kind, whole));
        session.prefill(other, 0);
        EXPECT_EQ(last_row(session), fresh(kind, both));
      }
}

TEST(Windows, InterleavedSequencesGiveWhatEachGivesAlone) {
  const std::vector<std::vector<Token>> texts = {text(700, 1), text(450, 2), text(31, 3)};
  for (const Kind kind : {Kind::mixed, Kind::sinks}) {
    Session session(model(kind), {.context = kContext, .threads = 2, .sequences = 3, .batch = kBatch});
    SCOPED_TRACE("seed 5");
    const auto got = test::alternating_logits(session, texts, kBatch, 5);
    for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(got[s], without_rings(kind, texts[s])) << "sequence " << s;
  }
}

}  // namespace
}  // namespace plumb::window_test
