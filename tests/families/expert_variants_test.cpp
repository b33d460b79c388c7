// Families with experts and windows under other hyper-parameters than those of the recorded models: other patterns of
// layers, other counts, absent keys, and layers that guess further tokens.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "tests/families/same_spec.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/specs.hpp"

namespace plumb::expert_variants_test {
namespace {

ModelSpec fixture(const std::string& name) {
  return spec_from_file(GgufFile::open(test::architecture_fixture(name + ".gguf")));
}

/// What a file with the spec's keys, changed, and its tensors says.
ModelSpec changed(const ModelSpec& spec, const std::function<void(GgufWriter&)>& keys) {
  GgufWriter writer;
  write_spec(writer, spec);
  keys(writer);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    writer.add_tensor(tensor_name(spec, tensor.id), DType::f32, tensor.shape);
  });
  const std::vector<std::byte> header = writer.header();
  std::string bytes(reinterpret_cast<const char*>(header.data()), header.size());
  const GgufTensorPlan& last = writer.tensors().back();
  bytes.resize(bytes.size() + last.offset + last.bytes + kGgufDefaultAlignment);
  const test::AlignedCopy copy(bytes);
  return spec_from_file(GgufFile::from_memory(copy.bytes(), "changed"));
}
ModelSpec written(const ModelSpec& spec) {
  return changed(spec, [](GgufWriter&) {});
}
const AttentionSpec& attention(const ModelSpec& spec, int layer) { return test::attention_of(spec, layer); }
constexpr std::uint32_t u32(int value) { return static_cast<std::uint32_t>(value); }

/// A model of so many layers: those of the fixture, over and over.
ModelSpec with_layers(ModelSpec spec, int n) {
  const std::vector<LayerSpec> layers = spec.layers;
  spec.layers.clear();
  for (int l = 0; l < n; ++l) spec.layers.push_back(layers[static_cast<std::size_t>(l) % layers.size()]);
  return spec;
}

TEST(ExpertVariants, ExaoneHasWindowsWithSixtyFourLayersAlone) {
  PLUMB_REQUIRE_FIXTURES();
  ModelSpec spec = with_layers(fixture("exaone4"), 64);
  for (int l = 0; l < 64; ++l) {
    AttentionSpec& own = test::attention_of(spec, l);
    if ((l + 1) % 4 == 0)
      own.rope = -1;
    else
      own.window = 17;
  }
  test::expect_same(written(spec), spec);
  const ModelSpec usual = changed(spec, [](GgufWriter& w) { w.set("exaone4.attention.sliding_window", u32(100)); });
  EXPECT_EQ(attention(usual, 62).window, 100);
  EXPECT_EQ(attention(usual, 63).window, 0);
  const ModelSpec fewer = changed(fixture("exaone4"), [](GgufWriter& w) {
    w.set("exaone4.attention.sliding_window", u32(100));
    w.set("exaone4.attention.sliding_window_pattern", u32(2));
  });
  test::expect_same(fewer, fixture("exaone4"));
}

TEST(ExpertVariants, LlamaFourLayersByPeriodAndExpertCount) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelSpec spec = fixture("llama4");
  EXPECT_EQ(attention(spec, 0).chunk, 8192);
  EXPECT_EQ(attention(spec, 3).chunk, 0);
  const auto period = [&](int n) {
    return changed(spec, [=](GgufWriter& w) { w.set("llama4.attention.sliding_window_pattern", u32(n)); });
  };
  EXPECT_EQ(attention(period(2), 1).chunk, 0);
  EXPECT_EQ(attention(period(2), 1).rope, 0);  // rotation does not go by the pattern
  EXPECT_EQ(attention(period(2), 3).rope, -1);
  EXPECT_EQ(attention(period(0), 3).chunk, 8192);
  const ModelSpec alike = changed(spec, [](GgufWriter& w) { w.set("llama4.attention.sliding_window", u32(0)); });
  for (int l = 0; l < 4; ++l) {
    EXPECT_EQ(attention(alike, l).chunk, 0);
    EXPECT_EQ(attention(alike, l).rope, 0);
  }
  ModelSpec many = spec;
  for (LayerSpec& layer : many.layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) experts->count = 128;
  for_each_attention(many, [](AttentionSpec& own) {
    own.qk_norm_over = QkNormOver::none;
    own.qk_norm = {};
    own.qk_norm_after_rope = false;
  });
  test::expect_same(written(many), many);
}

TEST(ExpertVariants, SmallThinkerOfFourLayersRotatesAll) {
  PLUMB_REQUIRE_FIXTURES();
  ModelSpec four = with_layers(fixture("smallthinker"), 4);
  test::attention_of(four, 0).rope = 0;
  test::expect_same(written(four), four);
  const ModelSpec none =
      changed(fixture("smallthinker"), [](GgufWriter& w) { w.set("smallthinker.attention.sliding_window", u32(0)); });
  for (int l = 0; l < none.n_layers(); ++l) {
    EXPECT_EQ(attention(none, l).window, 0);
    EXPECT_EQ(attention(none, l).rope, 0);
  }
}

/// Layers with windows or chunks that rotate do so by their own base, stretched as the others are.
TEST(ExpertVariants, WindowsMayHaveABaseOfTheirOwn) {
  PLUMB_REQUIRE_FIXTURES();
  for (const std::string name : {"afmoe", "smallthinker", "llama4", "cohere2", "gemma2"}) {
    SCOPED_TRACE(name);
    const ModelSpec spec = fixture(name);
    const ModelSpec own =
        changed(spec, [&](GgufWriter& w) { w.set(name + ".rope.freq_base_swa", spec.ropes[0].base * 2); });
    ASSERT_EQ(own.ropes.size(), 2u);
    RopeSpec expected = spec.ropes[0];
    expected.base *= 2;
    EXPECT_EQ(own.ropes[1], expected);
    for (int l = 0; l < own.n_layers(); ++l) {
      const AttentionSpec &a = attention(own, l), &before = attention(spec, l);
      const bool near = a.window > 0 || a.chunk > 0;
      EXPECT_EQ(a.rope, before.rope < 0 ? -1 : near ? 1 : 0) << l;
    }
    test::expect_same(written(own), own);
  }
}

/// What other engines take for keys that a file leaves out.
TEST(ExpertVariants, KeysThatAreLeftOut) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelSpec nemotron =
      changed(fixture("nemotron_h_moe"), [](GgufWriter& w) { w.remove("nemotron_h_moe.expert_weights_norm"); });
  EXPECT_FALSE(first_experts(nemotron)->routing.renormalise);
  const ModelSpec gemma = changed(fixture("gemma4"), [](GgufWriter& w) { w.remove("gemma4.final_logit_softcapping"); });
  EXPECT_EQ(gemma.output.softcap, 30.0f);
  ModelSpec none = fixture("gemma4");
  none.output.softcap = 0;
  test::expect_same(written(none), none);
}

TEST(ExpertVariants, TrinityRotatesByFoursWhateverItsWindows) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelSpec spec = changed(with_layers(fixture("afmoe"), 8),
                                 [](GgufWriter& w) { w.set("afmoe.attention.sliding_window_pattern", u32(3)); });
  for (int l = 0; l < 8; ++l) {
    EXPECT_EQ(attention(spec, l).window, (l + 1) % 3 == 0 ? 0 : 9) << l;
    EXPECT_EQ(attention(spec, l).rope, (l + 1) % 4 == 0 ? -1 : 0) << l;
  }
}

TEST(ExpertVariants, LayersThatGuessAreNotPartOfTheModel) {
  PLUMB_REQUIRE_FIXTURES();
  for (const char* name : {"glm4moe", "bailingmoe2", "step35"}) {
    const ModelSpec spec = fixture(name);
    const std::string prefix = std::string(name) + ".";
    const ModelSpec read = changed(spec, [&](GgufWriter& w) { w.set(prefix + "nextn_predict_layers", u32(1)); });
    EXPECT_EQ(read.n_layers(), spec.n_layers() - 1) << name;
  }
  const GgufFile mimo = GgufFile::open(test::architecture_fixture("mimo2.gguf"));
  EXPECT_EQ(mimo.get_int("mimo2.block_count", 1, 100), 7);
  EXPECT_EQ(spec_from_file(mimo).n_layers(), 4);
}

TEST(ExpertVariants, GatesAndNormsOfHeadsStandWhereTheirTensorsAre) {
  PLUMB_REQUIRE_FIXTURES();
  ModelSpec step = fixture("step35");
  test::attention_of(step, 1).output_gate = OutputGate::none;
  AttentionSpec& plain = test::attention_of(step, 2);
  plain.qk_norm_over = QkNormOver::none;
  plain.qk_norm = {};
  test::expect_same(written(step), step);
  ModelSpec glm = fixture("glm4moe");
  for_each_attention(glm, [&](AttentionSpec& own) {
    own.qk_norm_over = QkNormOver::head;
    own.qk_norm = *glm.output.norm;
    own.qkv_bias = false;
  });
  test::expect_same(written(glm), glm);
  ModelSpec mimo = fixture("mimo2");
  test::attention_of(mimo, 0).sinks = true;
  test::attention_of(mimo, 1).sinks = false;
  test::expect_same(written(mimo), mimo);
}

TEST(ExpertVariants, WidthsOfExpertsFollowTheEngine) {
  PLUMB_REQUIRE_FIXTURES();
  const auto inner = [](const char* name, const char* key) {
    return first_experts(changed(fixture(name), [&](GgufWriter& w) { w.set(std::string(name) + "." + key, u32(7)); }))
        ->expert.inner;
  };
  for (const char* name : {"hunyuan-moe", "minimax-m2", "phimoe"}) {
    EXPECT_EQ(inner(name, "feed_forward_length"), 7) << name;
    EXPECT_NE(inner(name, "expert_feed_forward_length"), 7) << name;
  }
  const ModelSpec ling = changed(fixture("bailingmoe2"), [](GgufWriter& w) {
    w.set("bailingmoe2.expert_shared_feed_forward_length", u32(10));
    w.set("bailingmoe2.expert_shared_count", u32(3));
  });
  EXPECT_EQ(first_experts(ling)->shared.inner, 30);
  ModelSpec two = fixture("bailingmoe2");
  for (LayerSpec& layer : two.layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) experts->shared.inner = 48;
  test::expect_same(written(two), two);
}

TEST(ExpertVariants, YarnMultipliersOfMistralAreReadBack) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelSpec spec = fixture("mistral3");
  const float usual = 1.0f + 0.1f * std::log(4.0f);  // what a table multiplies by
  EXPECT_NEAR(spec.ropes[0].attn_factor, 1.0f / usual, 1e-6f);
  EXPECT_EQ(attention(spec, 0).temperature.floor, 16);
  const ModelSpec other = changed(spec, [](GgufWriter& w) {
    w.set("mistral3.rope.scaling.attn_factor", 1.0f);
    w.set("mistral3.rope.scaling.yarn_log_multiplier", 0.5f);
  });
  const float m = 1.0f + 0.05f * std::log(4.0f);
  EXPECT_NEAR(other.ropes[0].attn_factor, 1.0f / m, 1e-6f);
  test::expect_same(written(other), other);
  ModelSpec plain = spec;
  for_each_attention(plain, [](AttentionSpec& own) { own.temperature = {}; });
  test::expect_same(written(plain), plain);
}

}  // namespace
}  // namespace plumb::expert_variants_test
