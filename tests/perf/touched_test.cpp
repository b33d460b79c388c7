// The ledger against a forward pass that counts: every kernel of the table is wrapped by one that notes which bytes it
// was given and how much arithmetic that means. The counts come from the calls that were really made, with the operands
// that were really passed; none of the ledger's formulas is used.

#include <gtest/gtest.h>

#include "tests/perf/counted_features.hpp"

namespace plumb::touched_test {
namespace {

using test::counting::attention;
using test::counting::expect_all_passes;
using test::counting::expect_features;
using test::counting::kWidth;
using test::counting::layers;
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
}  // namespace plumb::touched_test
