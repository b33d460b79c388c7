// Families: a spec that is written reads back equal; fields mean the same in both worlds; tensors are found by name and
// inside fused ones.

#include "plumb/model/family.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/weights.hpp"
#include "tests/families/same_spec.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::both_worlds_test {
namespace {

TEST(Family, EveryPresetReadsBackFromAFile) {
  for (const Preset& preset : all_presets()) {
    SCOPED_TRACE(preset.name);
    const ModelSpec spec = preset.spec();
    const ModelSpec read = test::through_a_file(spec);
    EXPECT_EQ(read.name, spec.name);
    test::expect_same(read, spec);
  }
}

TEST(Family, SpecsBeyondThePresetsReadBack) {
  ModelSpec spec = preset_spec("llama-3.2-1b");
  const auto change = [&](const char* what, auto&& edit) {
    SCOPED_TRACE(what);
    ModelSpec own = spec;
    edit(own);
    test::expect_same(test::through_a_file(own), own);
  };
  const auto attention = [](ModelSpec& s, int l) -> AttentionSpec& {
    return std::get<AttentionSpec>(s.layers[static_cast<std::size_t>(l)].mixer);
  };
  change("layers of different shape", [&](ModelSpec& s) {
    attention(s, 2).n_heads = 16;
    attention(s, 3).n_kv_heads = 4;
    std::get<DenseSpec>(s.layers[5].ffn).inner = 4096;
  });
  change("values of another length",
         [&](ModelSpec& s) { for_each_attention(s, [](AttentionSpec& a) { a.value_dim = 32; }); });
  change("windows in some layers", [&](ModelSpec& s) { attention(s, 1).window = attention(s, 2).window = 512; });
  change("windows by a period", [&](ModelSpec& s) {
    for (int l = 0; l < s.n_layers(); ++l) attention(s, l).window = (l + 1) % 4 ? 256 : 0;
  });
  change("scales", [&](ModelSpec& s) {
    s.embedding.scale = 12;
    s.output.scale = 0.25f;
    s.output.softcap = 20;
    for (LayerSpec& layer : s.layers) layer.residual_scale = 0.22f;
    for_each_attention(s, [](AttentionSpec& a) { a.scale = 0.015625f, a.softcap = 30; });
  });
  change("biases in some layers", [&](ModelSpec& s) {
    attention(s, 0).qkv_bias = attention(s, 4).out_bias = true;
    std::get<DenseSpec>(s.layers[1].ffn).bias = true;
    s.output.bias = true;
  });
  change("yarn", [&](ModelSpec& s) {
    s.ropes[0].scaling = RopeScaling::yarn;
    s.ropes[0].factor = 4;
    s.ropes[0].original_context = 8192;
    s.ropes[0].yarn_beta_fast = 16;
    s.ropes[0].attn_factor = 0.9f;
  });
  spec = preset_spec("gemma-2-2b");
  change("gemma without windows and caps", [&](ModelSpec& s) {
    for_each_attention(s, [](AttentionSpec& a) { a.window = 0, a.softcap = 0; });
    s.output.softcap = 0;
  });
  spec = preset_spec("qwen3-30b-a3b");
  change("dense layers among experts", [&](ModelSpec& s) {
    DenseSpec dense;
    dense.inner = 6144;
    s.layers[0].ffn = s.layers[7].ffn = dense;
  });
  spec = preset_spec("pythia-70m");
  change("sequential neox", [](ModelSpec& s) {
    for (LayerSpec& layer : s.layers) layer.parallel = false;
  });
}

TEST(Family, WhatFilesCannotSayIsRefusedByName) {
  const auto refused = [](const char* mention, auto&& edit) {
    ModelSpec spec = preset_spec("tinyllama-1.1b");
    edit(spec);
    const std::string message = test::expect_error(ErrorCode::unsupported_architecture, [&] {
      GgufWriter writer;
      write_spec(writer, spec);
    });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused("layer 3: attention.clip", [](ModelSpec& s) { std::get<AttentionSpec>(s.layers[3].mixer).clip = 8; });
  refused("layer 0: ffn.activation",
          [](ModelSpec& s) { std::get<DenseSpec>(s.layers[0].ffn).activation = Activation::relu; });
  refused("layer 2: parallel", [](ModelSpec& s) { s.layers[2].parallel = true; });
  refused("embedding.positions", [](ModelSpec& s) { s.embedding.positions = true; });
  refused("layer 1: mixer.norm.eps", [](ModelSpec& s) { s.layers[1].mixer_branch.norm->eps = 1e-3f; });
  refused("layer 1: mixer.post_norm", [](ModelSpec& s) { s.layers[1].mixer_branch.post_norm = NormSpec{}; });
  refused("'hyena'", [](ModelSpec& s) { s.family = "hyena"; });
}

TEST(Family, FoldersReadBackFromAFile) {
  PLUMB_REQUIRE_FIXTURES();
  for (const char* name :
       {"phi",        "phi3",        "gpt2",        "glm4",        "llama",       "qwen2",       "qwen3",
        "bloom",      "gemma",       "olmo2",       "olmo3",       "olmoe",       "gemma2",      "cohere",
        "falcon",     "mamba2",      "mistral",     "mixtral",     "cohere2",     "gpt_oss",     "granite",
        "smollm3",    "exaone4",     "gpt_neox",    "ernie4_5",    "seed_oss",    "stablelm",    "glm4_moe",
        "qwen3_vl",   "qwen2_moe",   "qwen3-fp8",   "qwen3_moe",   "granitemoe",  "starcoder2",  "ministral3",
        "nemotron_h", "gemma3_text", "gemma4_text", "deepseek_v2", "deepseek_v3", "llama4_text", "granitemoehybrid"}) {
    SCOPED_TRACE(name);
    const ModelSpec spec = spec_from_json_file(test::fixtures_dir() / "hf-dev" / name / "config.json");
    test::expect_same(test::through_a_file(spec), spec);
  }
}

TEST(Family, BothGenerationsOfRopeFieldsAreRead) {
  const auto rope = [](const std::string& fields) {
    return spec_from_json(
               R"({"model_type":"qwen3","vocab_size":64,"hidden_size":64,"intermediate_size":64,"head_dim":20,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,)" +
                   fields + "}",
               "config.json")
        .ropes;
  };
  const auto old = rope(R"("rope_theta":5e5,"rope_scaling":{"type":"yarn","factor":4.0,"beta_fast":16,
    "original_max_position_embeddings":64},"partial_rotary_factor":0.4)");
  EXPECT_EQ(old[0].dims, 8);
  EXPECT_EQ(old[0].base, 5e5f);
  EXPECT_EQ(old[0].original_context, 64);
  EXPECT_EQ(old[0].yarn_beta_fast, 16);
  EXPECT_EQ(old, rope(R"("rope_parameters":{"rope_theta":5e5,"rope_type":"yarn","factor":4.0,"beta_fast":16,
    "original_max_position_embeddings":64,"partial_rotary_factor":0.4})"));
  EXPECT_EQ(rope(R"("rope_scaling":null)"), rope(R"("rope_parameters":{"rope_type":"default"})"));
}

TEST(Family, LayersOfGemma3AreToldByTypeOrPeriod) {
  const auto gemma = [](const std::string& fields) {
    return spec_from_json(R"({"model_type":"gemma3_text","vocab_size":64,"hidden_size":64,"intermediate_size":64,
      "num_hidden_layers":4,"max_position_embeddings":256,"sliding_window":8,)" +
                              fields + "}",
                          "config.json");
  };
  const ModelSpec by_period = gemma(R"("sliding_window_pattern":2,"rope_theta":3e5,"rope_local_base_freq":2e4,
    "rope_scaling":{"rope_type":"linear","factor":8.0})");
  test::expect_same(gemma(R"("layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"],
    "rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":3e5},
    "sliding_attention":{"rope_type":"default","rope_theta":2e4}})"),
                    by_period);
  test::expect_same(gemma(R"("_sliding_window_pattern":2,"rope_theta":3e5,"rope_local_base_freq":2e4,
    "rope_scaling":{"rope_type":"linear","factor":8.0})"),
                    by_period);
  EXPECT_EQ(std::get<AttentionSpec>(by_period.layers[0].mixer).rope, 1);
  EXPECT_EQ(std::get<AttentionSpec>(by_period.layers[1].mixer).rope, 0);
  EXPECT_EQ(by_period.ropes[1].scaling, RopeScaling::none);
}

TEST(Family, WindowsOfQwenBeginAtALayer) {
  const ModelSpec spec =
      spec_from_json(R"({"model_type":"qwen2","vocab_size":64,"hidden_size":64,"intermediate_size":64,
    "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"use_sliding_window":true,
    "sliding_window":16,"max_window_layers":3})",
                     "config.json");
  for (int l = 0; l < 4; ++l)
    EXPECT_EQ(std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer).window, l < 3 ? 0 : 16);
}

/// One layer of phi3, 8 wide, 2 heads of 4, 1 KV head, inner width 6.
test::GgufBuilder tiny_phi3() {
  test::GgufBuilder f;
  std::mt19937 random(3);
  f.set_string("general.architecture", "phi3");
  for (const auto& [key, value] : {std::pair{"context_length", 16u},
                                   {"embedding_length", 8u},
                                   {"block_count", 1u},
                                   {"feed_forward_length", 6u},
                                   {"attention.head_count", 2u},
                                   {"attention.head_count_kv", 1u}})
    f.set_u32(std::string("phi3.") + key, value);
  f.set_f32("phi3.attention.layer_norm_rms_epsilon", 1e-5f);
  f.add_random("token_embd.weight", {8, 10}, random, 1);
  f.add_random("blk.0.attn_norm.weight", {8}, random, 1);
  f.add_random("blk.0.attn_qkv.weight", {8, 16}, random, 1);
  f.add_random("blk.0.attn_qkv.bias", {16}, random, 1);
  f.add_random("blk.0.attn_output.weight", {8, 8}, random, 1);
  f.add_random("blk.0.ffn_norm.weight", {8}, random, 1);
  f.add_random("blk.0.ffn_up.weight", {8, 12}, random, 1);
  f.add_random("blk.0.ffn_down.weight", {6, 8}, random, 1);
  f.add_random("output_norm.weight", {8}, random, 1);
  return f;
}

TEST(Family, FusedTensorsAreTakenApart) {
  const test::AlignedCopy bytes(tiny_phi3().bytes());
  const GgufFile file = GgufFile::from_memory(bytes.bytes(), "built");
  const ModelSpec spec = spec_from_file(file);
  const auto offset = [&](TensorRole role, bool bias, const Shape& shape, std::string_view whole) {
    const auto view = find_tensor(file, spec, {{role, 0, bias}, shape});
    EXPECT_TRUE(view) << whole;
    if (!view) return std::ptrdiff_t{-1};
    EXPECT_EQ(view->view.shape(), shape) << whole;
    return (view->view.data() - file.get_tensor(whole).view.data()) / static_cast<std::ptrdiff_t>(sizeof(float));
  };
  const char *qkv = "blk.0.attn_qkv.weight", *bias = "blk.0.attn_qkv.bias", *up = "blk.0.ffn_up.weight";
  EXPECT_EQ(offset(TensorRole::attn_q, false, {8, 8}, qkv), 0);
  EXPECT_EQ(offset(TensorRole::attn_k, false, {4, 8}, qkv), 8 * 8);
  EXPECT_EQ(offset(TensorRole::attn_v, false, {4, 8}, qkv), 12 * 8);
  EXPECT_EQ(offset(TensorRole::attn_q, true, Shape{8}, bias), 0);
  EXPECT_EQ(offset(TensorRole::attn_k, true, Shape{4}, bias), 8);
  EXPECT_EQ(offset(TensorRole::attn_v, true, Shape{4}, bias), 12);
  EXPECT_EQ(offset(TensorRole::ffn_gate, false, {6, 8}, up), 0);
  EXPECT_EQ(offset(TensorRole::ffn_up, false, {6, 8}, up), 6 * 8);
}

TEST(Family, MisshapenFusedTensorsAreRefusedByName) {
  const auto refused = [](const std::string& name, std::vector<std::uint64_t> dims) {
    SCOPED_TRACE(name);
    test::GgufBuilder builder = tiny_phi3();
    std::mt19937 random(4);
    builder.erase_tensor(name);
    builder.add_random(name, dims, random, 1);
    const test::AlignedCopy bytes(builder.bytes());
    const GgufFile file = GgufFile::from_memory(bytes.bytes(), "built");
    const ModelSpec spec = spec_from_file(file);
    const std::string message = test::expect_error(ErrorCode::bad_shape, [&] {
      for_each_tensor(spec, [&](const TensorSpec& tensor) { find_tensor(file, spec, tensor); });
    });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("built"), std::string::npos) << message;
  };
  for (const std::uint64_t rows : {1u, 15u, 17u}) refused("blk.0.attn_qkv.weight", {8, rows});
  refused("blk.0.attn_qkv.weight", {7, 16});
  refused("blk.0.attn_qkv.weight", {128});
  refused("blk.0.attn_qkv.weight", {8, 4, 4});
  for (const std::uint64_t n : {1u, 15u, 17u}) refused("blk.0.attn_qkv.bias", {n});
  for (const std::uint64_t rows : {1u, 11u, 13u}) refused("blk.0.ffn_up.weight", {8, rows});
  refused("blk.0.ffn_up.weight", {7, 12});
}

TEST(Family, EveryFamilyIsListedOnce) {
  std::set<std::string_view> names, types;
  for (const FamilyInfo& info : families()) {
    EXPECT_TRUE(names.insert(info.architecture).second) << info.architecture;
    EXPECT_FALSE(info.models.empty()) << info.architecture;
    for (const std::string_view type : info.model_types) EXPECT_TRUE(types.insert(type).second) << type;
  }
  for (const Preset& preset : all_presets()) EXPECT_TRUE(names.count(preset.spec().family)) << preset.name;
}

}  // namespace
}  // namespace plumb::both_worlds_test
