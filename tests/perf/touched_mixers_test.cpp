// The ledger against a forward pass that counts, as in touched_test.cpp: latent attention with and without an indexer,
// and mixers that remember by recurrence.

#include <gtest/gtest.h>

#include "tests/perf/counted_features.hpp"

namespace plumb::touched_mixers_test {
namespace {

using test::counting::attention;
using test::counting::expect_features;
using test::counting::kWidth;
using test::counting::layers;

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
      {"decays and gates of other ranks, beside latent attention and experts",
       [](ModelSpec& s) {
         s.ropes.clear();
         DeltaNetSpec delta = kDelta(8, 8);
         delta.fused = false;
         delta.decay_rank = 64;
         delta.gate_rank = 32;
         delta.sigmoid_gate = true;
         layers(s, [&](LayerSpec& l) { l.mixer = delta; });
         delta.gate_rank = 0;
         s.layers[0].mixer = delta;
         s.layers[1].mixer = LatentAttentionSpec{
             .n_heads = 8, .kv_rank = 64, .rope_dims = 32, .nope_dims = 32, .v_dims = 32, .rope = -1};
         ExpertsSpec experts{.count = 5, .used = 2, .choice_bias = true};
         experts.expert.inner = experts.shared.inner = 64;
         experts.routing.sigmoid = true;
         s.layers[2].ffn = experts;
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

TEST(TouchedBytes, EqualTheLedgerForRwkv) {
  static constexpr auto kMixing = [](int heads, int layer) {
    return RwkvSpec{.heads = heads,
                    .head_dim = 256 / heads,
                    .decay_rank = 256,
                    .rate_rank = 512,
                    .first_rank = layer == 0 ? 0 : 256,
                    .gate_rank = 256};
  };
  static constexpr auto kChannels = [](ModelSpec& s, int layer) {
    test::dense_of(s, layer) = {.inner = 512, .gated = false, .activation = Activation::relu2, .shift = true};
  };
  expect_features({
      {"rwkv 7",
       [](ModelSpec& s) {
         for (int l = 0; l < s.n_layers(); ++l) {
           s.layers[static_cast<std::size_t>(l)].mixer = kMixing(l == 1 ? 8 : 4, l);
           kChannels(s, l);
         }
       }},
      {"its mixing alone", [](ModelSpec& s) { s.layers[1].mixer = kMixing(16, 0); }},
      {"token shift of a gated block", [](ModelSpec& s) { test::dense_of(s, 1).shift = true; }},
  });
}

}  // namespace
}  // namespace plumb::touched_mixers_test
