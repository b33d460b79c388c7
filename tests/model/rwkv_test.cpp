// RWKV 7 in many shapes against double precision, time mixing and channel mixing; however a text is cut, on any number
// of threads and beside other texts it gives the same bits.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "plumb/model/llama_spec.hpp"
#include "tests/support/double_blocks.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::rwkv_test {
namespace {

using test::Doubles;
using test::sigmoid;
using test::times;

constexpr int kVocab = 61, kWidth = 64;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
double at(const Vector& values, std::size_t i) { return static_cast<double>(values[i]); }

/// One layer's time mixing, position by position.
class MixingReference {
 public:
  MixingReference(const RwkvSpec& spec, const RwkvWeights& w)
      : s_(spec), w_(w), before_(kWidth), states_(size(spec.channels()), Doubles(size(spec.head_dim))) {}

  /// `first`: values of the layer whose values are taken; of such a layer they are put there.
  Doubles step(const Doubles& x, Doubles& first) {
    const Doubles r = times(w_.receptance, mixed(x, 0)), w = decays(mixed(x, 1));
    Doubles k = times(w_.key, mixed(x, 2)), v = values(mixed(x, 3), first);
    Doubles a = times(w_.rate_up, times(w_.rate_down, mixed(x, 4)));
    Doubles inner = times(w_.gate_down, mixed(x, 5));
    for (double& value : inner) value = sigmoid(value);
    const Doubles gates = times(w_.gate_up, inner);
    before_ = x;
    Doubles q(k.size());
    for (std::size_t c = 0; c < k.size(); ++c) {
      a[c] = sigmoid(a[c] + at(w_.rate_up.bias, c));
      q[c] = k[c] * at(w_.key_scale, c);
      k[c] *= 1 + (a[c] - 1) * at(w_.key_rate, c);
    }
    Doubles out(k.size());
    for (std::size_t head = 0; head < size(s_.heads); ++head) run_head(head * size(s_.head_dim), r, w, k, v, a, q, out);
    for (std::size_t c = 0; c < out.size(); ++c) out[c] *= gates[c];
    return times(w_.out, out);
  }

 private:
  Doubles mixed(const Doubles& x, std::size_t input) const {
    Doubles y;
    for (std::size_t c = 0; c < x.size(); ++c)
      y.push_back(x[c] + at(w_.shares, input * x.size() + c) * (before_[c] - x[c]));
    return y;
  }
  Doubles decays(const Doubles& x) const {
    Doubles inner = times(w_.decay_down, x);
    for (double& value : inner) value = std::tanh(value);
    Doubles w = times(w_.decay_up, inner);
    for (std::size_t c = 0; c < w.size(); ++c) w[c] = std::exp(-0.606531 * sigmoid(w[c] + at(w_.decay_up.bias, c)));
    return w;
  }
  Doubles values(const Doubles& x, Doubles& first) const {
    Doubles v = times(w_.value, x);
    if (s_.first_rank == 0) return first = v;
    const Doubles share = times(w_.first_up, times(w_.first_down, x));
    for (std::size_t c = 0; c < v.size(); ++c) v[c] += (first[c] - v[c]) * sigmoid(share[c] + at(w_.first_up.bias, c));
    return v;
  }
  void run_head(std::size_t h, const Doubles& r, const Doubles& w, const Doubles& k, const Doubles& v, const Doubles& a,
                const Doubles& q, Doubles& out) {
    const std::size_t n = size(s_.head_dim);
    double power = 0, mean = 0, spread = 0, own = 0;
    for (std::size_t j = 0; j < n; ++j) power += q[h + j] * q[h + j];
    const double scale = 1 / std::max(std::sqrt(power), 1e-12);
    for (std::size_t i = 0; i < n; ++i) {  // a row of the state belongs to a value
      Doubles& state = states_[h + i];
      double known = 0;
      for (std::size_t j = 0; j < n; ++j) known += state[j] * q[h + j] * scale;
      for (std::size_t j = 0; j < n; ++j) {
        state[j] = state[j] * w[h + j] + v[h + i] * k[h + j] - known * a[h + j] * q[h + j] * scale;
        out[h + i] += state[j] * r[h + j];
      }
      mean += out[h + i] / static_cast<double>(n);
    }
    for (std::size_t i = 0; i < n; ++i) spread += std::pow(out[h + i] - mean, 2) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) own += r[h + i] * k[h + i] * at(w_.bonus, h + i);
    for (std::size_t i = 0; i < n; ++i)
      out[h + i] =
          (out[h + i] - mean) / std::sqrt(spread + static_cast<double>(s_.norm.eps)) * at(w_.norm.weight, h + i) +
          at(w_.norm.bias, h + i) + own * v[h + i];
  }

  const RwkvSpec& s_;
  const RwkvWeights& w_;
  Doubles before_;
  std::vector<Doubles> states_;  // [channels][head_dim]
};

/// Channel mixing behind an RMS norm without weights.
class ChannelReference {
 public:
  ChannelReference(const DenseWeights& w, double eps) : w_(w), eps_(eps), before_(kWidth) {}
  Doubles step(Doubles x) {
    double power = 0;
    for (const double value : x) power += value * value / static_cast<double>(x.size());
    for (double& value : x) value /= std::sqrt(power + eps_);
    Doubles mixed;
    for (std::size_t c = 0; c < x.size(); ++c) mixed.push_back(x[c] + at(w_.shares, c) * (before_[c] - x[c]));
    before_ = x;
    Doubles inner = times(w_.up, mixed);
    for (double& value : inner) value = value > 0 ? value * value : 0;
    return times(w_.down, inner);
  }

 private:
  const DenseWeights& w_;
  double eps_;
  Doubles before_;
};

struct Shape7 {
  int heads, head_dim, decay_rank, rate_rank, first_rank, gate_rank;
};
constexpr Shape7 kShapes[] = {{1, 64, 12, 8, 6, 10},  {4, 16, 16, 16, 16, 32}, {8, 8, 1, 2, 3, 4},
                              {3, 20, 33, 5, 31, 17}, {2, 7, 4, 64, 1, 9},     {1, 1, 3, 3, 3, 3},
                              {1, 100, 8, 96, 64, 1}, {2, 24, 32, 1, 2, 65}};

/// The last layers take from the values of the ones before that do not.
ModelSpec spec_of(const Shape7& shape, int layers = 3) {
  ModelSpec spec = llama_spec({.vocab = kVocab,
                               .width = kWidth,
                               .layers = layers,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 16,
                               .ffn = 90,
                               .context = 120});
  spec.ropes.clear();
  for (int l = 0; l < layers; ++l) {
    LayerSpec& layer = spec.layers[size(l)];
    layer.mixer = RwkvSpec{.heads = shape.heads,
                           .head_dim = shape.head_dim,
                           .decay_rank = shape.decay_rank,
                           .rate_rank = shape.rate_rank,
                           .first_rank = l == 0 ? 0 : shape.first_rank,
                           .gate_rank = shape.gate_rank};
    layer.ffn = DenseSpec{.inner = 90, .gated = false, .activation = Activation::relu2, .shift = true};
    layer.ffn_branch.norm->weight = false;
  }
  return spec;
}
/// Without norms but for the one that channel mixing needs.
ModelSpec bare(const Shape7& shape) {
  ModelSpec spec = spec_of(shape, 2);
  for (LayerSpec& layer : spec.layers) layer.mixer_branch.norm.reset();
  spec.output.norm.reset();
  return spec;
}

/// What random models leave constant, made random.
void scatter(const Model& model) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  const auto fill = [&](Vector& values, float mean, float deviation) {
    for (float& value : values) value = mean + deviation * normal(random);
  };
  for (LayerWeights& layer : const_cast<Transformer&>(model.transformer()).weights.layers) {
    fill(std::get<DenseWeights>(layer.ffn).shares, 0.5f, 0.5f);
    auto& w = std::get<RwkvWeights>(layer.mixer);
    fill(w.shares, 0.5f, 0.5f);
    for (Vector* added : {&w.decay_up.bias, &w.rate_up.bias, &w.first_up.bias, &w.bonus}) fill(*added, 0, 1);
    fill(w.key_scale, 1, 0.3f);
    fill(w.key_rate, 0.5f, 0.5f);
    fill(w.norm.weight, 1, 0.3f);
    fill(w.norm.bias, 0, 0.3f);
  }
}

std::vector<Token> text(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

TEST(Rwkv, EqualsDoublePrecisionInManyShapes) {
  const std::vector<Token> tokens = text(40);
  for (const Shape7& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << shape.heads << " heads of " << shape.head_dim);
    const Model model = Model::random(bare(shape), DType::f32, 3, {.exact = true});
    scatter(model);
    const Transformer& t = model.transformer();
    std::vector<MixingReference> mixings;
    std::vector<ChannelReference> channels;
    for (std::size_t l = 0; l < t.spec.layers.size(); ++l) {
      const LayerWeights& w = t.weights.layers[l];
      mixings.emplace_back(std::get<RwkvSpec>(t.spec.layers[l].mixer), std::get<RwkvWeights>(w.mixer));
      channels.emplace_back(std::get<DenseWeights>(w.ffn), static_cast<double>(t.spec.layers[l].ffn_branch.norm->eps));
    }
    std::vector<float> want;
    for (const Token token : tokens) {
      const float* const row = reinterpret_cast<const float*>(t.weights.embedding.w.file.row(token));
      Doubles x(row, row + kWidth), first;
      const auto add = [&](const Doubles& y) {
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
      };
      for (std::size_t l = 0; l < mixings.size(); ++l) {
        add(mixings[l].step(x, first));
        add(channels[l].step(x));
      }
      for (const double logit : times(t.weights.head, x)) want.push_back(static_cast<float>(logit));
    }
    for (const std::size_t chunk : {std::size_t{3}, std::size_t{13}}) {
      const std::vector<float> got = test::all_logits(model, tokens, chunk, {.threads = 2});
      EXPECT_LT(test::nmse(std::span<const float>(got), std::span<const float>(want)), 1e-9);
    }
  }
}

TEST(Rwkv, EveryCutAndEveryNumberOfThreadsGivesTheSameBits) {
  const std::vector<Token> tokens = text(45);
  for (const Shape7& shape : kShapes)
    for (const DType type : {DType::f32, DType::q8_0}) {
      SCOPED_TRACE(testing::Message() << shape.heads << " heads of " << shape.head_dim << " " << dtype_name(type));
      const Model model = Model::random(spec_of(shape), type, 3);
      scatter(model);
      const std::vector<float> whole = test::all_logits(model, tokens, tokens.size());
      for (const auto& [chunk, threads] : {std::pair{1, 1}, {1, 3}, {4, 2}, {5, 8}, {17, 2}, {45, 3}})
        EXPECT_EQ(test::all_logits(model, tokens, size(chunk), {.threads = threads}), whole)
            << chunk << " at once, " << threads << " threads";
    }
}

TEST(Rwkv, RowsOfSequencesMayAlternate) {
  const Model model = Model::random(spec_of(kShapes[3]), DType::q8_0, 3);
  scatter(model);
  const std::vector<std::vector<Token>> texts = {text(50, 1), text(33, 2), text(7, 3)};
  Session session(model, {.context = 120, .threads = 2, .sequences = 3});
  SCOPED_TRACE("seed 5");
  const auto got = test::alternating_logits(session, texts, 9, 5);
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(got[s], test::all_logits(model, texts[s])) << "sequence " << s;
}

TEST(Rwkv, WhatIsCutOrCopiedGoesOnAsIfReadAnew) {
  const Model model = Model::random(spec_of(kShapes[0]), DType::f32, 3);
  scatter(model);
  const std::vector<Token> tokens = text(30, 4), other = text(9, 5);
  for (const int kept : {30, 29, 12, 1, 0}) {
    SCOPED_TRACE(kept);
    Session session(model, {.context = 120, .threads = 2, .sequences = 2, .batch = 16});
    session.prefill(other, 1);
    session.prefill(tokens, 0);
    session.copy(0, 1, kept);
    session.truncate(0, kept);
    std::vector<Token> whole(tokens.begin(), tokens.begin() + kept);
    whole.insert(whole.end(), other.begin(), other.end());
    Session fresh(model, {.context = 120, .threads = 3});
    fresh.prefill(whole);
    for (const int s : {0, 1}) {
      session.prefill(other, s);
      EXPECT_TRUE(std::ranges::equal(session.logits(), fresh.logits())) << "sequence " << s;
    }
  }
}

TEST(Rwkv, WhatMakesNoSenseOrCannotBeRunIsRefusedByFeature) {
  const auto refused = [](ErrorCode code, const char* mention, auto&& change) {
    ModelSpec spec = spec_of(kShapes[0]);
    change(spec, std::get<RwkvSpec>(spec.layers[1].mixer));
    const std::string message = test::expect_error(code, [&] { check_runnable(spec, "spec"); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  constexpr ErrorCode kBad = ErrorCode::bad_value, kNotRun = ErrorCode::unsupported_architecture;
  refused(kBad, "layer 1: rwkv.heads", [](ModelSpec&, RwkvSpec& s) { s.heads = 0; });
  refused(kBad, "layer 1: rwkv.head_dim", [](ModelSpec&, RwkvSpec& s) { s.head_dim = SpecLimits::kStateDim + 1; });
  refused(kBad, "layer 1: rwkv.channels",
          [](ModelSpec&, RwkvSpec& s) { s.heads = SpecLimits::kHeads, s.head_dim = SpecLimits::kStateDim; });
  refused(kBad, "layer 1: rwkv.decay_rank", [](ModelSpec&, RwkvSpec& s) { s.decay_rank = 0; });
  refused(kBad, "layer 1: rwkv.rate_rank", [](ModelSpec&, RwkvSpec& s) { s.rate_rank = 0; });
  refused(kBad, "layer 1: rwkv.gate_rank", [](ModelSpec&, RwkvSpec& s) { s.gate_rank = -1; });
  refused(kBad, "layer 1: rwkv.first_rank", [](ModelSpec&, RwkvSpec& s) { s.first_rank = -1; });
  refused(kBad, "layer 1: rwkv.norm.eps", [](ModelSpec&, RwkvSpec& s) { s.norm.eps = -1; });
  refused(kBad, "layer 1: rwkv.channels", [](ModelSpec&, RwkvSpec& s) { s.heads = 2; });
  refused(kBad, "layer 0: rwkv.first_rank",
          [](ModelSpec& spec, RwkvSpec&) { spec.layers[0].mixer = spec.layers[1].mixer; });
  refused(kBad, "layer 1: ffn.shift", [](ModelSpec& spec, RwkvSpec&) { spec.layers[1].ffn_branch.norm.reset(); });
  refused(kNotRun, "side by side", [](ModelSpec& spec, RwkvSpec&) {
    spec.layers[0].beside = ShortConvSpec{kWidth, 3};
  });
  refused(kNotRun, "position before", [](ModelSpec& spec, RwkvSpec&) {
    ExpertsSpec experts{.count = 2, .used = 1};
    experts.expert = std::get<DenseSpec>(spec.layers[2].ffn);
    spec.layers[2].ffn = experts;
  });
}

}  // namespace
}  // namespace plumb::rwkv_test
