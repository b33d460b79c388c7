// The ledger against a forward pass that counts: every kernel of the table is wrapped by one that notes which bytes it
// was given and how much arithmetic that means. The counts come from the calls that were really made, with the operands
// that were really passed; none of the ledger's formulas is used.

#include <gtest/gtest.h>

#include "tests/perf/counting_pass.hpp"

namespace plumb {
namespace {

using test::counting::expect_all_passes;
using test::counting::kWidth;
using test::counting::shape;

TEST(TouchedBytes, EqualTheLedgerForEveryWeightType) {
  for (const DType type :
       {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q5_1, DType::q4_k, DType::q6_k})
    expect_all_passes("llama", shape(8, 4), type);
}

TEST(TouchedBytes, EqualTheLedgerForEveryKindOfAttention) {
  for (const auto& [heads, kv_heads] : {std::pair{4, 4}, {8, 2}, {16, 1}})
    expect_all_passes(std::to_string(heads) + '/' + std::to_string(kv_heads), shape(heads, kv_heads), DType::q4_0);
}

TEST(TouchedBytes, EqualTheLedgerForTiedHeadsAndMixedTypes) {
  ModelSpec spec = shape(8, 4);
  spec.output.tied = true;
  WeightTypes types(DType::q4_k);
  types.set(TensorRole::token_embedding, DType::q6_k).set(TensorRole::ffn_down, 1, DType::q8_0);
  expect_all_passes("mixed", spec, types);
}

/// A spec that differs from a llama in one thing, or in several.
struct Feature {
  const char* name;
  void (*change)(ModelSpec&);
};

void expect_features(std::initializer_list<Feature> features) {
  for (const Feature& feature : features) {
    ModelSpec spec = shape(8, 4);
    feature.change(spec);
    expect_all_passes(feature.name, spec, DType::q8_0);
  }
}
/// Changes the attention of every layer.
template <class Change>
void attention(ModelSpec& spec, const Change& change) {
  for_each_attention(spec, change);
}
template <class Change>
void layers(ModelSpec& spec, const Change& change) {
  for (LayerSpec& layer : spec.layers) change(layer);
}

TEST(TouchedBytes, EqualTheLedgerForEveryNorm) {
  static constexpr NormSpec kLayerNorm{.kind = NormKind::layer, .bias = true};
  expect_features({
      {"layer norms", [](ModelSpec& s) { test::for_each_norm(s, [](NormSpec& norm) { norm = kLayerNorm; }); }},
      {"layer norms without parameters",
       [](ModelSpec& s) { test::for_each_norm(s, [](NormSpec& n) { n.kind = NormKind::layer, n.weight = false; }); }},
      {"norms after both parts too",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) { l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{}; });
       }},
      {"norms after both parts alone",
       [](ModelSpec& s) {
         layers(s,
                [](LayerSpec& l) { l.mixer_branch = l.ffn_branch = {.norm = std::nullopt, .post_norm = NormSpec{}}; });
       }},
      {"norms of the stream alone",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) {
           l.mixer_branch = l.ffn_branch = {.norm = std::nullopt, .post_norm = std::nullopt, .stream_norm = kLayerNorm};
         });
       }},
      {"norms before, after and of the stream, scaled branches",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) {
           l.mixer_branch.stream_norm = l.ffn_branch.stream_norm = NormSpec{};
           l.ffn_branch.post_norm = NormSpec{};
           l.residual_scale = 0.5f;
         });
       }},
      {"no last norm", [](ModelSpec& s) { s.output.norm.reset(); }},
      {"norm of each head", [](ModelSpec& s) { attention(s, [](auto& a) { a.qk_norm_over = QkNormOver::head; }); }},
      {"norms of all heads",
       [](ModelSpec& s) { attention(s, [](auto& a) { a.qk_norm_over = QkNormOver::all_heads; }); }},
      {"layer norms of each head after the rotation",
       [](ModelSpec& s) {
         attention(s, [](auto& a) {
           a.qk_norm_over = QkNormOver::each_head;
           a.qk_norm = kLayerNorm;
           a.qk_norm_after_rope = true;
         });
       }},
      {"norm of the embedding", [](ModelSpec& s) { s.embedding.norm = kLayerNorm; }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryFeedForwardBlock) {
  expect_features({
      {"gelu", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu; }); }},
      {"gelu_tanh",
       [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu_tanh; }); }},
      {"relu without a gate",
       [](ModelSpec& s) {
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::relu, d.gated = false; });
       }},
      {"relu2 without a gate, with biases",
       [](ModelSpec& s) {
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::relu2, d.gated = false, d.bias = true; });
       }},
      {"biases", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.bias = true; }); }},
      {"sparse gates", [](ModelSpec& s) { test::dense_of(s, 1).sparsity = 1.5f; }},
      {"clipped swiglu",
       [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.activation = Activation::clipped_swiglu; }); }},
      {"limits", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.limit = 0.5f; }); }},
      {"xielu",
       [](ModelSpec& s) {
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::xielu, d.gated = false; });
       }},
      {"norm before down", [](ModelSpec& s) { test::for_each_dense(s, [](auto& d) { d.down_norm = NormSpec{}; }); }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryFeatureOfAttention) {
  expect_features({
      {"biases", [](ModelSpec& s) { attention(s, [](auto& a) { a.qkv_bias = a.out_bias = true; }); }},
      {"softcap", [](ModelSpec& s) { attention(s, [](auto& a) { a.softcap = 50; }); }},
      {"clip", [](ModelSpec& s) { attention(s, [](auto& a) { a.clip = 0.5f; }); }},
      {"sinks", [](ModelSpec& s) { attention(s, [](auto& a) { a.sinks = true; }); }},
      {"ALiBi",
       [](ModelSpec& s) {
         s.ropes.clear();
         attention(s, [](auto& a) { a.rope = -1, a.alibi_max_bias = 8; });
       }},
      {"windows", [](ModelSpec& s) { test::set_windows(s, 50, 0); }},
      {"later positions too", [](ModelSpec& s) { attention(s, [](auto& a) { a.causal = false; }); }},
      {"windows both ways",
       [](ModelSpec& s) {
         test::set_windows(s, 31, 2);
         attention(s, [](auto& a) { a.causal = false; });
       }},
      {"windows but in every third layer", [](ModelSpec& s) { test::set_windows(s, 50, 3); }},
      {"chunks", [](ModelSpec& s) { attention(s, [](auto& a) { a.chunk = 50; }); }},
      {"gates on heads",
       [](ModelSpec& s) {
         attention(s, [](auto& a) { a.n_heads = 16, a.n_kv_heads = 2, a.output_gate = OutputGate::head; });
       }},
      {"gates on values and a norm behind them",
       [](ModelSpec& s) {
         attention(s, [](auto& a) { a.output_gate = OutputGate::element, a.out_norm = NormSpec{}; });
       }},
      {"scaled values and growing queries",
       [](ModelSpec& s) { attention(s, [](auto& a) {
                            a.value_scale = 0.7f, a.temperature = {0.1f, 16, 1};
                          }); }},
      {"wider and narrower values",
       [](ModelSpec& s) {
         test::attention_of(s, 0).value_dim = 16;
         test::attention_of(s, 2).value_dim = 64;
       }},
      {"normed values",
       [](ModelSpec& s) { attention(s, [](auto& a) { a.value_norm = true, a.value_norm_eps = 1e-5f; }); }},
      {"keys for values", [](ModelSpec& s) { test::attention_of(s, 1).values_are_keys = true; }},
      {"keys and values of an earlier layer",
       [](ModelSpec& s) {
         attention(s, [](auto& a) { a.qk_norm_over = QkNormOver::head; });
         test::attention_of(s, 1).kv_from = test::attention_of(s, 2).kv_from = 0;
       }},
      {"those of windows",
       [](ModelSpec& s) {
         test::set_windows(s, 50, 0);
         test::attention_of(s, 2) = test::attention_of(s, 1);
         test::attention_of(s, 2).kv_from = 1;
         test::attention_of(s, 2).window = 30;
       }},
      {"fewer rotated dimensions", [](ModelSpec& s) { s.ropes[0].dims = 16; }},
      {"two tables, of halves too, and a layer without",
       [](ModelSpec& s) {
         s.ropes.push_back({.pairs = RopePairs::halves, .dims = 8, .base = 1e6f});
         test::attention_of(s, 1).rope = 1;
         test::attention_of(s, 2).rope = -1;
       }},
  });
}

/// Per-layer embeddings as wide as a block of every type.
PerLayerEmbeddingSpec per_layer(int vocab = 0) {
  PerLayerEmbeddingSpec spec;
  spec.width = 256;
  spec.vocab = vocab;
  return spec;
}

TEST(TouchedBytes, EqualTheLedgerForWhatStandsBesideTheParts) {
  expect_features({
      {"scales of layers", [](ModelSpec& s) { s.layers[0].layer_scale = s.layers[2].layer_scale = true; }},
      {"low-rank branches", [](ModelSpec& s) { layers(s, [](auto& l) {
                                                 l.laurel = LaurelSpec{256, {}};
                                               }); }},
      {"low-rank branches, normed parts",
       [](ModelSpec& s) {
         layers(s, [](auto& l) {
           l.laurel = LaurelSpec{256, {}};
           l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{};
         });
       }},
      {"per-layer embeddings", [](ModelSpec& s) { s.embedding.per_layer = per_layer(); }},
      {"per-layer embeddings of fewer tokens, scales of layers",
       [](ModelSpec& s) {
         s.embedding.per_layer = per_layer(100);
         layers(s, [](auto& l) { l.layer_scale = true; });
       }},
      {"several streams",
       [](ModelSpec& s) {
         s.embedding.per_layer = per_layer();
         s.altup = AltupSpec{.streams = 3, .active = 1, .norm = {}};
       }},
  });
}

/// Latent attention in every layer.
void latent(ModelSpec& spec, const LatentAttentionSpec& attention) {
  layers(spec, [&](LayerSpec& l) { l.mixer = attention; });
}

TEST(TouchedBytes, EqualTheLedgerForLatentAttention) {
  static constexpr LatentAttentionSpec kPlain{
      .n_heads = 6, .kv_rank = 64, .rope_dims = 32, .nope_dims = 32, .v_dims = 48};
  static constexpr LatentAttentionSpec kCompressed{
      .n_heads = 5, .q_rank = 96, .kv_rank = 128, .rope_dims = 32, .nope_dims = 64, .v_dims = 32};
  expect_features({
      {"latent attention", [](ModelSpec& s) { latent(s, kPlain); }},
      {"compressed queries", [](ModelSpec& s) { latent(s, kCompressed); }},
      {"many heads",
       [](ModelSpec& s) {
         LatentAttentionSpec many = kPlain;
         many.n_heads = 40;
         latent(s, many);
       }},
      {"biases and a scale",
       [](ModelSpec& s) {
         LatentAttentionSpec biased = kCompressed;
         biased.down_bias = biased.out_bias = true;
         biased.scale = 0.2f;
         latent(s, biased);
       }},
      {"no rotation, and no part for it",
       [](ModelSpec& s) {
         s.ropes.clear();
         LatentAttentionSpec still = kPlain;
         still.rope = -1;
         latent(s, still);
         still.rope_dims = 0;
         s.layers[1].mixer = still;
       }},
      {"beside other attention", [](ModelSpec& s) { s.layers[1].mixer = kCompressed; }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForIndexers) {
  static constexpr LatentAttentionSpec kIndexed{.n_heads = 4,
                                                .q_rank = 64,
                                                .kv_rank = 64,
                                                .rope_dims = 32,
                                                .nope_dims = 32,
                                                .v_dims = 32,
                                                .indexer = {.heads = 3, .dims = 64, .top = 48, .rope = 0}};
  expect_features({
      {"an indexer", [](ModelSpec& s) { latent(s, kIndexed); }},
      {"an indexer that lets every position pass",
       [](ModelSpec& s) {
         LatentAttentionSpec all = kIndexed;
         all.indexer.top = 1024;
         all.indexer.rope = -1;
         latent(s, all);
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForEveryWayInAndOut) {
  expect_features({
      {"positions", [](ModelSpec& s) { s.embedding.positions = true; }},
      {"kinds of text", [](ModelSpec& s) { s.embedding.token_types = 2; }},
      {"no head", [](ModelSpec& s) { s.output.head = false; }},
      {"no head, the last row", [](ModelSpec& s) { s.output.head = false, s.output.pooling = Pooling::last; }},
      {"products with the pooled row",
       [](ModelSpec& s) { s.output.head = false, s.output.dense_2 = 512, s.output.dense_3 = 128; }},
      {"one product with the first row",
       [](ModelSpec& s) { s.output.head = false, s.output.pooling = Pooling::cls, s.output.dense_3 = 256; }},
      {"scaled embeddings", [](ModelSpec& s) { s.embedding.scale = 16; }},
      {"bias of the head", [](ModelSpec& s) { s.output.bias = true; }},
      {"bias of a tied head", [](ModelSpec& s) { s.output.bias = s.output.tied = true; }},
      {"scaled logits", [](ModelSpec& s) { s.output.scale = 0.25f; }},
      {"capped logits", [](ModelSpec& s) { s.output.softcap = 30; }},
      {"scaled and capped logits", [](ModelSpec& s) { s.output.scale = 0.25f, s.output.softcap = 30; }},
      {"scaled branches", [](ModelSpec& s) { layers(s, [](auto& l) { l.residual_scale = 0.22f; }); }},
      {"parallel parts", [](ModelSpec& s) { layers(s, [](auto& l) { l.parallel = true; }); }},
      {"parallel parts, one norm",
       [](ModelSpec& s) {
         layers(s, [](auto& l) {
           l.parallel = l.shared_norm = true;
           l.ffn_branch.norm.reset();
         });
       }},
      {"parallel parts, normed and scaled",
       [](ModelSpec& s) {
         layers(s, [](auto& l) {
           l.parallel = true;
           l.residual_scale = 0.5f;
           l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{};
         });
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForExperts) {
  ModelSpec spec = shape(8, 4);
  test::set_experts(spec, test::experts(16, 3, 256));
  for (const DType type : {DType::f32, DType::q8_0, DType::q4_k}) expect_all_passes("3 of 16", spec, type);
  ExpertsSpec all = test::experts(16, 16, 256, 512);
  all.routing.renormalise = false;
  test::set_experts(spec, all);
  expect_all_passes("all and a shared one", spec, DType::q4_0);
  expect_features({
      {"gated share",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 512);
         e.shared_gate = true;
         test::set_experts(s, e);
       }},
      {"apart from the shared one, with scales",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 512);
         e.apart = NormSpec{};
         e.expert_scale = true;
         test::set_experts(s, e);
         layers(s, [](auto& l) { l.ffn_branch.post_norm = NormSpec{}; });
       }},
      {"biases and no gates",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 256);
         e.expert.bias = e.shared.bias = e.router_bias = true;
         e.expert.gated = e.shared.gated = false;
         e.expert.activation = Activation::gelu;
         test::set_experts(s, e);
       }},
      {"weighed inputs and limits",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256, 512);
         e.weigh_input = true;
         e.routing = {.sigmoid = true, .renormalise = false, .by_score = true};
         e.expert.limit = e.shared.limit = 0.5f;
         test::set_experts(s, e);
       }},
      {"a router before the mixer, and gates of ReLU",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(4, 4, 256);
         e.route_early = true;
         e.expert.activation = Activation::relu;
         test::set_experts(s, e);
       }},
      {"groups of sigmoids and a bias of the choice",
       [](ModelSpec& s) {
         ExpertsSpec e = test::experts(16, 4, 256, 256);
         e.choice_bias = true;
         e.routing = {.sigmoid = true, .weight_scale = 2.5f, .groups = 4, .groups_used = 2};
         test::set_experts(s, e);
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForMixersThatRememberByRecurrence) {
  static constexpr auto kDelta = [](int k_heads, int v_heads) {
    DeltaNetSpec delta;
    delta.k_heads = k_heads;
    delta.v_heads = v_heads;
    delta.k_dim = 32;
    delta.v_dim = 256 / v_heads;
    delta.kernel = 4;
    return delta;
  };
  expect_features({
      {"delta nets", [](ModelSpec& s) { layers(s, [](LayerSpec& l) { l.mixer = kDelta(8, 16); }); }},
      {"delta nets whose steps come by groups",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) {
           DeltaNetSpec delta = kDelta(4, 16);
           delta.steps_by_group = true;
           l.mixer = delta;
         });
       }},
      {"delta nets whose channels decay each by itself",
       [](ModelSpec& s) {
         layers(s, [](LayerSpec& l) {
           DeltaNetSpec delta = kDelta(16, 16);
           delta.fused = false;
           delta.decay_rank = delta.gate_rank = 256;
           delta.sigmoid_gate = true;
           l.mixer = delta;
         });
       }},
      {"short convolutions", [](ModelSpec& s) { layers(s, [](LayerSpec& l) {
                                                  l.mixer = ShortConvSpec{kWidth, 3};
                                                }); }},
      {"gates that come with queries",
       [](ModelSpec& s) { attention(s, [](auto& a) { a.output_gate = OutputGate::in_queries; }); }},
      {"attention with a delta net beside it, and layers of other kinds",
       [](ModelSpec& s) {
         s.layers[0].beside = kDelta(16, 16);
         s.layers[1].mixer = kDelta(4, 16);
         s.layers[2].mixer = ShortConvSpec{512, 5};
       }},
  });
}

TEST(TouchedBytes, EqualTheLedgerForStateSpaces) {
  static constexpr StateSpaceSpec kHeads{.inner = 512, .size = 16, .heads = 16, .groups = 2, .kernel = 4};
  static constexpr StateSpaceSpec kChannels{.inner = 256, .size = 16, .rank = 256, .kernel = 3};
  static constexpr auto put = [](ModelSpec& s, const StateSpaceSpec& space) {
    layers(s, [&](LayerSpec& layer) { layer.mixer = space; });
  };
  expect_features({
      {"mamba 2",
       [](ModelSpec& s) {
         StateSpaceSpec space = kHeads;
         space.norm = NormSpec{};
         put(s, space);
       }},
      {"mamba 2 without norm and bias",
       [](ModelSpec& s) {
         StateSpaceSpec space = kHeads;
         space.conv_bias = false;
         put(s, space);
       }},
      {"mamba 1", [](ModelSpec& s) { put(s, kChannels); }},
      {"jamba",
       [](ModelSpec& s) {
         StateSpaceSpec space = kChannels;
         space.step_norm = NormSpec{};
         s.layers[0].mixer = s.layers[2].mixer = space;
       }},
      {"falcon-h1", [](ModelSpec& s) { layers(s, [](LayerSpec& layer) { layer.beside = kHeads; }); }},
      {"nemotron-h",
       [](ModelSpec& s) {
         s.layers[0].mixer = kHeads;
         s.layers[0].ffn = s.layers[1].ffn = Nothing{};
         s.layers[0].ffn_branch.norm.reset();
         s.layers[1].ffn_branch.norm.reset();
         s.layers[2].mixer = Nothing{};
         s.layers[2].mixer_branch.norm.reset();
         test::dense_of(s, 2) = {.inner = 512, .gated = false, .activation = Activation::relu2};
       }},
  });
}

/// What real families put together.
TEST(TouchedBytes, EqualTheLedgerForMixedSpecs) {
  expect_features({
      {"gpt2",
       [](ModelSpec& s) {
         s.ropes.clear();
         s.embedding.positions = s.output.tied = true;
         test::for_each_norm(s, [](NormSpec& n) { n = {.kind = NormKind::layer, .bias = true}; });
         attention(s, [](auto& a) { a.rope = -1, a.qkv_bias = a.out_bias = true; });
         test::for_each_dense(
             s, [](auto& d) { d = {.inner = 512, .gated = false, .activation = Activation::gelu, .bias = true}; });
       }},
      {"gemma",
       [](ModelSpec& s) {
         s.embedding.scale = 16;
         s.output.tied = true;
         s.output.softcap = 30;
         s.ropes.push_back({.pairs = RopePairs::halves, .dims = 32, .base = 1e6f});
         test::set_windows(s, 40, 2);
         attention(s,
                   [](auto& a) { a.softcap = 50, a.qk_norm_over = QkNormOver::head, a.rope = a.window > 0 ? 0 : 1; });
         layers(s, [](auto& l) { l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{}; });
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu_tanh; });
       }},
      {"gemma3n",
       [](ModelSpec& s) {
         s.embedding.scale = 16;
         s.embedding.per_layer = per_layer();
         s.altup = AltupSpec{.streams = 4, .active = 0, .norm = {}};
         s.output.tied = true;
         s.output.softcap = 30;
         attention(s,
                   [](auto& a) { a.qk_norm_over = QkNormOver::head, a.value_norm = true, a.value_norm_eps = 1e-6f; });
         test::attention_of(s, 2).kv_from = 1;
         test::for_each_dense(s, [](auto& d) { d.activation = Activation::gelu_tanh, d.sparsity = 1.6f; });
         layers(s, [](auto& l) {
           l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{};
           l.laurel = LaurelSpec{256, {}};
         });
       }},
      {"gpt-oss",
       [](ModelSpec& s) {
         test::set_windows(s, 60, 2);
         attention(s, [](auto& a) { a.sinks = a.qkv_bias = a.out_bias = true; });
         ExpertsSpec e = test::experts(8, 2, 256);
         e.expert.bias = e.router_bias = true;
         e.expert.activation = Activation::clipped_swiglu;
         test::set_experts(s, e);
       }},
      {"bloom",
       [](ModelSpec& s) {
         s.ropes.clear();
         s.embedding.norm = NormSpec{.kind = NormKind::layer, .bias = true};
         attention(s, [](auto& a) { a.rope = -1, a.alibi_max_bias = 8, a.qkv_bias = a.out_bias = true; });
       }},
      {"bert",
       [](ModelSpec& s) {
         s.ropes.clear();
         s.embedding.positions = true;
         s.embedding.token_types = 2;
         s.embedding.norm = NormSpec{.kind = NormKind::layer, .bias = true};
         attention(s, [](auto& a) { a.rope = -1, a.causal = false, a.qkv_bias = a.out_bias = true; });
         layers(s, [&](auto& l) {
           l.mixer_branch =
               l.ffn_branch = {.norm = std::nullopt, .post_norm = std::nullopt, .stream_norm = s.embedding.norm};
         });
         test::for_each_dense(
             s, [](auto& d) { d = {.inner = 512, .gated = false, .activation = Activation::gelu, .bias = true}; });
         s.output.norm.reset();
         s.output.head = false;
         s.output.pooling = Pooling::mean;
       }},
      {"layers that differ",
       [](ModelSpec& s) {
         s.layers[0].parallel = true;
         test::attention_of(s, 0) = {.n_heads = 4, .n_kv_heads = 1, .head_dim = 64, .qk_norm = {}, .window = 30};
         s.layers[1].mixer = Nothing{};
         s.layers[1].ffn = test::experts(4, 4, 256);
         s.layers[1].mixer_branch.norm.reset();
         test::dense_of(s, 2).inner = 768;
         s.layers.push_back(s.layers[2]);
         s.layers[3].ffn = Nothing{};
         s.layers[3].ffn_branch.norm.reset();
       }},
  });
}

}  // namespace
}  // namespace plumb
