// Mixers that remember by recurrence: delta nets and short convolutions of many shapes against double precision, and
// sessions of such models, whose state cannot be cut back.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "tests/support/double_blocks.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/specs.hpp"

namespace plumb::recurrent_test {
namespace {

using test::Doubles;
using test::sigmoid;
using test::silu;
using test::times;

constexpr int kVocab = 61, kWidth = 64, kContext = 120;

/// conv of channel c with the table [channels, kernel], over the inputs of all positions so far.
double convolved(const Vector& table, int kernel, std::size_t c, const std::vector<Doubles>& inputs, std::size_t of) {
  double sum = 0;
  for (int j = 0; j < kernel; ++j) {
    const auto back = static_cast<std::size_t>(kernel - 1 - j);
    if (back < inputs.size())
      sum += static_cast<double>(table[c * static_cast<std::size_t>(kernel) + static_cast<std::size_t>(j)]) *
             inputs[inputs.size() - 1 - back][of];
  }
  return sum;
}

/// A delta net, position by position.
class DeltaReference {
 public:
  DeltaReference(const DeltaNetSpec& spec, const DeltaNetWeights& w) : s_(spec), w_(w), states_(heads()) {
    for (auto& state : states_) state.assign(size(s_.k_dim), Doubles(size(s_.v_dim)));
  }
  Doubles step(const Doubles& x) {
    Doubles q, k, v;
    mix(x, q, k, v);
    Doubles beta, decay;
    make_steps(x, beta, decay);
    const Doubles z = s_.gate_rank > 0 ? times(w_.gate_up, times(w_.gate_down, x)) : times(w_.gate, x);
    Doubles out;
    for (int h = 0; h < s_.v_heads; ++h) {
      const int key = s_.tiled ? h % s_.k_heads : h / (s_.v_heads / s_.k_heads);
      const Doubles own =
          rule(h, unit(q, key, 1 / std::sqrt(static_cast<double>(s_.k_dim))), unit(k, key, 1), v, beta[size(h)], decay);
      double power = 0;
      for (const double value : own) power += value * value;
      const double scale = 1 / std::sqrt(power / s_.v_dim + static_cast<double>(s_.norm.eps));
      for (std::size_t i = 0; i < own.size(); ++i) {
        const double gate = z[size(h * s_.v_dim) + i];
        out.push_back(own[i] * scale * static_cast<double>(w_.norm.weight[i]) *
                      (s_.sigmoid_gate ? sigmoid(gate) : silu(gate)));
      }
    }
    return times(w_.out, out);
  }

 private:
  static std::size_t size(int n) { return static_cast<std::size_t>(n); }
  std::size_t heads() const { return size(s_.v_heads); }

  void mix(const Doubles& x, Doubles& q, Doubles& k, Doubles& v) {
    Doubles all = s_.fused ? times(w_.qkv, x) : times(w_.q, x);
    if (!s_.fused)
      for (const Linear* part : {&w_.k, &w_.v})
        for (const double value : times(*part, x)) all.push_back(value);
    inputs_.push_back(all);
    const std::size_t keys = size(s_.q_cols());
    for (std::size_t c = 0; c < all.size(); ++c) {
      const Vector& table = s_.fused ? w_.conv : c < keys ? w_.conv_q : c < 2 * keys ? w_.conv_k : w_.conv_v;
      const std::size_t first = s_.fused || c < keys ? 0 : c < 2 * keys ? keys : 2 * keys;
      (c < keys ? q : c < 2 * keys ? k : v).push_back(silu(convolved(table, s_.kernel, c - first, inputs_, c)));
    }
  }
  void make_steps(const Doubles& x, Doubles& beta, Doubles& decay) const {
    Doubles b, a;
    if (s_.steps_by_group) {
      const Doubles both = times(w_.steps, x);
      const std::size_t group = size(s_.v_heads / s_.k_heads);
      for (std::size_t i = 0; i < both.size(); ++i) (i / group % 2 == 0 ? b : a).push_back(both[i]);
    } else {
      b = times(w_.beta, x);
      a = s_.decay_rank > 0 ? times(w_.decay_up, times(w_.decay_down, x)) : times(w_.alpha, x);
    }
    const std::size_t each = s_.decay_rank > 0 ? size(s_.k_dim) : 1;
    for (const double value : b) beta.push_back(sigmoid(value));
    for (std::size_t i = 0; i < a.size(); ++i)
      decay.push_back(std::exp(static_cast<double>(w_.rates[i / each]) *
                               std::log1p(std::exp(a[i] + static_cast<double>(w_.dt[i])))));
  }
  Doubles unit(const Doubles& all, int head, double scale) const {
    Doubles own(all.begin() + head * s_.k_dim, all.begin() + (head + 1) * s_.k_dim);
    double power = 0;
    for (const double value : own) power += value * value;
    for (double& value : own) value *= scale / std::max(std::sqrt(power), static_cast<double>(s_.norm.eps));
    return own;
  }
  Doubles rule(int head, const Doubles& q, const Doubles& k, const Doubles& v, double beta, const Doubles& decay) {
    auto& state = states_[size(head)];
    Doubles out;
    for (int j = 0; j < s_.v_dim; ++j) {
      double known = 0, answer = 0;
      for (int i = 0; i < s_.k_dim; ++i) {
        state[size(i)][size(j)] *= decay[s_.decay_rank > 0 ? size(head * s_.k_dim + i) : size(head)];
        known += state[size(i)][size(j)] * k[size(i)];
      }
      for (int i = 0; i < s_.k_dim; ++i) {
        state[size(i)][size(j)] += k[size(i)] * beta * (v[size(head * s_.v_dim + j)] - known);
        answer += state[size(i)][size(j)] * q[size(i)];
      }
      out.push_back(answer);
    }
    return out;
  }

  const DeltaNetSpec& s_;
  const DeltaNetWeights& w_;
  std::vector<std::vector<Doubles>> states_;  // [heads][k_dim][v_dim]
  std::vector<Doubles> inputs_;
};

class ShortConvReference {
 public:
  ShortConvReference(const ShortConvSpec& spec, const ShortConvWeights& w) : s_(spec), w_(w) {}
  Doubles step(const Doubles& x) {
    const Doubles all = times(w_.in, x);
    const auto n = static_cast<std::size_t>(s_.channels);
    Doubles input;
    for (std::size_t c = 0; c < n; ++c) input.push_back(all[c] * all[2 * n + c]);
    inputs_.push_back(input);
    Doubles out;
    for (std::size_t c = 0; c < n; ++c) out.push_back(all[n + c] * convolved(w_.conv, s_.kernel, c, inputs_, c));
    return times(w_.out, out);
  }

 private:
  const ShortConvSpec& s_;
  const ShortConvWeights& w_;
  std::vector<Doubles> inputs_;
};

ModelSpec llama(int layers = 1) {
  return llama_spec({.vocab = kVocab,
                     .width = kWidth,
                     .layers = layers,
                     .heads = 4,
                     .kv_heads = 2,
                     .head_dim = 16,
                     .ffn = 96,
                     .context = kContext});
}
ModelSpec spec_of(const Mixer& mixer, int layers = 1) {
  ModelSpec spec = llama(layers);
  for (LayerSpec& layer : spec.layers) layer.mixer = mixer;
  return spec;
}
/// One layer with nothing but the mixer.
ModelSpec bare(const Mixer& mixer) {
  ModelSpec spec = spec_of(mixer);
  spec.layers[0].ffn = Nothing{};
  spec.layers[0].mixer_branch.norm.reset();
  spec.layers[0].ffn_branch.norm.reset();
  spec.output.norm.reset();
  return spec;
}

DeltaNetSpec delta(int k_heads, int v_heads, int k_dim, int v_dim, int kernel) {
  DeltaNetSpec spec;
  spec.k_heads = k_heads;
  spec.v_heads = v_heads;
  spec.k_dim = k_dim;
  spec.v_dim = v_dim;
  spec.kernel = kernel;
  return spec;
}
DeltaNetSpec tiled(DeltaNetSpec spec) {
  spec.tiled = true;
  return spec;
}
DeltaNetSpec grouped_steps(DeltaNetSpec spec) {
  spec.steps_by_group = true;
  return spec;
}
DeltaNetSpec by_channel(DeltaNetSpec spec, int decay_rank, int gate_rank) {
  spec.fused = false;
  spec.decay_rank = decay_rank;
  spec.gate_rank = gate_rank;
  spec.sigmoid_gate = true;
  return spec;
}

std::vector<Mixer> mixers() {
  return {delta(2, 4, 16, 16, 4),
          tiled(delta(2, 6, 24, 16, 3)),
          tiled(delta(3, 9, 16, 40, 2)),
          grouped_steps(delta(2, 6, 20, 24, 5)),
          grouped_steps(delta(1, 3, 7, 5, 8)),
          delta(4, 4, 32, 8, 1),
          by_channel(delta(4, 4, 16, 16, 4), 16, 16),
          by_channel(delta(2, 4, 24, 8, 3), 20, 7),
          by_channel(delta(3, 3, 8, 24, 4), 5, 0),
          ShortConvSpec{kWidth, 3},
          ShortConvSpec{40, 8},
          ShortConvSpec{24, 2}};
}

std::vector<Token> text(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

/// What random models leave constant, made random.
void scatter(const Model& model) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (LayerWeights& layer : const_cast<Transformer&>(model.transformer()).weights.layers) {
    auto* const w = std::get_if<DeltaNetWeights>(&layer.mixer);
    if (!w) continue;
    for (float& rate : w->rates) rate = -std::exp(normal(random) - 1);
    for (float& step : w->dt) step = normal(random);
    for (float& weight : w->norm.weight) weight = 1 + 0.3f * normal(random);
  }
}

template <class Reference>
std::vector<float> reference_logits(const Transformer& t, Reference reference, std::span<const Token> tokens) {
  std::vector<float> logits;
  for (const Token token : tokens) {
    const float* const row = reinterpret_cast<const float*>(t.weights.embedding.w.file.row(token));
    Doubles x(row, row + kWidth);
    const Doubles mixed = reference.step(x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += mixed[i];
    for (const double logit : times(t.weights.head, x)) logits.push_back(static_cast<float>(logit));
  }
  return logits;
}

TEST(RecurrentMixers, EqualDoublePrecisionInManyShapes) {
  const std::vector<Token> tokens = text(40);
  int index = 0;
  for (const Mixer& mixer : mixers()) {
    SCOPED_TRACE(testing::Message() << "mixer " << index++);
    const Model model = Model::random(bare(mixer), DType::f32, 3, {.exact = true});
    scatter(model);
    const Transformer& t = model.transformer();
    const MixerWeights& w = t.weights.layers[0].mixer;
    const std::vector<float> want = match(
        t.spec.layers[0].mixer,
        [&](const DeltaNetSpec& s) {
          return reference_logits(t, DeltaReference(s, std::get<DeltaNetWeights>(w)), tokens);
        },
        [&](const ShortConvSpec& s) {
          return reference_logits(t, ShortConvReference(s, std::get<ShortConvWeights>(w)), tokens);
        },
        [](const auto&) { return std::vector<float>{}; });
    const std::vector<float> got = test::all_logits(model, tokens, 13, {.threads = 2});
    EXPECT_LT(test::nmse(std::span(got), std::span(want)), 1e-9);
  }
}

TEST(RecurrentMixers, EveryCutAndEveryNumberOfThreadsGivesTheSameBits) {
  const std::vector<Token> tokens = text(45, 2);
  int index = 0;
  for (const Mixer& mixer : mixers())
    for (const DType type : {DType::f32, DType::q8_0}) {
      SCOPED_TRACE(testing::Message() << "mixer " << index++);
      const Model model = Model::random(spec_of(mixer, 2), type, 3);
      scatter(model);
      const std::vector<float> whole = test::all_logits(model, tokens, tokens.size());
      for (const auto& [chunk, threads] : {std::pair{1, 1}, {1, 3}, {4, 2}, {5, 8}, {17, 2}, {45, 3}})
        EXPECT_EQ(test::all_logits(model, tokens, static_cast<std::size_t>(chunk), {.threads = threads}), whole)
            << chunk << " at once, " << threads << " threads";
    }
}

/// A delta net, attention and a short convolution, and attention with a delta net beside it.
const Model& hybrid() {
  static const Model model = [] {
    ModelSpec spec = spec_of(tiled(delta(2, 4, 24, 16, 4)), 4);
    const LayerSpec attention = llama().layers[0];
    spec.layers[1] = attention;
    spec.layers[2].mixer = ShortConvSpec{kWidth, 3};
    spec.layers[3] = attention;
    spec.layers[3].beside = grouped_steps(delta(2, 4, 16, 8, 3));
    const Model made = Model::random(spec, DType::q8_0, 11);
    scatter(made);
    return made;
  }();
  return model;
}

std::vector<float> fresh(std::span<const Token> tokens) {
  Session session(hybrid(), {.context = kContext, .threads = 2});
  session.prefill(tokens);
  return {session.logits().begin(), session.logits().end()};
}
std::vector<float> last_row(const Session& session) { return {session.logits().begin(), session.logits().end()}; }

TEST(RecurrentSessions, TwoMixersSideBySideAddUp) {
  const std::vector<Token> tokens = text(30, 9);
  const std::vector<float> whole = test::all_logits(hybrid(), tokens, tokens.size());
  for (const std::size_t chunk : {1U, 3U, 11U})
    for (const int threads : {1, 3}) EXPECT_EQ(test::all_logits(hybrid(), tokens, chunk, {.threads = threads}), whole);
}

TEST(RecurrentSessions, RowsOfSequencesMayAlternate) {
  const std::vector<std::vector<Token>> texts = {text(50, 1), text(33, 2), text(7, 3)};
  Session session(hybrid(), {.context = kContext, .threads = 2, .sequences = 3});
  SCOPED_TRACE("seed 5");
  const auto got = test::alternating_logits(session, texts, 9, 5);
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(got[s], test::all_logits(hybrid(), texts[s])) << "sequence " << s;
}

TEST(RecurrentSessions, WhatIsCutOrCopiedGoesOnAsIfReadAnew) {
  const std::vector<Token> tokens = text(40, 4), other = text(9, 5);
  for (const int kept : {40, 39, 20, 1, 0}) {
    SCOPED_TRACE(kept);
    Session session(hybrid(), {.context = kContext, .threads = 2, .sequences = 2, .batch = 16});
    session.prefill(other, 1);
    session.prefill(tokens, 0);
    session.copy(0, 1, kept);
    session.truncate(0, kept);
    std::vector<Token> whole(tokens.begin(), tokens.begin() + kept);
    whole.insert(whole.end(), other.begin(), other.end());
    for (const int s : {0, 1}) {
      session.prefill(other, s);
      EXPECT_EQ(last_row(session), fresh(whole)) << "sequence " << s;
      const auto read = session.tokens(s);
      EXPECT_EQ(std::vector<Token>(read.begin(), read.end()), whole);
    }
  }
}

std::vector<Token> generated(Session& session, int count, int s = 0) {
  std::vector<Token> tokens;
  for (const Token token : session.generate({.sampling = {.temperature = 0}, .max_tokens = count}, s))
    tokens.push_back(token);
  return tokens;
}

/// Logits that another sequence's pass overwrites are kept: the last token cannot be read once more.
TEST(RecurrentSessions, GenerationGoesOnBesideOtherSequences) {
  Session alone(hybrid(), {.threads = 2});
  alone.prefill(text(9, 1));
  const std::vector<Token> want = generated(alone, 10);
  Session both(hybrid(), {.threads = 2, .sequences = 3});
  both.prefill(text(9, 1), 0);
  both.prefill(text(30, 2), 1);
  std::vector<Token> got = generated(both, 4, 0);
  generated(both, 3, 1);
  both.copy(0, 2, both.length(0));
  for (const Token token : generated(both, 6, 0)) got.push_back(token);
  EXPECT_EQ(got, want);
  EXPECT_EQ(generated(both, 6, 2).size(), 6u);
  // Nothing but the last token was read without logits: everything is read again.
  std::vector<BatchRow> rows = test::rows_of(text(9, 1));
  for (BatchRow& row : rows) row.logits = false;
  both.clear(1);
  for (BatchRow& row : rows) row.sequence = 1;
  both.forward(rows);
  EXPECT_EQ(generated(both, 10, 1), want);
}

}  // namespace
}  // namespace plumb::recurrent_test
