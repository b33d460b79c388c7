// Families: what a file says and what a config.json says of the same model is the same spec; a spec that is written
// reads back equal; tensors are found by name and inside fused ones.

#include "plumb/model/family.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/weights.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb {
namespace {

/// Equal but for the name, with a hint where not.
void expect_same(ModelSpec got, const ModelSpec& want) {
  got.name = want.name;
  EXPECT_EQ(got.family, want.family);
  EXPECT_EQ(got.vocab_size, want.vocab_size);
  EXPECT_EQ(got.width, want.width);
  EXPECT_EQ(got.context, want.context);
  EXPECT_TRUE(got.embedding == want.embedding) << got.embedding.scale << " " << want.embedding.scale;
  ASSERT_EQ(got.ropes.size(), want.ropes.size());
  for (std::size_t t = 0; t < got.ropes.size(); ++t) {
    EXPECT_EQ(got.ropes[t].base, want.ropes[t].base);
    EXPECT_EQ(got.ropes[t].dims, want.ropes[t].dims);
    EXPECT_EQ(got.ropes[t].attn_factor, want.ropes[t].attn_factor);
    EXPECT_TRUE(got.ropes[t] == want.ropes[t]) << "rope table " << t;
  }
  ASSERT_EQ(got.n_layers(), want.n_layers());
  for (std::size_t l = 0; l < got.layers.size(); ++l) {
    EXPECT_TRUE(got.layers[l].mixer == want.layers[l].mixer) << "mixer of layer " << l;
    EXPECT_TRUE(got.layers[l].ffn == want.layers[l].ffn) << "feed-forward block of layer " << l;
    EXPECT_TRUE(got.layers[l] == want.layers[l]) << "layer " << l;
  }
  EXPECT_TRUE(got.output == want.output) << "output";
  EXPECT_TRUE(got == want);
}

/// Writes the spec and its tensors, without any data: a file with holes.
ModelSpec through_a_file(const ModelSpec& spec) {
  const test::TempDir dir;
  GgufWriter writer;
  write_spec(writer, spec);
  const WeightTypes types(DType::q4_0);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    writer.add_tensor(tensor_name(spec, tensor.id), types.of(tensor), tensor.shape);
  });
  const std::vector<std::byte> header = writer.header();
  const auto path = dir.file("m.gguf", {reinterpret_cast<const char*>(header.data()), header.size()});
  const GgufTensorPlan& last = writer.tensors().back();
  std::filesystem::resize_file(path, header.size() + last.offset + last.bytes + kGgufDefaultAlignment);
  const GgufFile file = GgufFile::open(path);
  ModelSpec read = spec_from_file(file);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    const auto view = find_tensor(file, read, tensor);
    ASSERT_TRUE(view) << tensor_name(spec, tensor.id);
    EXPECT_EQ(view->shape(), tensor.shape) << tensor_name(spec, tensor.id);
  });
  return read;
}

TEST(Family, EveryPresetReadsBackFromAFile) {
  for (const Preset& preset : all_presets()) {
    SCOPED_TRACE(preset.name);
    const ModelSpec spec = preset.spec();
    const ModelSpec read = through_a_file(spec);
    EXPECT_EQ(read.name, spec.name);
    expect_same(read, spec);
  }
}

TEST(Family, SpecsBeyondThePresetsReadBack) {
  ModelSpec spec = preset_spec("llama-3.2-1b");
  const auto change = [&](const char* what, auto&& edit) {
    SCOPED_TRACE(what);
    ModelSpec own = spec;
    edit(own);
    expect_same(through_a_file(own), own);
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

/// config.json files of the models in arch-dev and arch2-dev, written down from its manifest.
struct SameModel {
  const char* file;
  const char* json;
};
const SameModel kSame[] = {
    {"llama-mha", R"({"model_type":"llama","vocab_size":320,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"rms_norm_eps":0.02})"},
    {"llama-gqa", R"({"model_type":"llama","vocab_size":352,"hidden_size":96,"intermediate_size":160,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":1e-6,"tie_word_embeddings":true})"},
    {"llama3-ropefreqs", R"({"model_type":"llama","vocab_size":384,"hidden_size":128,"intermediate_size":192,
      "num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"rope_parameters":{"rope_type":"llama3","factor":8.0,"rope_theta":500000.0}})"},
    {"llama-moe", R"({"model_type":"mixtral","vocab_size":320,"hidden_size":64,"intermediate_size":96,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "num_local_experts":8,"num_experts_per_tok":2,"rope_theta":1e6,"rms_norm_eps":1e-5})"},
    {"qwen2", R"({"model_type":"qwen2","vocab_size":336,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"rms_norm_eps":0.005,"tie_word_embeddings":true})"},
    {"granite", R"({"model_type":"granite","vocab_size":355,"hidden_size":96,"intermediate_size":172,
        "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
        "rms_norm_eps":0.005,"embedding_multiplier":2.5,"residual_multiplier":0.6,"attention_multiplier":0.3,
        "logits_scaling":3.0,"tie_word_embeddings":true})"},
    {"qwen3", R"({"model_type":"qwen3","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"rms_norm_eps":1e-6,"tie_word_embeddings":true})"},
    {"qwen3moe", R"({"model_type":"qwen3_moe","vocab_size":352,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "num_experts":8,"num_experts_per_tok":3,"moe_intermediate_size":48,"norm_topk_prob":true,"rope_theta":1e6,
      "rms_norm_eps":0.02})"},
    {"gemma2", R"({"model_type":"gemma2","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "query_pre_attn_scalar":32,"attn_logit_softcapping":3.0,"final_logit_softcapping":6.0,"sliding_window":16})"},
    {"gemma3", R"({"model_type":"gemma3_text","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":7,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "query_pre_attn_scalar":32,"rms_norm_eps":0.01,"sliding_window":12})"},
    {"phi3", R"({"model_type":"phi3","vocab_size":352,"hidden_size":96,"intermediate_size":160,"num_hidden_layers":3,
      "num_attention_heads":6,"num_key_value_heads":3,"max_position_embeddings":256,"sliding_window":262144,
      "original_max_position_embeddings":32,"rope_scaling":{"type":"longrope","long_factor":[],"short_factor":[]}})"},
    {"gpt2", R"({"model_type":"gpt2","vocab_size":320,"n_embd":64,"n_layer":3,"n_head":4,"n_positions":256,
      "layer_norm_epsilon":0.005})"},
    {"gptneox", R"({"model_type":"gpt_neox","vocab_size":320,"hidden_size":64,"intermediate_size":192,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"hidden_act":"gelu",
      "rotary_pct":0.5})"},
    {"deepseek2", R"({"model_type":"deepseek_v2","vocab_size":365,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"q_lora_rank":48,"kv_lora_rank":32,
      "qk_rope_head_dim":16,"qk_nope_head_dim":24,"v_head_dim":20,"n_routed_experts":6,"n_shared_experts":2,
      "num_experts_per_tok":3,"moe_intermediate_size":40,"first_k_dense_replace":1,"routed_scaling_factor":2.5,
      "rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":64,"mscale":0.707,
      "mscale_all_dim":0.707}})"},
    {"deepseek3", R"({"model_type":"deepseek_v3","vocab_size":367,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":4,"num_attention_heads":6,"max_position_embeddings":256,"q_lora_rank":40,"kv_lora_rank":48,
      "qk_rope_head_dim":16,"qk_nope_head_dim":32,"v_head_dim":32,"n_routed_experts":16,"n_shared_experts":1,
      "num_experts_per_tok":4,"moe_intermediate_size":36,"first_k_dense_replace":1,"n_group":4,"topk_group":2,
      "routed_scaling_factor":1.5,"rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":64,
      "mscale":1.0,"mscale_all_dim":1.0}})"},
    {"command-r", R"({"model_type":"cohere","vocab_size":359,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"layer_norm_eps":0.005,
      "logit_scale":0.25,"rope_theta":8000000.0})"},
    {"cohere2", R"({"model_type":"cohere2","vocab_size":359,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":5,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "layer_norm_eps":0.01,"logit_scale":0.5,"rope_theta":50000.0,"rotary_pct":1.0,"sliding_window":13})"},
    {"falcon", R"({"model_type":"falcon","vocab_size":339,"hidden_size":96,"num_hidden_layers":3,
      "num_attention_heads":6,"num_kv_heads":6,"layer_norm_epsilon":0.005,"multi_query":true,"bias":false})"},
    {"falcon40", R"({"model_type":"falcon","vocab_size":341,"hidden_size":96,"num_hidden_layers":3,
      "num_attention_heads":6,"num_kv_heads":2,"layer_norm_epsilon":0.01,"new_decoder_architecture":true,
      "bias":false,"tie_word_embeddings":false})"},
    {"gpt-oss", R"({"model_type":"gpt_oss","vocab_size":363,"hidden_size":64,"intermediate_size":64,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"num_local_experts":8,
      "num_experts_per_tok":3,"sliding_window":12,"max_position_embeddings":256,"rms_norm_eps":0.005,
      "swiglu_limit":7.0,"rope_scaling":{"rope_type":"yarn","factor":8.0,"beta_fast":32.0,"beta_slow":1.0,
      "truncate":false,"original_max_position_embeddings":32},
      "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"]})"},
    {"granitemoe", R"({"model_type":"granitemoe","vocab_size":357,"hidden_size":96,"intermediate_size":56,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"num_local_experts":6,"num_experts_per_tok":3,"embedding_multiplier":2.0,
      "residual_multiplier":0.5,"attention_multiplier":0.2,"logits_scaling":2.0,"tie_word_embeddings":true})"},
    {"granitemoe-shared", R"({"model_type":"granitemoeshared","vocab_size":357,"hidden_size":96,
      "intermediate_size":56,"shared_intermediate_size":72,"num_hidden_layers":3,"num_attention_heads":6,
      "num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":0.02,"num_local_experts":6,
      "num_experts_per_tok":3,"embedding_multiplier":2.0,"residual_multiplier":0.5,"attention_multiplier":0.2,
      "logits_scaling":2.0,"tie_word_embeddings":true})"},
    {"minicpm", R"({"model_type":"minicpm","vocab_size":349,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"rms_norm_eps":0.005,
      "scale_emb":3,"scale_depth":1.4,"dim_model_base":32})"},
    {"mpt", R"({"model_type":"mpt","vocab_size":347,"d_model":128,"n_layers":3,"n_heads":8,"max_seq_len":256,
      "expansion_ratio":4,"no_bias":true,"attn_config":{"alibi":true,"alibi_bias_max":8,"clip_qkv":1.5,
      "qk_ln":false,"softmax_scale":null}})"},
    {"nemotron", R"({"model_type":"nemotron","vocab_size":351,"hidden_size":96,"intermediate_size":172,"head_dim":16,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "norm_eps":0.01,"hidden_act":"relu2"})"},
    {"phi2", R"({"model_type":"phi","vocab_size":345,"hidden_size":96,"intermediate_size":384,"hidden_act":"gelu_new",
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"layer_norm_eps":0.005})"},
    {"stablelm", R"({"model_type":"stablelm","vocab_size":347,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":6,"max_position_embeddings":256,
      "layer_norm_eps":0.02,"use_qkv_bias":true,"use_parallel_residual":false})"},
    {"stablelm12", R"({"model_type":"stablelm","vocab_size":349,"hidden_size":128,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "layer_norm_eps":0.005,"qk_layernorm":true,"use_parallel_residual":true})"},
    {"olmo3", R"({"model_type":"olmo3","vocab_size":353,"hidden_size":64,"intermediate_size":112,
      "num_hidden_layers":4,"num_attention_heads":4,"max_position_embeddings":256,"rms_norm_eps":1e-6,
      "sliding_window":9,"rope_theta":500000.0,"rope_scaling":{"rope_type":"yarn","factor":8.0,
      "attention_factor":1.20794415,"original_max_position_embeddings":32}})"},
    {"seed_oss", R"({"model_type":"seed_oss","vocab_size":355,"hidden_size":64,"intermediate_size":112,"head_dim":48,
      "num_hidden_layers":3,"num_attention_heads":3,"num_key_value_heads":1,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"rope_theta":1e7,"tie_word_embeddings":true})"},
};

/// Scores of latent attention are scaled by a multiplier that the file rounds, at 0.1 times its value.
void forget_last_bits(ModelSpec& spec) {
  for (LayerSpec& layer : spec.layers)
    if (auto* latent = std::get_if<LatentAttentionSpec>(&layer.mixer))
      latent->scale = std::round(latent->scale * 1e6f) / 1e6f;
}

TEST(Family, AFileAndAConfigJsonOfOneModelAgree) {
  PLUMB_REQUIRE_FIXTURES();
  for (const SameModel& same : kSame) {
    SCOPED_TRACE(same.file);
    ModelSpec file = spec_from_file(GgufFile::open(test::architecture_fixture(std::string(same.file) + ".gguf")));
    ModelSpec json = spec_from_json(same.json, "config.json");
    forget_last_bits(file);
    forget_last_bits(json);
    expect_same(json, file);
  }
}

TEST(Family, TensorsOfFilesAreFoundWhole) {
  PLUMB_REQUIRE_FIXTURES();
  for (const SameModel& same : kSame) {
    SCOPED_TRACE(same.file);
    const GgufFile file = GgufFile::open(test::architecture_fixture(std::string(same.file) + ".gguf"));
    const ModelSpec spec = spec_from_file(file);
    std::int64_t found = 0, all = 0;
    for_each_tensor(spec, [&](const TensorSpec& tensor) {
      const auto view = find_tensor(file, spec, tensor);
      ASSERT_TRUE(view) << tensor_name(spec, tensor.id);
      EXPECT_EQ(view->shape().elements(), tensor.shape.elements()) << tensor_name(spec, tensor.id);
      found += view->shape().elements();
    });
    for (const GgufTensor& tensor : file.tensors()) all += tensor.view.shape().elements();
    EXPECT_EQ(found, all) << "parts of the file are not used";
  }
}

TEST(Family, FoldersReadBackFromAFile) {
  PLUMB_REQUIRE_FIXTURES();
  for (const char* name :
       {"llama",       "mistral",  "mixtral",     "qwen2",      "qwen2_moe", "qwen3",    "qwen3-fp8",
        "qwen3_moe",   "gemma2",   "gemma3_text", "phi3",       "gpt2",      "gpt_neox", "deepseek_v2",
        "deepseek_v3", "bloom",    "cohere",      "cohere2",    "ernie4_5",  "falcon",   "gemma",
        "glm4",        "gpt_oss",  "granite",     "granitemoe", "olmo2",     "olmo3",    "olmoe",
        "phi",         "seed_oss", "smollm3",     "stablelm",   "starcoder2"}) {
    SCOPED_TRACE(name);
    const ModelSpec spec = spec_from_json_file(test::fixtures_dir() / "hf-dev" / name / "config.json");
    expect_same(through_a_file(spec), spec);
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
  expect_same(gemma(R"("layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"],
    "rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":3e5},
    "sliding_attention":{"rope_type":"default","rope_theta":2e4}})"),
              by_period);
  expect_same(gemma(R"("_sliding_window_pattern":2,"rope_theta":3e5,"rope_local_base_freq":2e4,
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
    EXPECT_EQ(view->shape(), shape) << whole;
    return (view->data() - file.get_tensor(whole).view.data()) / static_cast<std::ptrdiff_t>(sizeof(float));
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
}  // namespace plumb
