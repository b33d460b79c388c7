// State-space scans of many shapes against double precision; however a text is cut and on any number of threads they
// give the same bits.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plumb/model/forward_pass.hpp"
#include "plumb/model/llama_spec.hpp"
#include "tests/support/double_blocks.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::state_space_test {
namespace {

using test::Doubles;
using test::silu;
using test::softplus;
using test::times;

constexpr int kVocab = 61, kWidth = 64;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

Doubles part(const Doubles& x, std::int64_t first, std::int64_t n) {
  return {x.begin() + first, x.begin() + first + n};
}

/// norm of each group of `width` values; weights run on.
Doubles normed(const NormSpec& spec, const NormWeights& w, Doubles x, std::size_t width) {
  for (std::size_t first = 0; first < x.size(); first += width) {
    double power = 0;
    for (std::size_t i = first; i < first + width; ++i) power += x[i] * x[i];
    const double scale = 1 / std::sqrt(power / static_cast<double>(width) + static_cast<double>(spec.eps));
    for (std::size_t i = first; i < first + width; ++i)
      x[i] *= scale * (w.weight.empty() ? 1.0 : static_cast<double>(w.weight[i]));
  }
  return x;
}

/// One layer's scan, position by position, channel by channel.
class ScanReference {
 public:
  ScanReference(const StateSpaceSpec& spec, const StateSpaceWeights& w)
      : s_(spec), w_(w), states_(size(spec.inner), Doubles(size(spec.size))) {}

  Doubles step(const Doubles& x) {
    const Doubles all = times(w_.in, x);
    const bool by_channel = s_.heads == 0;
    const Doubles z = part(all, by_channel ? s_.inner : 0, s_.inner);
    const Doubles mixed = convolved(part(all, by_channel ? 0 : s_.inner, s_.channels()));
    Doubles b, c, steps;
    if (by_channel) {
      const Doubles chosen = times(w_.select, mixed);
      Doubles r = part(chosen, 0, s_.rank);
      b = part(chosen, s_.rank, s_.size), c = part(chosen, s_.rank + s_.size, s_.size);
      if (s_.step_norm) {
        r = normed(*s_.step_norm, w_.r_norm, r, r.size());
        b = normed(*s_.step_norm, w_.b_norm, b, b.size());
        c = normed(*s_.step_norm, w_.c_norm, c, c.size());
      }
      steps = times(w_.steps, r);
    } else {
      const std::int64_t both = std::int64_t{s_.groups} * s_.size;
      b = part(mixed, s_.inner, both), c = part(mixed, s_.inner + both, both);
      steps = part(all, 2 * s_.inner + 2 * both, s_.heads);
    }
    Doubles out;
    for (int channel = 0; channel < s_.inner; ++channel) {
      const int head = by_channel ? channel : channel / (s_.inner / s_.heads);
      const std::size_t group = by_channel ? 0 : size(head / (s_.heads / s_.groups));
      const double step = softplus(steps[size(head)] + static_cast<double>(w_.step_bias[size(head)]));
      double y = static_cast<double>(w_.skip[size(head)]) * mixed[size(channel)];
      for (std::size_t k = 0; k < size(s_.size); ++k) {
        const float rate = by_channel ? w_.rates[size(channel) * size(s_.size) + k] : w_.rates[size(head)];
        double& state = states_[size(channel)][k];
        state = std::exp(step * static_cast<double>(rate)) * state +
                step * mixed[size(channel)] * b[group * size(s_.size) + k];
        y += state * c[group * size(s_.size) + k];
      }
      out.push_back(y * silu(z[size(channel)]));
    }
    if (s_.norm) out = normed(*s_.norm, w_.norm, out, size(s_.inner / s_.groups));
    return times(w_.out, out);
  }

 private:
  Doubles convolved(const Doubles& x) {
    inputs_.push_back(x);
    Doubles y;
    for (std::size_t c = 0; c < x.size(); ++c) {
      double sum = w_.conv_bias.empty() ? 0 : static_cast<double>(w_.conv_bias[c]);
      for (std::size_t back = 0; back < size(s_.kernel) && back < inputs_.size(); ++back)
        sum += static_cast<double>(w_.conv[c * size(s_.kernel) + size(s_.kernel) - 1 - back]) *
               inputs_[inputs_.size() - 1 - back][c];
      y.push_back(silu(sum));
    }
    return y;
  }

  const StateSpaceSpec& s_;
  const StateSpaceWeights& w_;
  std::vector<Doubles> states_;  // [channels][size]
  std::vector<Doubles> inputs_;
};

StateSpaceSpec mamba2(int heads, int head_dim, int groups, int state, int kernel, bool norm = true) {
  StateSpaceSpec spec{.inner = heads * head_dim, .size = state, .heads = heads, .groups = groups, .kernel = kernel};
  if (norm) spec.norm = NormSpec{};
  return spec;
}
StateSpaceSpec mamba1(int inner, int rank, int state, int kernel) {
  return {.inner = inner, .size = state, .rank = rank, .kernel = kernel};
}
StateSpaceSpec with_step_norm(StateSpaceSpec spec, bool weights) {
  spec.step_norm = NormSpec{.weight = weights};
  return spec;
}
StateSpaceSpec without_bias(StateSpaceSpec spec) {
  spec.conv_bias = false;
  return spec;
}

std::vector<StateSpaceSpec> shapes() {
  return {mamba2(8, 16, 1, 16, 4),
          mamba2(6, 24, 3, 8, 2),
          mamba2(3, 40, 1, 20, 3, false),
          mamba2(4, 64, 2, 128, 4),
          mamba2(20, 5, 5, 13, 8),
          without_bias(mamba2(1, 7, 1, 3, 1)),
          mamba1(128, 4, 16, 4),
          mamba1(72, 3, 12, 2),
          without_bias(mamba1(33, 5, 7, 5)),
          with_step_norm(mamba1(96, 6, 8, 4), true),
          with_step_norm(mamba1(40, 1, 1, 8), false)};
}

/// One layer with nothing but the scan, or several as models have them.
ModelSpec spec_of(const StateSpaceSpec& space, int layers, bool bare) {
  ModelSpec spec = llama_spec({.vocab = kVocab,
                               .width = kWidth,
                               .layers = layers,
                               .heads = 4,
                               .kv_heads = 2,
                               .head_dim = 16,
                               .ffn = 96,
                               .context = 120});
  for (LayerSpec& layer : spec.layers) {
    layer.mixer = space;
    if (!bare) continue;
    layer.ffn = Nothing{};
    layer.mixer_branch.norm.reset();
    layer.ffn_branch.norm.reset();
  }
  if (bare) spec.output.norm.reset();
  return spec;
}

/// What random models leave constant, made random; so many rates are there that each is another.
void scatter(const Model& model, const StateSpaceSpec& space) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (LayerWeights& layer : const_cast<Transformer&>(model.transformer()).weights.layers) {
    auto& w = std::get<StateSpaceWeights>(layer.mixer);
    for (float& rate : w.rates) rate = -std::exp(normal(random) - 1);
    for (Vector* values : {&w.step_bias, &w.conv_bias, &w.skip})
      for (float& value : *values) value = normal(random);
    for (NormWeights* norm : {&w.norm, &w.r_norm, &w.b_norm, &w.c_norm})
      for (float& weight : norm->weight) weight = 1 + 0.3f * normal(random);
    state_space_derive(space, w);
  }
}

std::vector<Token> text(std::size_t count) {
  std::mt19937 random(1);
  std::vector<Token> tokens(count);
  for (Token& token : tokens) token = static_cast<Token>(random() % kVocab);
  return tokens;
}

TEST(StateSpaces, EqualDoublePrecisionInManyShapes) {
  const std::vector<Token> tokens = text(40);
  int index = 0;
  for (const StateSpaceSpec& space : shapes()) {
    SCOPED_TRACE(testing::Message() << "shape " << index++);
    const Model model = Model::random(spec_of(space, 1, true), DType::f32, 3, {.exact = true});
    scatter(model, space);
    const Transformer& t = model.transformer();
    ScanReference reference(space, std::get<StateSpaceWeights>(t.weights.layers[0].mixer));
    std::vector<float> want;
    for (const Token token : tokens) {
      const float* const row = reinterpret_cast<const float*>(t.weights.embedding.w.file.row(token));
      Doubles x(row, row + kWidth);
      const Doubles mixed = reference.step(x);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += mixed[i];
      for (const double logit : times(t.weights.head, x)) want.push_back(static_cast<float>(logit));
    }
    const std::vector<float> got = test::all_logits(model, tokens, 13, {.threads = 2});
    EXPECT_LT(test::nmse(std::span<const float>(got), std::span<const float>(want)), 1e-9);
  }
}

TEST(StateSpaces, EveryCutAndEveryNumberOfThreadsGivesTheSameBits) {
  const std::vector<Token> tokens = text(45);
  int index = 0;
  for (const StateSpaceSpec& space : shapes())
    for (const DType type : {DType::f32, DType::q8_0}) {
      SCOPED_TRACE(testing::Message() << "shape " << index++);
      const Model model = Model::random(spec_of(space, 2, false), type, 3);
      scatter(model, space);
      const std::vector<float> whole = test::all_logits(model, tokens, tokens.size());
      for (const auto& [chunk, threads] : {std::pair{1, 1}, {1, 3}, {4, 2}, {5, 8}, {17, 2}, {45, 3}})
        EXPECT_EQ(test::all_logits(model, tokens, static_cast<std::size_t>(chunk), {.threads = threads}), whole)
            << chunk << " at once, " << threads << " threads";
    }
}

}  // namespace
}  // namespace plumb::state_space_test
