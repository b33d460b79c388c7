// config.json files: every family gives the preset's parameter count, and hostile ones give one clear Error.

#include "plumb/model/family.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/parameters.hpp"

namespace plumb::hf_config_test {
namespace {

/// The fields that matter of a publisher's file, and the preset it must agree with.
struct FamilyCase {
  const char* preset;
  const char* json;
};

const FamilyCase kFamilyCases[] = {
    {"llama-3.2-1b", R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"vocab_size":128256,
      "hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":16,"num_attention_heads":32,
      "num_key_value_heads":8,"head_dim":64,"max_position_embeddings":131072,"rms_norm_eps":1e-05,
      "rope_theta":500000.0,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
      "original_max_position_embeddings":8192,"rope_type":"llama3"},"tie_word_embeddings":true,
      "attention_bias":false,"hidden_act":"silu","torch_dtype":"bfloat16"})"},
    {"llama-2-7b", R"({"model_type":"llama","vocab_size":32000,"hidden_size":4096,"intermediate_size":11008,
      "num_hidden_layers":32,"num_attention_heads":32,"max_position_embeddings":4096,"rms_norm_eps":1e-05,
      "rope_scaling":null,"tie_word_embeddings":false})"},
    {"mistral-7b", R"({"model_type":"mistral","vocab_size":32000,"hidden_size":4096,"intermediate_size":14336,
      "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":32768,
      "rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,"tie_word_embeddings":false})"},
    {"mixtral-8x7b", R"({"model_type":"mixtral","vocab_size":32000,"hidden_size":4096,"intermediate_size":14336,
      "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":32768,
      "num_local_experts":8,"num_experts_per_tok":2,"rms_norm_eps":1e-05,"rope_theta":1000000.0,
      "sliding_window":null,"tie_word_embeddings":false})"},
    {"qwen2-7b", R"({"model_type":"qwen2","vocab_size":152064,"hidden_size":3584,"intermediate_size":18944,
      "num_hidden_layers":28,"num_attention_heads":28,"num_key_value_heads":4,"max_position_embeddings":131072,
      "max_window_layers":28,"sliding_window":131072,"use_sliding_window":false,"rms_norm_eps":1e-06,
      "rope_theta":1000000.0,"tie_word_embeddings":false})"},
    {"qwen1.5-moe-a2.7b", R"({"model_type":"qwen2_moe","vocab_size":151936,"hidden_size":2048,
      "intermediate_size":5632,"num_hidden_layers":24,"num_attention_heads":16,"num_key_value_heads":16,
      "max_position_embeddings":8192,"num_experts":60,"num_experts_per_tok":4,"moe_intermediate_size":1408,
      "shared_expert_intermediate_size":5632,"norm_topk_prob":false,"decoder_sparse_step":1,
      "use_sliding_window":false,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"tie_word_embeddings":false})"},
    {"qwen3-0.6b", R"({"model_type":"qwen3","vocab_size":151936,"hidden_size":1024,"intermediate_size":3072,
      "num_hidden_layers":28,"num_attention_heads":16,"num_key_value_heads":8,"head_dim":128,
      "max_position_embeddings":40960,"rms_norm_eps":1e-06,"rope_theta":1000000,"tie_word_embeddings":true,
      "attention_bias":false,"use_sliding_window":false})"},
    {"qwen3-30b-a3b", R"({"model_type":"qwen3_moe","vocab_size":151936,"hidden_size":2048,"intermediate_size":6144,
      "num_hidden_layers":48,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,"num_experts":128,
      "num_experts_per_tok":8,"moe_intermediate_size":768,"norm_topk_prob":true,"decoder_sparse_step":1,
      "mlp_only_layers":[],"max_position_embeddings":40960,"rms_norm_eps":1e-06,"rope_theta":1000000.0,
      "tie_word_embeddings":false})"},
    {"gemma-2-2b", R"({"model_type":"gemma2","vocab_size":256000,"hidden_size":2304,"intermediate_size":9216,
      "num_hidden_layers":26,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,
      "max_position_embeddings":8192,"attn_logit_softcapping":50.0,"final_logit_softcapping":30.0,
      "query_pre_attn_scalar":256,"sliding_window":4096,"rms_norm_eps":1e-06,"rope_theta":10000.0,
      "hidden_activation":"gelu_pytorch_tanh","hidden_act":"gelu_pytorch_tanh"})"},
    {"gemma-3-1b", R"({"model_type":"gemma3_text","vocab_size":262144,"hidden_size":1152,"intermediate_size":6912,
      "num_hidden_layers":26,"num_attention_heads":4,"num_key_value_heads":1,"head_dim":256,
      "max_position_embeddings":32768,"query_pre_attn_scalar":256,"sliding_window":512,"sliding_window_pattern":6,
      "rope_local_base_freq":10000,"rope_theta":1000000,"rms_norm_eps":1e-06,"attn_logit_softcapping":null})"},
    {"gemma-3-27b", R"({"model_type":"gemma3","vision_config":{"hidden_size":1152},"text_config":{
      "model_type":"gemma3_text","head_dim":128,"hidden_size":5376,"intermediate_size":21504,
      "num_attention_heads":32,"num_hidden_layers":62,"num_key_value_heads":16,"query_pre_attn_scalar":168,
      "rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024}})"},
    {"phi-3-mini", R"({"model_type":"phi3","vocab_size":32064,"hidden_size":3072,"intermediate_size":8192,
      "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":32,"max_position_embeddings":4096,
      "original_max_position_embeddings":4096,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,
      "sliding_window":2047,"tie_word_embeddings":false})"},
    {"gpt2", R"({"model_type":"gpt2","activation_function":"gelu_new","layer_norm_epsilon":1e-05,"n_ctx":1024,
      "n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"vocab_size":50257})"},
    {"pythia-410m", R"({"model_type":"gpt_neox","hidden_act":"gelu","hidden_size":1024,"intermediate_size":4096,
      "layer_norm_eps":1e-05,"max_position_embeddings":2048,"num_attention_heads":16,"num_hidden_layers":24,
      "rotary_emb_base":10000,"rotary_pct":0.25,"tie_word_embeddings":false,"use_parallel_residual":true,
      "vocab_size":50304})"},
    {"deepseek-v2-lite", R"({"model_type":"deepseek_v2","vocab_size":102400,"hidden_size":2048,
      "intermediate_size":10944,"moe_intermediate_size":1408,"num_hidden_layers":27,"num_attention_heads":16,
      "num_key_value_heads":16,"n_shared_experts":2,"n_routed_experts":64,"routed_scaling_factor":1.0,
      "kv_lora_rank":512,"q_lora_rank":null,"qk_rope_head_dim":64,"v_head_dim":128,"qk_nope_head_dim":128,
      "topk_method":"greedy","n_group":1,"topk_group":1,"num_experts_per_tok":6,"moe_layer_freq":1,
      "first_k_dense_replace":1,"norm_topk_prob":false,"scoring_func":"softmax","max_position_embeddings":163840,
      "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"beta_fast":32,"beta_slow":1,"factor":40,
      "mscale":0.707,"mscale_all_dim":0.707,"original_max_position_embeddings":4096,"type":"yarn"}})"},
    {"deepseek-v3", R"({"model_type":"deepseek_v3","vocab_size":129280,"hidden_size":7168,"intermediate_size":18432,
      "moe_intermediate_size":2048,"num_hidden_layers":61,"num_attention_heads":128,"num_key_value_heads":128,
      "n_shared_experts":1,"n_routed_experts":256,"routed_scaling_factor":2.5,"kv_lora_rank":512,
      "q_lora_rank":1536,"qk_rope_head_dim":64,"v_head_dim":128,"qk_nope_head_dim":128,"topk_method":"noaux_tc",
      "n_group":8,"topk_group":4,"num_experts_per_tok":8,"moe_layer_freq":1,"first_k_dense_replace":3,
      "norm_topk_prob":true,"scoring_func":"sigmoid","max_position_embeddings":163840,"rms_norm_eps":1e-06,
      "rope_theta":10000,"rope_scaling":{"beta_fast":32,"beta_slow":1,"factor":40,"mscale":1.0,"mscale_all_dim":1.0,
      "original_max_position_embeddings":4096,"type":"yarn"}})"},
};

TEST(HfConfig, EveryFamilyAgreesWithItsPreset) {
  for (const FamilyCase& test : kFamilyCases) {
    SCOPED_TRACE(test.preset);
    const Preset* preset = find_preset(test.preset);
    ASSERT_NE(preset, nullptr);
    const ModelSpec want = preset->spec();
    ModelSpec got = spec_from_json(test.json, "config.json");
    EXPECT_EQ(count_parameters(got).total(), preset->published_parameters);
    got.name = want.name;
    EXPECT_TRUE(got == want);
  }
}

/// As the file of EXAONE 4.0 32B has them: layers listed by name, and a pattern of letters beside the list.
TEST(HfConfig, APatternBesideAListOfLayersDoesNotCount) {
  const std::string listed = R"("layer_types":["sliding_attention","sliding_attention","sliding_attention",
      "full_attention"])",
                    letters = R"("sliding_window_pattern":"LLLG")";
  const auto read = [](const std::string& layers) {
    return spec_from_json(R"({"model_type":"exaone4","vocab_size":320,"hidden_size":64,"intermediate_size":96,
        "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"sliding_window":16,)" +
                              layers + "}",
                          "e");
  };
  const ModelSpec both = read(letters + "," + listed);
  EXPECT_TRUE(both == read(listed));
  EXPECT_TRUE(both == read(letters));
  for (int l = 0; l < 4; ++l)
    EXPECT_EQ(std::get<AttentionSpec>(both.layers[static_cast<std::size_t>(l)].mixer).window, l == 3 ? 0 : 16) << l;
}

/// What the presets' files say, by hand: a preset is read by the same code as its own file.
TEST(HfConfig, FieldsMeanWhatTheModelsDo) {
  const ModelSpec gemma = preset_spec("gemma-3-27b");
  EXPECT_EQ(gemma.family, "gemma3");
  EXPECT_EQ(gemma.vocab_size, 262208);
  EXPECT_EQ(gemma.context, 131072);
  EXPECT_EQ(gemma.embedding.scale, std::sqrt(5376.0f));
  EXPECT_TRUE(gemma.output.tied);
  ASSERT_EQ(gemma.ropes.size(), 2u);
  EXPECT_EQ(gemma.ropes[0].base, 1e6f);
  EXPECT_EQ(gemma.ropes[0].scaling, RopeScaling::linear);
  EXPECT_EQ(gemma.ropes[0].factor, 8.0f);
  EXPECT_EQ(gemma.ropes[1].base, 1e4f);
  EXPECT_EQ(gemma.ropes[1].scaling, RopeScaling::none);
  for (int l = 0; l < gemma.n_layers(); ++l) {
    const auto& attention = std::get<AttentionSpec>(gemma.layers[static_cast<std::size_t>(l)].mixer);
    EXPECT_EQ(attention.window, (l + 1) % 6 == 0 ? 0 : 1024) << l;
    EXPECT_EQ(attention.rope, (l + 1) % 6 == 0 ? 0 : 1) << l;
    EXPECT_EQ(attention.scale, 1.0f / std::sqrt(168.0f));
    EXPECT_EQ(attention.qk_norm_over, QkNormOver::head);
  }
  const ModelSpec gemma2 = preset_spec("gemma-2-2b");
  EXPECT_EQ(first_attention(gemma2)->softcap, 50.0f);
  EXPECT_EQ(first_attention(gemma2)->window, 4096);
  EXPECT_EQ(gemma2.output.softcap, 30.0f);
  EXPECT_EQ(gemma2.layers[0].ffn_branch.post_norm, gemma2.output.norm);
  const ModelSpec neox = preset_spec("pythia-1b");
  EXPECT_TRUE(neox.layers[0].parallel);
  EXPECT_EQ(neox.ropes[0].pairs, RopePairs::halves);
  EXPECT_EQ(neox.ropes[0].dims, 64);
  EXPECT_EQ(neox.output.norm->kind, NormKind::layer);
  EXPECT_EQ(std::get<DenseSpec>(neox.layers[0].ffn).activation, Activation::gelu_tanh);
  const ModelSpec gpt2 = preset_spec("gpt2");
  EXPECT_TRUE(gpt2.ropes.empty());
  EXPECT_TRUE(gpt2.embedding.positions);
  EXPECT_EQ(first_attention(gpt2)->rope, -1);
  EXPECT_TRUE(first_attention(gpt2)->out_bias);
  const ModelSpec llama = preset_spec("llama-3.2-1b");
  EXPECT_EQ(llama.ropes[0].factors, RopeFactors::one);
  EXPECT_EQ(llama.ropes[0].pairs, RopePairs::interleaved);
  EXPECT_EQ(first_attention(preset_spec("mistral-7b"))->window, 4096);
  const ModelSpec deepseek = preset_spec("deepseek-v3");
  EXPECT_TRUE(std::holds_alternative<DenseSpec>(deepseek.layers[2].ffn));
  const ExpertsSpec* experts = first_experts(deepseek);
  ASSERT_NE(experts, nullptr);
  EXPECT_TRUE(experts->routing.sigmoid && experts->routing.renormalise && experts->choice_bias);
  EXPECT_EQ(experts->routing.groups, 8);
  EXPECT_EQ(experts->routing.groups_used, 4);
  EXPECT_EQ(experts->routing.weight_scale, 2.5f);
  EXPECT_EQ(std::get<LatentAttentionSpec>(deepseek.layers[0].mixer).latent(), 576);
  EXPECT_FALSE(first_experts(preset_spec("qwen1.5-moe-a2.7b"))->routing.renormalise);
  EXPECT_TRUE(first_experts(preset_spec("qwen1.5-moe-a2.7b"))->shared_gate);
  EXPECT_TRUE(first_experts(preset_spec("dots.llm1"))->routing.sigmoid);  // its file says "noaux_tc"
}

struct HostileCase {
  const char* name;
  std::string json;
  ErrorCode code;
  const char* mentions;
};

/// A good file with `"key": value` put in place of what stands there, or added.
std::string with(const std::string& key, const std::string& value) {
  std::string json = kFamilyCases[1].json;  // llama-2-7b
  const std::size_t at = json.find("\"" + key + "\":");
  if (at == std::string::npos) return "{\"" + key + "\":" + value + "," + json.substr(1);
  const std::size_t begin = at + key.size() + 3, end = json.find_first_of(",}", begin);
  return json.substr(0, begin) + value + json.substr(end);
}

TEST(HfConfig, HostileFilesGiveOneClearError) {
  const HostileCase cases[] = {
      {"empty", "", ErrorCode::bad_value, "JSON"},
      {"truncated", "{\"model_type\":", ErrorCode::bad_value, "JSON"},
      {"array", "[1,2]", ErrorCode::bad_value, "object"},
      {"deep arrays", "{\"a\":" + std::string(100000, '['), ErrorCode::bad_value, "deep"},
      {"deep objects",
       [] {
         std::string s = "{";
         for (int i = 0; i < 5000; ++i) s += "\"a\":{";
         return s;
       }(),
       ErrorCode::bad_value, "deep"},
      {"too long", "{\"a\":\"" + std::string(17u << 20, 'x') + "\"}", ErrorCode::bad_value, "bytes"},
      {"duplicate", "{\"hidden_size\":1,\"hidden_size\":2}", ErrorCode::duplicate, "hidden_size"},
      {"bad utf-8", "{\"\xff\":1}", ErrorCode::bad_value, "JSON"},
      {"no type", "{\"hidden_size\":64}", ErrorCode::missing_key, "model_type"},
      {"type is a number", with("model_type", "3"), ErrorCode::wrong_type, "model_type"},
      {"unknown type", with("model_type", "\"unheard_of\""), ErrorCode::unsupported_architecture, "unheard_of"},
      {"type with terminal bytes", with("model_type", R"("\u001b[2J")"), ErrorCode::unsupported_architecture, "\\x1b"},
      {"missing width", with("hidden_size", "null"), ErrorCode::missing_key, "hidden_size"},
      {"width zero", with("hidden_size", "0"), ErrorCode::bad_value, "hidden_size"},
      {"width negative", with("hidden_size", "-4096"), ErrorCode::bad_value, "hidden_size"},
      {"width a string", with("hidden_size", "\"4096\""), ErrorCode::wrong_type, "hidden_size"},
      {"width a float", with("hidden_size", "4096.5"), ErrorCode::wrong_type, "hidden_size"},
      {"width 2^31", with("hidden_size", "2147483648"), ErrorCode::bad_value, "hidden_size"},
      {"width 2^64", with("hidden_size", "18446744073709551616"), ErrorCode::wrong_type, "hidden_size"},
      {"width 2^64-1", with("hidden_size", "18446744073709551615"), ErrorCode::bad_value, "hidden_size"},
      {"layers 1e9", with("num_hidden_layers", "1000000000"), ErrorCode::bad_value, "num_hidden_layers"},
      {"heads zero", with("num_attention_heads", "0"), ErrorCode::bad_value, "num_attention_heads"},
      {"heads not dividing", with("num_attention_heads", "33"), ErrorCode::bad_value, "num_attention_heads"},
      {"kv heads not dividing", with("num_key_value_heads", "5"), ErrorCode::bad_value, "num_key_value_heads"},
      {"kv heads above heads", with("num_key_value_heads", "64"), ErrorCode::bad_value, "num_key_value_heads"},
      {"head_dim zero", with("head_dim", "0"), ErrorCode::bad_value, "head_dim"},
      {"head_dim odd", with("head_dim", "127"), ErrorCode::bad_value, "rope.dims"},
      {"vocab an array", with("vocab_size", "[]"), ErrorCode::wrong_type, "vocab_size"},
      {"epsilon a string", with("rms_norm_eps", "\"NaN\""), ErrorCode::wrong_type, "rms_norm_eps"},
      {"epsilon NaN", with("rms_norm_eps", "NaN"), ErrorCode::missing_key, "rms_norm_eps"},
      {"epsilon 1e999", with("rms_norm_eps", "1e999"), ErrorCode::bad_value, "JSON"},
      {"epsilon negative", with("rms_norm_eps", "-1"), ErrorCode::bad_value, "norm.eps"},
      {"theta zero", with("rope_theta", "0"), ErrorCode::bad_value, "rope.base"},
      {"theta beyond float", with("rope_theta", "1e300"), ErrorCode::bad_value, "rope_theta"},
      {"scaling a string", with("rope_scaling", "\"yarn\""), ErrorCode::wrong_type, "rope_scaling"},
      {"scaling unknown", with("rope_scaling", R"({"rope_type":"spiral"})"), ErrorCode::bad_value, "spiral"},
      {"scaling without factor", with("rope_scaling", R"({"rope_type":"linear"})"), ErrorCode::missing_key,
       "rope_scaling.factor"},
      {"activation unknown", with("hidden_act", "\"swiglu9\""), ErrorCode::bad_value, "swiglu9"},
      {"tie a number", with("tie_word_embeddings", "1"), ErrorCode::wrong_type, "tie_word_embeddings"},
      {"context zero", with("max_position_embeddings", "0"), ErrorCode::bad_value, "max_position_embeddings"},
      {"windows of an unknown kind", R"({"model_type":"gemma3_text","num_hidden_layers":1,"layer_types":["chunked"]})",
       ErrorCode::bad_value, "chunked"},
      {"windows for other layers", R"({"model_type":"gemma3_text","layer_types":["full_attention"]})",
       ErrorCode::bad_value, "layer_types"},
      {"rotary share above one", with("partial_rotary_factor", "1.5"), ErrorCode::bad_value, "partial_rotary_factor"},
      {"gemma3 without text", "{\"model_type\":\"gemma3\"}", ErrorCode::missing_key, "text_config"},
      {"gemma3 text a string", R"({"model_type":"gemma3","text_config":"x"})", ErrorCode::wrong_type, "text_config"},
      {"gpt2 heads", R"({"model_type":"gpt2","n_embd":768,"n_layer":2,"n_head":7})", ErrorCode::bad_value, "n_head"},
      {"experts", R"({"model_type":"mixtral","vocab_size":100,"hidden_size":64,"intermediate_size":64,
        "num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,"num_local_experts":2,"num_experts_per_tok":3})",
       ErrorCode::bad_value, "num_experts_per_tok"},
  };
  for (const HostileCase& test : cases) {
    SCOPED_TRACE(test.name);
    try {
      spec_from_json(test.json, "bad.json");
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error_code_name(error.code()), error_code_name(test.code)) << message;
      EXPECT_NE(message.find(test.mentions), std::string::npos) << message;
      EXPECT_NE(message.find("bad.json"), std::string::npos) << message;
      EXPECT_EQ(message.find('\x1b'), std::string::npos);
      EXPECT_LT(message.size(), 600u);
    }
  }
}

TEST(HfConfig, TruncationAtEveryByteIsRefused) {
  const std::string json = kFamilyCases[0].json;
  for (std::size_t n = 0; n < json.size(); ++n) EXPECT_THROW(spec_from_json(json.substr(0, n), "cut.json"), Error) << n;
}

TEST(HfConfig, FilesAreReadAndRefusedByName) {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("plumb_hf_" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  std::ofstream(dir / "config.json") << kFamilyCases[0].json;
  std::ofstream(dir / "empty.json");
  EXPECT_EQ(spec_from_json_file(dir / "config.json").width, 2048);
  const auto code_of = [](const std::filesystem::path& path) {
    try {
      spec_from_json_file(path);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::invalid_argument;
  };
  EXPECT_EQ(code_of(dir / "absent.json"), ErrorCode::io);
  EXPECT_EQ(code_of(dir), ErrorCode::io);
  EXPECT_EQ(code_of("/dev/zero"), ErrorCode::io);
  EXPECT_EQ(code_of(dir / "empty.json"), ErrorCode::truncated);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace plumb::hf_config_test
