// Models of latent attention alone, of shapes that no published model has: against the expanded form in double
// precision, which makes keys and values of every head; the same bits for every cut, number of threads and sequence
// beside; cut back and copied.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "plumb/model/model.hpp"
#include "plumb/perf/ledger.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::latent_attention_test {
namespace {

using Values = std::vector<double>;

constexpr int kVocab = 97, kWidth = 48, kContext = 64;

ModelSpec model_of(const LatentAttentionSpec& latent, int layers = 2) {
  ModelSpec spec;
  spec.family = "deepseek2";
  spec.vocab_size = kVocab;
  spec.width = kWidth;
  spec.context = kContext;
  RopeSpec rope;
  rope.dims = std::max(2, latent.rope_dims);
  spec.ropes.assign(2, rope);
  spec.ropes[1].pairs = RopePairs::halves;
  LayerSpec layer;
  layer.mixer = latent;
  layer.mixer_branch.norm = NormSpec{};
  spec.layers.assign(static_cast<std::size_t>(layers), layer);
  return spec;
}

/// The expanded form, written from the papers' formulas. Norms of random models have weights of 1, biases are 0.
class Expanded {
 public:
  explicit Expanded(const Model& model) : spec_(model.spec()), weights_(model.transformer().weights) {}

  Values logits(std::span<const Token> tokens) {
    Values all;
    std::vector<Layer> layers(spec_.layers.size());
    for (std::size_t p = 0; p < tokens.size(); ++p) {
      Values x = row(weights_.embedding.w, tokens[p]);
      for (std::size_t l = 0; l < layers.size(); ++l) {
        const Values y = attend(l, layers[l], normed(x, 1e-5), static_cast<double>(p));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
      }
      const Values own = times(weights_.head.w, normed(x, 1e-5));
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

 private:
  struct Layer {
    std::vector<std::vector<Values>> keys, values;  // [position][head]
    std::vector<Values> index_keys;
  };

  static Values row(const ops::WeightMatrix& w, std::int64_t r) {
    std::vector<float> floats(static_cast<std::size_t>(w.cols));
    dequantize_row(w.type, w.file.row(r), floats.data(), w.cols);
    return {floats.begin(), floats.end()};
  }
  static Values times(const ops::WeightMatrix& w, const Values& x) {
    Values y;
    for (std::int64_t r = 0; r < w.rows; ++r) {
      const Values own = row(w, r);
      y.push_back(std::inner_product(own.begin(), own.end(), x.begin(), 0.0));
    }
    return y;
  }
  static Values normed(const Values& x, double eps) {
    const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
    Values y;
    for (const double v : x) y.push_back(v / std::sqrt(squares / static_cast<double>(x.size()) + eps));
    return y;
  }
  static Values layer_normed(const Values& x, double eps) {
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
    Values y;
    for (const double v : x) y.push_back(v - mean);
    return normed(y, eps);
  }
  static Values part(const Values& x, int first, int n) { return {x.begin() + first, x.begin() + first + n}; }
  void rotate(Values& x, int rope, double position) const {
    if (rope < 0) return;
    const RopeSpec& table = spec_.ropes[static_cast<std::size_t>(rope)];
    const auto half = static_cast<std::size_t>(table.dims / 2);
    for (std::size_t i = 0; i < half; ++i) {
      const double angle =
          position * std::pow(static_cast<double>(table.base), -2.0 * static_cast<double>(i) / table.dims);
      const bool halves = table.pairs == RopePairs::halves;
      double &a = x[halves ? i : 2 * i], &b = x[halves ? i + half : 2 * i + 1];
      const double c = a, d = b;
      a = c * std::cos(angle) - d * std::sin(angle);
      b = c * std::sin(angle) + d * std::cos(angle);
    }
  }

  Values attend(std::size_t l, Layer& kept, const Values& x, double position) const {
    const auto& s = std::get<LatentAttentionSpec>(spec_.layers[l].mixer);
    const auto& w = std::get<LatentAttentionWeights>(weights_.layers[l].mixer);
    const Values compressed = s.q_rank > 0 ? normed(times(w.q_down.w, x), 1e-5) : x;
    const Values q = times(w.q_up.w, compressed), down = times(w.kv_down.w, x);
    const Values latent = normed(part(down, 0, s.kv_rank), 1e-5);
    Values shared = part(down, s.kv_rank, s.rope_dims);
    rotate(shared, s.rope, position);
    std::vector<Values> keys, values;
    for (int h = 0; h < s.n_heads; ++h) {
      Values key(static_cast<std::size_t>(s.nope_dims));  // the matrix lies turned
      const ops::WeightMatrix k_up = ops::matrix_of(w.k_up.w, h);
      for (int r = 0; r < s.kv_rank; ++r) {
        const Values own = row(k_up, r);
        for (std::size_t i = 0; i < key.size(); ++i) key[i] += own[i] * latent[static_cast<std::size_t>(r)];
      }
      key.insert(key.end(), shared.begin(), shared.end());
      keys.push_back(key);
      values.push_back(times(ops::matrix_of(w.v_up.w, h), latent));
    }
    kept.keys.push_back(keys);
    kept.values.push_back(values);
    const std::vector<bool> sees = chosen(s.indexer, w.indexer, kept, x, compressed, position);
    const double scale = s.scale > 0 ? static_cast<double>(s.scale) : 1 / std::sqrt(s.head_dim());
    Values heads;
    for (int h = 0; h < s.n_heads; ++h) {
      const auto head = static_cast<std::size_t>(h);
      const Values own = part(q, h * s.head_dim(), s.head_dim());
      Values query = part(own, 0, s.nope_dims), turned = part(own, s.nope_dims, s.rope_dims);
      rotate(turned, s.rope, position);
      query.insert(query.end(), turned.begin(), turned.end());
      Values out(static_cast<std::size_t>(s.v_dims));
      double sum = 0;
      for (std::size_t p = 0; p < kept.keys.size(); ++p) {
        if (!sees[p]) continue;
        const Values& key = kept.keys[p][head];
        const double weight = std::exp(scale * std::inner_product(query.begin(), query.end(), key.begin(), 0.0));
        sum += weight;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] += weight * kept.values[p][head][i];
      }
      for (const double v : out) heads.push_back(v / sum);
    }
    return times(w.out.w, heads);
  }

  std::vector<bool> chosen(const IndexerSpec& s, const IndexerWeights& w, Layer& kept, const Values& x,
                           const Values& compressed, double position) const {
    std::vector<bool> sees(kept.keys.size(), true);
    if (!s.exists()) return sees;
    Values key = layer_normed(times(w.k.w, x), 1e-6);
    rotate(key, s.rope, position);
    kept.index_keys.push_back(key);
    if (sees.size() <= static_cast<std::size_t>(s.top)) return sees;
    const Values q = times(w.q.w, compressed), weights = times(w.weights.w, x);
    Values scores(sees.size());
    for (int h = 0; h < s.heads; ++h) {
      Values query = part(q, h * s.dims, s.dims);
      rotate(query, s.rope, position);
      for (std::size_t p = 0; p < scores.size(); ++p)
        scores[p] += weights[static_cast<std::size_t>(h)] *
                     std::max(0.0, std::inner_product(query.begin(), query.end(), kept.index_keys[p].begin(), 0.0));
    }
    std::vector<std::size_t> order(scores.size());  // of equal scores, and 0 is frequent, the earliest first
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    for (std::size_t i = static_cast<std::size_t>(s.top); i < order.size(); ++i) sees[order[i]] = false;
    return sees;
  }

  const ModelSpec& spec_;
  const Weights& weights_;
};

struct Shape {
  const char* name;
  LatentAttentionSpec latent;
};
const Shape kShapes[] = {
    {"plain", {.n_heads = 3, .kv_rank = 20, .rope_dims = 6, .nope_dims = 10, .v_dims = 14}},
    {"compressed", {.n_heads = 5, .q_rank = 36, .kv_rank = 33, .rope_dims = 8, .nope_dims = 7, .v_dims = 9}},
    {"wide_queries", {.n_heads = 2, .q_rank = 80, .kv_rank = 100, .rope_dims = 2, .nope_dims = 1, .v_dims = 40}},
    {"one_head", {.n_heads = 1, .kv_rank = 1, .rope_dims = 4, .nope_dims = 3, .v_dims = 1}},
    {"unrotated", {.n_heads = 4, .kv_rank = 24, .rope_dims = 8, .nope_dims = 16, .v_dims = 16, .rope = -1}},
    {"no_rotated_part", {.n_heads = 4, .kv_rank = 24, .nope_dims = 16, .v_dims = 16, .rope = -1}},
    {"many_heads",
     {.n_heads = 37, .kv_rank = 16, .rope_dims = 4, .nope_dims = 4, .v_dims = 4, .scale = 0.3f, .down_bias = true}},
    {"groups_of_heads", {.n_heads = 66, .q_rank = 16, .kv_rank = 32, .rope_dims = 4, .nope_dims = 4, .v_dims = 4}},
    {"indexer",
     {.n_heads = 3,
      .q_rank = 20,
      .kv_rank = 24,
      .rope_dims = 6,
      .nope_dims = 10,
      .v_dims = 14,
      .indexer = {.heads = 5, .dims = 9, .top = 7, .rope = 1}}},
    {"indexer_without_rotation",
     {.n_heads = 9,
      .q_rank = 20,
      .kv_rank = 16,
      .nope_dims = 10,
      .v_dims = 14,
      .rope = -1,
      .indexer = {.heads = 1, .dims = 16, .top = 1}}},
};

std::vector<Token> tokens(int count, int seed = 0) {
  std::vector<Token> all;
  for (int i = 0; i < count; ++i) all.push_back((31 * i + 7 * i * i + seed) % kVocab);
  return all;
}

class LatentModels : public testing::TestWithParam<Shape> {
 protected:
  ModelSpec spec = model_of(GetParam().latent);
};

TEST_P(LatentModels, EqualTheExpandedForm) {
  const Model model = Model::random(spec, DType::f32, 3, {.exact = true});
  const std::vector<Token> text = tokens(24);
  const Values want = Expanded(model).logits(text);
  const std::vector<float> got = test::all_logits(model, text, 7, {.context = kContext, .threads = 2});
  EXPECT_LT((test::nmse<float, double>(got, want)), 1e-9);
}

TEST_P(LatentModels, EveryCutAndEveryNumberOfThreadsGivesTheSameBits) {
  const std::vector<Token> text = tokens(60);
  for (const DType type : {DType::f32, DType::q4_0}) {
    const Model model = Model::random(spec, type);
    for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
      const auto logits = [&](std::size_t chunk, int threads) {
        return test::all_logits(model, text, chunk, {.context = kContext, .threads = threads, .kv = kv});
      };
      const std::vector<float> whole = logits(text.size(), 1);
      for (const auto& [chunk, threads] : {std::pair{1, 1}, {1, 3}, {3, 8}, {5, 2}, {59, 3}, {60, 8}})
        EXPECT_EQ(logits(static_cast<std::size_t>(chunk), threads), whole)
            << dtype_name(type) << " kv " << dtype_name(kv) << ", " << chunk << " at once, " << threads << " threads";
    }
  }
}

TEST_P(LatentModels, SequencesSideBySideDoNotMeet) {
  const Model model = Model::random(spec, DType::q8_0);
  const std::vector<Token> first = tokens(40), second = tokens(40, 5);
  const std::vector<float> alone[] = {test::all_logits(model, first), test::all_logits(model, second)};
  Session session(model, {.context = kContext, .threads = 3, .sequences = 2});
  std::vector<float> beside[2];
  for (int p = 0; p < 40; ++p) {
    const auto i = static_cast<std::size_t>(p);
    session.forward(std::vector<BatchRow>{{second[i], p, 1, true}, {first[i], p, 0, true}});
    for (const int s : {0, 1}) {
      const std::span<const float> own = session.logits(1 - s);
      beside[s].insert(beside[s].end(), own.begin(), own.end());
    }
  }
  EXPECT_EQ(beside[0], alone[0]);
  EXPECT_EQ(beside[1], alone[1]);
}

TEST_P(LatentModels, CutBackAndCopiedGivesTheSameBits) {
  const Model model = Model::random(spec, DType::q8_0);
  const std::vector<Token> text = tokens(50);
  for (const DType kv : {DType::f32, DType::i8}) {
    const std::vector<float> all = test::all_logits(model, text, 50, {.context = kContext, .threads = 1, .kv = kv});
    const std::span<const float> last = std::span(all).last(kVocab);
    Session session(model, {.context = kContext, .threads = 2, .sequences = 2, .kv = kv});
    for (const int kept : {1, 17, 49}) {
      session.clear(0);
      session.prefill(text, 0);
      session.copy(0, 1, kept);
      session.truncate(0, kept);
      for (const int s : {0, 1}) {
        session.prefill(std::span(text).subspan(static_cast<std::size_t>(kept)), s);
        EXPECT_TRUE(std::ranges::equal(session.logits(), last)) << kept << " kept in sequence " << s;
      }
    }
  }
}

/// A vector a position, whatever the number of heads, and a key for an indexer.
TEST_P(LatentModels, TheStateIsAVectorAPosition) {
  const LatentAttentionSpec& latent = GetParam().latent;
  const int parts = 1 + (latent.rope_dims > 0 ? 1 : 0) + (latent.indexer.exists() ? 1 : 0);
  const double values = latent.kv_rank + latent.rope_dims + latent.indexer.dims;
  EXPECT_EQ(state_bytes(spec, DType::f32, 1000, 10), 2 * 1000 * 4 * values);
  EXPECT_EQ(state_bytes(spec, DType::i8, 1000, 10), 2 * 1000 * (values + 4 * parts));
  const SessionState state(layer_states(spec), {.context = 1536, .kv = DType::f16});
  const double padded = padded_value_dim(latent.kv_rank) + padded_value_dim(latent.rope_dims) + latent.indexer.dims;
  EXPECT_NEAR(static_cast<double>(state.bytes()), 2 * 1536 * 2 * padded, 6 * 2 * 4 * 64);
}

INSTANTIATE_TEST_SUITE_P(Shapes, LatentModels, testing::ValuesIn(kShapes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace plumb::latent_attention_test
