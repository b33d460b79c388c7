// Every family of one shape with other hyper-parameters than the recorded models have: what config.json says of it
// stands in the spec, reads back from a file, and runs; what GGUF files cannot hold is refused by feature.

#include <gtest/gtest.h>

#include <string>

#include "plumb/model/check_spec.hpp"
#include "plumb/model/synth.hpp"
#include "tests/families/same_spec.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/specs.hpp"

namespace plumb::variants_test {
namespace {

/// A small model: 5 layers of width 48 with 6 heads, unless the fields say otherwise.
std::string model(const std::string& type, const std::string& fields) {
  std::string json = R"({"model_type":")" + type + '"';
  for (const auto& [name, value] : {std::pair{"vocab_size", 300},
                                    {"hidden_size", 48},
                                    {"intermediate_size", 40},
                                    {"num_hidden_layers", 5},
                                    {"num_attention_heads", 6},
                                    {"max_position_embeddings", 64}})
    if (const std::string field = '"' + std::string(name) + "\":"; fields.find(field) == std::string::npos)
      json.append("," + field + std::to_string(value));
  return json + (fields.empty() ? "" : ",") + fields + "}";
}
ModelSpec spec_of(const std::string& type, const std::string& fields = "") {
  return spec_from_json(model(type, fields), "config.json");
}

struct Variant {
  const char* type;
  const char* fields;
};
const Variant kVariants[] = {
    {"cohere", R"("num_key_value_heads":3,"use_qk_norm":true,"logit_scale":1.5,"head_dim":16)"},
    {"cohere", R"("attention_bias":true,"model_max_length":32,"tie_word_embeddings":false)"},
    {"cohere2", R"("num_key_value_heads":1,"sliding_window":7,"sliding_window_pattern":2,"rotary_pct":0.5)"},
    {"cohere2", R"("sliding_window":7,"num_hidden_layers":3)"},
    {"cohere2", R"("sliding_window":null)"},
    {"falcon", ""},
    {"falcon", R"("multi_query":false,"bias":true,"ffn_hidden_size":24)"},
    {"falcon", R"("new_decoder_architecture":true,"num_kv_heads":3)"},
    {"falcon", R"("new_decoder_architecture":true,"num_kv_heads":2,"num_ln_in_parallel_attn":1)"},
    {"RefinedWebModel", R"("n_layer":2,"n_head":3,"multi_query":true)"},
    {"RefinedWeb", R"("n_layer":2,"n_head":4,"n_head_kv":2)"},
    {"gpt_oss", R"("num_key_value_heads":2,"head_dim":12,"num_local_experts":5,"num_experts_per_tok":2,
      "sliding_window":5)"},
    {"gpt_oss", R"("num_key_value_heads":6,"rope_scaling":null,"attention_bias":false,"num_local_experts":3,
      "num_experts_per_tok":3,"layer_types":["sliding_attention","sliding_attention","sliding_attention",
      "sliding_attention","sliding_attention"])"},
    {"granite", R"("attention_multiplier":0.1,"logits_scaling":7.0,"num_key_value_heads":3)"},
    {"granitemoe", R"("num_local_experts":7,"num_experts_per_tok":3,"residual_multiplier":0.3)"},
    {"granitemoeshared", R"("num_local_experts":3,"num_experts_per_tok":1,"shared_intermediate_size":20)"},
    {"minicpm", R"("scale_emb":12,"scale_depth":1.4,"dim_model_base":16,"num_key_value_heads":2)"},
    {"minicpm", R"("num_experts":5,"num_experts_per_tok":2)"},
    {"minicpm", ""},
    {"mpt", R"("attn_config":{"alibi":true,"alibi_bias_max":16,"clip_qkv":6.0,"kv_n_heads":3,"qk_ln":true})"},
    {"mpt", R"("no_bias":false)"},
    {"mpt", R"("attn_config":{"alibi":false})"},
    {"bloom", R"("n_inner":100)"},
    {"nemotron", R"("num_key_value_heads":2,"partial_rotary_factor":0.25,"attention_bias":true)"},
    {"arcee", R"("head_dim":10,"num_key_value_heads":2,"mlp_bias":true)"},
    {"phi", R"("partial_rotary_factor":0.75,"num_key_value_heads":3)"},
    {"stablelm", R"("num_key_value_heads":2,"qk_layernorm":true)"},
    {"stablelm", R"("num_key_value_heads":6,"use_parallel_residual":true,"use_qkv_bias":true,
      "partial_rotary_factor":0.5)"},
    {"stablelm_epoch", R"("num_key_value_heads":6,"rope_pct":0.5,"norm_eps":0.002)"},
    {"olmo", R"("clip_qkv":8.0,"num_key_value_heads":2,"tie_word_embeddings":true)"},
    {"olmo2", R"("num_key_value_heads":2,"rope_scaling":{"rope_type":"linear","factor":4.0})"},
    {"olmo3", R"("num_key_value_heads":2,"sliding_window":6)"},
    {"olmo3", R"("sliding_window":6,"rope_scaling":{"rope_type":"yarn","factor":16.0,"attention_factor":1.3,
      "beta_fast":8.0,"original_max_position_embeddings":8})"},
    {"olmoe", R"("num_experts":6,"num_experts_per_tok":4,"norm_topk_prob":true,"clip_qkv":3.0)"},
    {"gpt_bigcode", ""},
    {"gpt_bigcode", R"("multi_query":false,"n_inner":50)"},
    {"starcoder2", R"("num_key_value_heads":6,"use_bias":false,"sliding_window":5)"},
    {"internlm2", R"("num_key_value_heads":3,"bias":false,"rope_scaling":{"type":"dynamic","factor":2.0})"},
    {"internlm2", ""},
    {"exaone", R"("num_key_value_heads":2,"layer_norm_epsilon":0.01,"rope_scaling":{"rope_type":"llama3",
      "factor":8.0,"original_max_position_embeddings":8})"},
    {"ernie4_5", R"("head_dim":10,"use_bias":true)"},
    {"smollm3", R"("num_key_value_heads":3)"},
    {"seed_oss", R"("num_key_value_heads":3,"head_dim":14,"attention_out_bias":true)"},
    {"glm4", R"("head_dim":12,"attention_bias":true,"partial_rotary_factor":1.0)"},
    {"gemma", R"("num_key_value_heads":6,"head_dim":10,"hidden_act":"gelu")"},
    {"gemma", R"("num_key_value_heads":1,"head_dim":8,"tie_word_embeddings":false)"},
    {"gemma3n_text", R"("vocab_size_per_layer_input":300,"hidden_size_per_layer_input":24,"num_key_value_heads":3,
      "head_dim":10,"num_kv_shared_layers":0,"laurel_rank":7,"sliding_window":4,
      "activation_sparsity_pattern":[0.95,0.95,0.95,0.95,0.95])"},
    {"gemma3n_text", R"("vocab_size_per_layer_input":290,"num_hidden_layers":23,"num_key_value_heads":6,"head_dim":8,
      "hidden_size_per_layer_input":5,"num_kv_shared_layers":3,"altup_num_inputs":3,"altup_active_idx":2,
      "sliding_window":3,"tie_word_embeddings":false,"rope_parameters":{"full_attention":{"rope_theta":5e5},
      "sliding_attention":{"rope_theta":500.0}})"},
    {"gemma4_text", R"("vocab_size_per_layer_input":300,"hidden_size_per_layer_input":10,"num_key_value_heads":2,
      "head_dim":6,"global_head_dim":14,"sliding_window":4,"num_kv_shared_layers":2,"use_double_wide_mlp":true,
      "layer_types":["sliding_attention","full_attention","sliding_attention","sliding_attention","full_attention"])"},
    {"gemma4_text", R"("hidden_size_per_layer_input":0,"num_key_value_heads":6,"head_dim":8,"global_head_dim":8,
      "num_global_key_value_heads":2,"attention_k_eq_v":true,"sliding_window":3,"tie_word_embeddings":false)"},
    {"gemma4_text", R"("hidden_size_per_layer_input":0,"num_key_value_heads":3,"head_dim":4,"global_head_dim":20,
      "num_global_key_value_heads":1,"attention_k_eq_v":true,"sliding_window":5,"enable_moe_block":true,
      "num_experts":7,"top_k_experts":3,"moe_intermediate_size":9,"final_logit_softcapping":4.0)"},
    {"gemma4_text", R"("vocab_size_per_layer_input":200,"hidden_size_per_layer_input":33,"num_key_value_heads":1,
      "layer_types":["full_attention","full_attention","full_attention","full_attention","full_attention"],
      "head_dim":6,"global_head_dim":10,"num_kv_shared_layers":3,"enable_moe_block":true,"num_experts":3,
      "top_k_experts":3,"moe_intermediate_size":5)"},
    {"rwkv7", R"("head_dim":8,"decay_low_rank_dim":7,"a_low_rank_dim":3,"v_low_rank_dim":5,"gate_low_rank_dim":11)"},
    {"rwkv7", R"("head_size":48,"lora_rank_decay":1,"lora_rank_iclr":32,"lora_rank_gate":null,"norm_first":false,
      "layer_norm_epsilon":0.01,"intermediate_size":null,"tie_word_embeddings":true)"},
    {"rwkv7", R"("head_dim":3,"num_hidden_layers":1,"hidden_act":"sqrelu")"},
};

TEST(Variants, ReadBackFromAFile) {
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(std::string(variant.type) + " " + variant.fields);
    const ModelSpec spec = spec_of(variant.type, variant.fields);
    test::expect_same(test::through_a_file(spec), spec);
  }
}

/// One at a time, all at once, and on several threads: the same bits.
TEST(Variants, RunTheSameInEveryCut) {
  std::vector<Token> tokens;
  for (int i = 0; i < 11; ++i) tokens.push_back((i * 37 + 5) % 300);
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(std::string(variant.type) + " " + variant.fields);
    const Model own = Model::random(spec_of(variant.type, variant.fields), WeightTypes(DType::f32), 3);
    const SessionOptions one{.context = 32, .threads = 1};
    const std::vector<float> whole = test::all_logits(own, tokens, tokens.size(), one);
    EXPECT_TRUE(std::ranges::all_of(whole, [](float logit) { return std::isfinite(logit); }));
    EXPECT_EQ(test::all_logits(own, tokens, 1, {.context = 32, .threads = 3}), whole);
    EXPECT_EQ(test::all_logits(own, tokens, 4, {.context = 32, .threads = 2}), whole);
  }
}

TEST(Variants, FieldsStandInTheSpec) {
  ModelSpec spec = spec_of("cohere", R"("num_key_value_heads":3,"use_qk_norm":true,"model_max_length":32)");
  EXPECT_EQ(spec.context, 32);
  EXPECT_EQ(test::attention_of(spec).qk_norm_over, QkNormOver::each_head);
  EXPECT_EQ(spec.output.scale, 0.0625f);
  spec = spec_of("cohere2", R"("sliding_window":7,"sliding_window_pattern":2)");
  for (int l = 0; l < 5; ++l) {
    EXPECT_EQ(test::attention_of(spec, l).window, l % 2 == 0 ? 7 : 0);
    EXPECT_EQ(test::attention_of(spec, l).rope, l % 2 == 0 ? 0 : -1);
  }
  spec = spec_of("falcon", R"("num_kv_heads":6)");
  EXPECT_EQ(test::attention_of(spec).n_kv_heads, 1) << "multi_query is on unless switched off";
  EXPECT_EQ(test::dense_of(spec).inner, 40);
  EXPECT_TRUE(spec.layers[0].shared_norm);
  spec = spec_of("falcon", R"("multi_query":false)");
  EXPECT_EQ(test::attention_of(spec).n_kv_heads, 6);
  spec = spec_of("falcon", R"("new_decoder_architecture":true,"num_kv_heads":3)");
  EXPECT_EQ(test::attention_of(spec).n_kv_heads, 3);
  EXPECT_FALSE(spec.layers[0].shared_norm);
  EXPECT_EQ(tensor_name(spec, {TensorRole::attn_norm, 2, true}), "blk.2.attn_norm_2.bias");
  EXPECT_EQ(tensor_name(spec, {TensorRole::ffn_norm, 2, false}), "blk.2.attn_norm.weight");
  spec = spec_of("minicpm", R"("scale_emb":12,"scale_depth":1.4,"dim_model_base":16)");
  EXPECT_FLOAT_EQ(spec.output.scale, 16.0f / 48.0f);
  EXPECT_FLOAT_EQ(spec.layers[0].residual_scale, 1.4f / std::sqrt(5.0f));
  spec = spec_of("smollm3", R"("num_key_value_heads":3)");
  for (int l = 0; l < 5; ++l) EXPECT_EQ(test::attention_of(spec, l).rope, l == 3 ? -1 : 0) << l;
  spec = spec_of("smollm3", R"("num_key_value_heads":3,"no_rope_layers":[0,1,1,0,1])");
  for (int l = 0; l < 5; ++l) EXPECT_EQ(test::attention_of(spec, l).rope, l == 0 || l == 3 ? -1 : 0) << l;
  spec = spec_of("olmo3", R"("sliding_window":6,"rope_scaling":{"rope_type":"yarn","factor":8.0,
    "original_max_position_embeddings":8})");
  ASSERT_EQ(spec.ropes.size(), 2u);
  for (int l = 0; l < 5; ++l) EXPECT_EQ(test::attention_of(spec, l).rope, l == 3 ? 0 : 1) << l;
  EXPECT_EQ(spec.ropes[1].scaling, RopeScaling::none);
  spec = spec_of("mpt", R"("attn_config":{"alibi":false})");
  EXPECT_TRUE(spec.embedding.positions);
  EXPECT_EQ(test::attention_of(spec).alibi_max_bias, 0);
  spec = spec_of("gpt_oss", R"("num_key_value_heads":2,"head_dim":12)");
  const ExpertsSpec& experts = test::experts_of(spec);
  EXPECT_EQ(experts.count, 128);
  EXPECT_EQ(experts.expert.inner, 40);
  EXPECT_TRUE(experts.expert.bias && experts.router_bias && experts.routing.renormalise);
  EXPECT_EQ(spec.ropes[0].scaling, RopeScaling::yarn);
}

TEST(Variants, WhatCannotBeRunIsRefusedByFeature) {
  const auto refused = [](ErrorCode code, const char* type, const char* fields, const char* mention) {
    SCOPED_TRACE(std::string(type) + " " + fields);
    const std::string message = test::expect_error(code, [&] { (void)spec_of(type, fields); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
    EXPECT_NE(message.find("config.json"), std::string::npos) << message;
  };
  const ErrorCode unsupported = ErrorCode::unsupported_architecture;
  refused(unsupported, "falcon", R"("parallel_attn":false)", "parallel_attn");
  refused(unsupported, "falcon", R"("alibi":true)", "alibi");
  refused(unsupported, "mpt", R"("attn_config":{"prefix_lm":true})", "prefix_lm");
  refused(unsupported, "mpt", R"("logit_scale":0.5)", "logit_scale");
  refused(unsupported, "bloom", R"("apply_residual_connection_post_layernorm":true)", "post_layernorm");
  refused(unsupported, "phi", R"("qk_layernorm":true)", "qk_layernorm");
  refused(unsupported, "gpt_oss", R"("swiglu_limit":5.0)", "swiglu_limit");
  refused(unsupported, "gemma3n_text", R"("num_kv_shared_layers":0,"altup_correct_scale":false)",
          "altup_correct_scale");
  refused(unsupported, "gemma4_text", R"("num_key_value_heads":2,"use_bidirectional_attention":"all")",
          "bidirectional");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":5)", "num_kv_shared_layers");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":6)", "num_kv_shared_layers");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":0,"activation_sparsity_pattern":[0.95])",
          "activation_sparsity_pattern");
  refused(ErrorCode::bad_value, "gemma3n_text",
          R"("num_kv_shared_layers":0,"activation_sparsity_pattern":[0.95,0,0,0,1.0])", "activation_sparsity_pattern");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":0,"intermediate_size":[40,40,40])",
          "intermediate_size");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":0,"altup_num_inputs":17)",
          "altup_num_inputs");
  refused(ErrorCode::bad_value, "gemma3n_text", R"("num_kv_shared_layers":0,"laurel_rank":0)", "laurel_rank");
  refused(ErrorCode::bad_value, "gemma4_text", R"("num_key_value_heads":2,"rope_parameters":{"full_attention":{
    "rope_type":"yarn"}})",
          "rope_type");
  refused(ErrorCode::bad_value, "gemma4_text", R"("num_key_value_heads":2,"attention_k_eq_v":true,
    "num_global_key_value_heads":4)",
          "num_global_key_value_heads");
  refused(ErrorCode::bad_value, "gemma4_text", R"("num_key_value_heads":2,"global_head_dim":0)", "global_head_dim");
  refused(ErrorCode::missing_key, "gemma4_text", R"("num_key_value_heads":2,"enable_moe_block":true)", "num_experts");
  refused(ErrorCode::bad_value, "smollm3", R"("num_key_value_heads":3,"no_rope_layers":[1,1,1])", "no_rope_layers");
  refused(ErrorCode::bad_value, "smollm3", R"("num_key_value_heads":3,"no_rope_layer_interval":0)",
          "no_rope_layer_interval");
  refused(ErrorCode::bad_value, "minicpm", R"("dim_model_base":0)", "dim_model_base");
  refused(ErrorCode::bad_value, "minicpm", R"("scale_depth":0)", "residual_scale");
  refused(ErrorCode::wrong_type, "minicpm", R"("scale_emb":"12")", "scale_emb");
  refused(ErrorCode::wrong_type, "mpt", R"("attn_config":[])", "attn_config");
  refused(ErrorCode::bad_value, "mpt", R"("attn_config":{"clip_qkv":-1})", "clip");
  refused(ErrorCode::bad_value, "mpt", R"("attn_config":{"kv_n_heads":4})", "kv_n_heads");
  refused(ErrorCode::bad_value, "olmo", R"("clip_qkv":-2.0)", "clip");
  refused(ErrorCode::bad_value, "cohere2", R"("sliding_window":-1)", "sliding_window");
  refused(ErrorCode::bad_value, "cohere2", R"("rotary_pct":1.5)", "rotary_pct");
  refused(ErrorCode::bad_value, "cohere", R"("logit_scale":0)", "output.scale");
  refused(ErrorCode::wrong_type, "falcon", R"("multi_query":1)", "multi_query");
  refused(ErrorCode::bad_value, "falcon", R"("num_ln_in_parallel_attn":3)", "num_ln_in_parallel_attn");
  refused(ErrorCode::bad_value, "gpt_oss", R"("num_local_experts":2,"num_experts_per_tok":3,"num_key_value_heads":2)",
          "num_experts_per_tok");
  refused(ErrorCode::bad_value, "granitemoe", R"("num_local_experts":0)", "num_local_experts");
  refused(ErrorCode::bad_value, "stablelm", R"("num_key_value_heads":4)", "num_key_value_heads");
}

/// Patterns that the engine that GGUF files are made for does not read would be lost in a file.
TEST(Variants, PatternsWithoutAKeyAreNotWritten) {
  const auto refused = [](const char* type, const char* fields, const char* mention) {
    SCOPED_TRACE(std::string(type) + " " + fields);
    const ModelSpec spec = spec_of(type, fields);
    GgufWriter writer;
    const std::string message =
        test::expect_error(ErrorCode::unsupported_architecture, [&] { write_spec(writer, spec); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused("smollm3", R"("num_key_value_heads":3,"no_rope_layers":[0,1,1,0,1])", "layer 0: attention.rope");
  refused("gemma3n_text", R"("num_key_value_heads":2,"num_kv_shared_layers":0)", "layer 0: ffn.sparsity");
  refused("gemma3n_text", R"("num_key_value_heads":2,"num_hidden_layers":23,"num_kv_shared_layers":4)",
          "layer 19: attention.kv_from");
  refused("gemma3n_text", R"("num_key_value_heads":2,"num_hidden_layers":23,"num_kv_shared_layers":3,
    "final_logit_softcapping":20.0)",
          "output.softcap");
  refused("olmo3", R"("sliding_window":6,"layer_types":["full_attention","full_attention","sliding_attention",
    "sliding_attention","sliding_attention"])",
          "attention.window");
}

}  // namespace
}  // namespace plumb::variants_test
