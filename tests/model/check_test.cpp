// Specs that describe no transformer are refused with one clear sentence.

#include "plumb/model/check_spec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "plumb/model/presets.hpp"
#include "tests/support/specs.hpp"

namespace plumb::check_test {
namespace {

struct BadSpec {
  const char* field;  ///< must stand in the message
  std::function<void(ModelSpec&)> spoil;
};

TEST(CheckSpec, RefusesEachBadFieldByName) {
  const int huge = std::numeric_limits<int>::max();
  const auto each_attention = [](void (*spoil)(AttentionSpec&)) {
    return [=](ModelSpec& s) { for_each_attention(s, spoil); };
  };
  const auto each_dense = [](void (*spoil)(DenseSpec&)) {
    return [=](ModelSpec& s) { test::for_each_dense(s, spoil); };
  };
  const auto last_layer = [](void (*spoil)(LayerSpec&)) { return [=](ModelSpec& s) { spoil(s.layers.back()); }; };
  const auto with_experts = [](void (*spoil)(ExpertsSpec&)) {
    return [=](ModelSpec& s) {
      ExpertsSpec experts = test::experts(6, 2, 64, 32);
      spoil(experts);
      s.layers[1].ffn = experts;
    };
  };
  const auto with_latent = [](void (*spoil)(LatentAttentionSpec&)) {
    return [=](ModelSpec& s) {
      LatentAttentionSpec latent;
      latent.n_heads = 4;
      latent.kv_rank = latent.nope_dims = latent.v_dims = 64;
      spoil(latent);
      s.layers[1].mixer = latent;
    };
  };
  const BadSpec cases[] = {
      {"vocab_size", [](ModelSpec& s) { s.vocab_size = 0; }},
      {"vocab_size", [=](ModelSpec& s) { s.vocab_size = huge; }},
      {"width", [](ModelSpec& s) { s.width = -64; }},
      {"width", [=](ModelSpec& s) { s.width = huge; }},
      {"n_layers", [](ModelSpec& s) { s.layers.clear(); }},
      {"n_layers", [](ModelSpec& s) { s.layers.resize(SpecLimits::kLayers + 1, s.layers[0]); }},
      {"context", [](ModelSpec& s) { s.context = 0; }},
      {"n_heads", each_attention([](AttentionSpec& a) { a.n_heads = 0; })},
      {"n_kv_heads", each_attention([](AttentionSpec& a) { a.n_kv_heads = 0; })},
      {"n_kv_heads", each_attention([](AttentionSpec& a) { a.n_kv_heads = 5; })},
      {"head_dim", each_attention([](AttentionSpec& a) { a.head_dim = 0; })},
      {"value_dim", each_attention([](AttentionSpec& a) { a.value_dim = -1; })},
      {"window", each_attention([](AttentionSpec& a) { a.window = -1; })},
      {"rope", each_attention([](AttentionSpec& a) { a.rope = 1; })},
      {"rope", each_attention([](AttentionSpec& a) { a.rope = -2; })},
      {"alibi_max_bias", each_attention([](AttentionSpec& a) { a.alibi_max_bias = NAN; })},
      {"clip", each_attention([](AttentionSpec& a) { a.clip = -1; })},
      {"softcap", each_attention([](AttentionSpec& a) { a.softcap = INFINITY; })},
      {"scale", each_attention([](AttentionSpec& a) { a.scale = -0.5f; })},
      {"qk_norm", each_attention([](AttentionSpec& a) {
         a.qk_norm_over = QkNormOver::head;
         a.qk_norm.eps = NAN;
       })},
      {"rope.dims", [](ModelSpec& s) { s.ropes[0].dims = 63; }},
      {"rope.dims", [](ModelSpec& s) { s.ropes[0].dims = 1000; }},
      {"rope.base", [](ModelSpec& s) { s.ropes[0].base = 0; }},
      {"rope.factor", [](ModelSpec& s) { s.ropes[0].factor = INFINITY; }},
      {"rope tables", [](ModelSpec& s) { s.ropes.resize(SpecLimits::kRopeTables + 1, s.ropes[0]); }},
      {"rope table 1.base", [](ModelSpec& s) { s.ropes.resize(2, s.ropes[0]), s.ropes[1].base = -1; }},
      {"ffn_dim", each_dense([](DenseSpec& d) { d.inner = -1; })},
      {"layer 21: ffn_dim", last_layer([](LayerSpec& l) { std::get<DenseSpec>(l.ffn).inner = 0; })},
      {"mixer.norm.eps", last_layer([](LayerSpec& l) { l.mixer_branch.norm->eps = NAN; })},
      {"ffn.post_norm.eps", last_layer([](LayerSpec& l) { l.ffn_branch.post_norm = NormSpec{.eps = -1}; })},
      {"residual_scale", last_layer([](LayerSpec& l) { l.residual_scale = 0; })},
      {"one norm for both", last_layer([](LayerSpec& l) { l.shared_norm = true; })},
      {"output.norm.eps", [](ModelSpec& s) { s.output.norm->eps = INFINITY; }},
      {"output.scale", [](ModelSpec& s) { s.output.scale = 0; }},
      {"output.softcap", [](ModelSpec& s) { s.output.softcap = -3; }},
      {"embedding.scale", [](ModelSpec& s) { s.embedding.scale = NAN; }},
      {"embedding.norm.eps", [](ModelSpec& s) { s.embedding.norm = NormSpec{.eps = NAN}; }},
      {"kv_from", each_attention([](AttentionSpec& a) { a.kv_from = -2; })},
      {"layer 0: keys and values of layer 0", [](ModelSpec& s) { test::attention_of(s, 0).kv_from = 0; }},
      {"layer 3: keys and values of layer 4", [](ModelSpec& s) { test::attention_of(s, 3).kv_from = 4; }},
      {"layer 3: keys and values of layer 2",
       [](ModelSpec& s) { test::attention_of(s, 2).kv_from = 1, test::attention_of(s, 3).kv_from = 2; }},
      {"layer 3: keys and values of layer 2",
       [](ModelSpec& s) { s.layers[2].mixer = Nothing{}, test::attention_of(s, 3).kv_from = 2; }},
      {"are 4 heads of 64 and 64, expected 2 of 64 and 64",
       [](ModelSpec& s) { test::attention_of(s, 3).kv_from = 2, test::attention_of(s, 3).n_kv_heads = 2; }},
      {"reach back 16 positions",
       [](ModelSpec& s) { test::attention_of(s, 3).kv_from = 2, test::attention_of(s, 2).window = 16; }},
      {"value_norm_eps", each_attention([](AttentionSpec& a) { a.value_norm = true; })},
      {"values are 32 dimensions",
       each_attention([](AttentionSpec& a) { a.values_are_keys = true, a.value_dim = 32; })},
      {"ffn.sparsity", each_dense([](DenseSpec& d) { d.sparsity = NAN; })},
      {"a sparse gate", each_dense([](DenseSpec& d) { d.sparsity = 1, d.gated = false; })},
      {"laurel.rank", last_layer([](LayerSpec& l) { l.laurel = LaurelSpec{}; })},
      {"laurel.norm.eps", last_layer([](LayerSpec& l) {
         l.laurel = LaurelSpec{4, {.eps = NAN}};
       })},
      {"a branch beside the mixer", last_layer([](LayerSpec& l) {
         l.laurel = LaurelSpec{4, {}}, l.parallel = true;
       })},
      {"a scale of the layer", last_layer([](LayerSpec& l) { l.layer_scale = true, l.ffn = Nothing{}; })},
      {"per_layer.width", [](ModelSpec& s) { s.embedding.per_layer = PerLayerEmbeddingSpec{}; }},
      {"per_layer.width", [](ModelSpec& s) { s.embedding.per_layer = PerLayerEmbeddingSpec{.width = 1 << 22}; }},
      {"per_layer.vocab", [](ModelSpec& s) { s.embedding.per_layer = PerLayerEmbeddingSpec{.width = 8, .vocab = -1}; }},
      {"expected an RMS norm",
       [](ModelSpec&
              s) { s.embedding.per_layer = PerLayerEmbeddingSpec{.width = 8, .norm = {.kind = NormKind::layer}}; }},
      {"altup.streams", [](ModelSpec& s) { s.altup = AltupSpec{.streams = 1}; }},
      {"altup.active", [](ModelSpec& s) { s.altup = AltupSpec{.streams = 2, .active = 2}; }},
      {"expected a per-layer embedding", [](ModelSpec& s) { s.altup = AltupSpec{.streams = 2}; }},
      {"experts.apart.eps", with_experts([](ExpertsSpec& e) { e.apart = NormSpec{.eps = NAN}; })},
      {"a norm after the block", with_experts([](ExpertsSpec& e) { e.apart = NormSpec{}; })},
      {"a shared one without a gate", with_experts([](ExpertsSpec& e) { e.apart = NormSpec{}, e.shared.inner = 0; })},
      {"experts.used", with_experts([](ExpertsSpec& e) { e.used = 7; })},
      {"experts.used", with_experts([](ExpertsSpec& e) { e.used = 0; })},
      {"experts.ffn_dim", with_experts([](ExpertsSpec& e) { e.expert.inner = 0; })},
      {"experts.shared_ffn_dim", with_experts([](ExpertsSpec& e) { e.shared.inner = -1; })},
      {"experts.count", with_experts([](ExpertsSpec& e) { e.count = -4; })},
      {"experts.groups", with_experts([](ExpertsSpec& e) { e.routing.groups = 4; })},
      {"experts.groups_used", with_experts([](ExpertsSpec& e) { e.routing.groups = 3; })},
      {"experts of the groups", with_experts([](ExpertsSpec& e) {
         e.used = 3;
         e.routing.groups = 3;
         e.routing.groups_used = 1;
       })},
      {"experts.weight_scale", with_experts([](ExpertsSpec& e) { e.routing.weight_scale = NAN; })},
      {"mla.v_dims", with_latent([](LatentAttentionSpec& a) { a.v_dims = 0; })},
      {"mla.rope_dims", with_latent([](LatentAttentionSpec& a) { a.rope_dims = 7; })},
  };
  for (const BadSpec& bad : cases) {
    ModelSpec spec = preset_spec("tinyllama-1.1b");
    bad.spoil(spec);
    try {
      check_spec(spec, "case");
      ADD_FAILURE() << bad.field << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_value);
      EXPECT_NE(std::string(error.what()).find("case"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(bad.field), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace plumb::check_test
