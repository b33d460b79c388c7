// Specs that describe no transformer are refused with one clear sentence.

#include "plumb/model/check_spec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "plumb/model/presets.hpp"
#include "tests/support/specs.hpp"

namespace plumb {
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
}  // namespace plumb
