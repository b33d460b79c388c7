// Models of makers in China and Korea with few sizes each: the fields that matter of the config.json beside each
// model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, or the model card's, less what
// the source names.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace east_models {
namespace {

constexpr std::string_view kBaidu = "huggingface.co/baidu: config.json, safetensors total";
constexpr std::string_view kBaiduCard = "huggingface.co/baidu: config.json, total of the model card";
constexpr std::string_view kTencent = "huggingface.co/tencent: config.json, safetensors total";
constexpr std::string_view kTencentShown = "huggingface.co/tencent: config.json, rounded safetensors total";
constexpr std::string_view kSeed = "huggingface.co/ByteDance-Seed: config.json, safetensors total";
constexpr std::string_view kLg = "huggingface.co/LGAI-EXAONE: config.json, safetensors total";
/// 30.95 billion without the table of tokens and the head, which have 102400 * 5120 each.
constexpr std::string_view kLgCard = "huggingface.co/LGAI-EXAONE: config.json, model card's total and the two tables";
constexpr std::string_view kDots = "huggingface.co/rednote-hilab: config.json, safetensors total";
constexpr std::string_view kLing = "huggingface.co/inclusionAI: config.json, safetensors total";
constexpr std::string_view kLingCard = "huggingface.co/inclusionAI: config.json, total of the model card";
/// Of 228'703'644'928: weights of 8 bits have a scale for each block of 128 by 128.
constexpr std::string_view kMiniMax =
    "huggingface.co/MiniMaxAI: config.json, safetensors total less the scales of its blocks";
constexpr std::string_view kXiaomi = "huggingface.co/XiaomiMiMo: config.json, total of the model card";

constexpr Preset kPresets[] = {
    {"ernie-4.5-0.3b", "ERNIE 4.5 0.3B",
     R"({"model_type":"ernie4_5","vocab_size":103424,"hidden_size":1024,"intermediate_size":3072,
       "num_hidden_layers":18,"num_attention_heads":16,"num_key_value_heads":2,"head_dim":128,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":500000.0,"use_bias":false,
       "tie_word_embeddings":true})",
     360'748'032, kBaidu},
    {"ernie-4.5-21b-a3b", "ERNIE 4.5 21B-A3B",
     R"({"model_type":"ernie4_5_moe","vocab_size":103424,"hidden_size":2560,"intermediate_size":12288,
       "num_hidden_layers":28,"num_attention_heads":20,"num_key_value_heads":4,"max_position_embeddings":131072,
       "rms_norm_eps":1e-05,"rope_theta":500000,"use_bias":false,"moe_num_experts":64,"moe_k":6,
       "moe_intermediate_size":1536,"moe_num_shared_experts":2,"moe_layer_start_index":1,"moe_layer_end_index":27,
       "moe_layer_interval":1,"tie_word_embeddings":true})",
     21'825'437'888, kBaidu},
    {"ernie-4.5-300b-a47b", "ERNIE 4.5 300B-A47B",
     R"({"model_type":"ernie4_5_moe","vocab_size":103424,"hidden_size":8192,"intermediate_size":28672,
       "num_hidden_layers":54,"num_attention_heads":64,"num_key_value_heads":8,"max_position_embeddings":131072,
       "rms_norm_eps":1e-05,"rope_theta":500000,"use_bias":false,"moe_num_experts":64,"moe_k":8,
       "moe_intermediate_size":3584,"moe_num_shared_experts":0,"moe_layer_start_index":3,"moe_layer_end_index":53,
       "moe_layer_interval":1,"tie_word_embeddings":false})",
     300'000'000'000, kBaiduCard, 10'000'000'000},
    {"hunyuan-7b", "Hunyuan 7B",
     R"({"model_type":"hunyuan_v1_dense","vocab_size":128167,"hidden_size":4096,"intermediate_size":14336,
       "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":262144,"rms_norm_eps":1e-05,"rope_theta":10000.0,"rope_scaling":{"type":"dynamic",
       "alpha":1000.0,"factor":1.0,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},"use_qk_norm":true,
       "attention_bias":false,"mlp_bias":false,"tie_word_embeddings":true})",
     7'500'000'000, kTencentShown, 100'000'000},
    {"hunyuan-a13b", "Hunyuan A13B",
     R"({"model_type":"hunyuan_v1_moe","vocab_size":128167,"hidden_size":4096,"intermediate_size":3072,
       "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":10000.0,"rope_scaling":{"type":"dynamic",
       "alpha":1000.0,"factor":1.0,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},"use_qk_norm":true,
       "num_experts":64,"moe_topk":[8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8],
       "moe_intermediate_size":[3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,
       3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072,3072],"num_shared_expert":[1,1,1,1,1,1,1,
       1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"use_mixed_mlp_moe":true,"attention_bias":false,
       "mlp_bias":false,"tie_word_embeddings":true})",
     80'393'183'232, kTencent},
    {"seed-oss-36b", "Seed-OSS 36B",
     R"({"model_type":"seed_oss","vocab_size":155136,"hidden_size":5120,"intermediate_size":27648,
       "num_hidden_layers":64,"num_attention_heads":80,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":524288,"rms_norm_eps":1e-06,"rope_theta":10000000.0,
       "rope_scaling":{"rope_type":"default"},"attention_bias":true,"attention_out_bias":false,"mlp_bias":false,
       "tie_word_embeddings":false})",
     36'151'104'512, kSeed},
    {"exaone-4.0-1.2b", "EXAONE 4.0 1.2B",
     R"({"model_type":"exaone4","vocab_size":102400,"hidden_size":2048,"intermediate_size":4096,"num_hidden_layers":30,
       "num_attention_heads":32,"num_key_value_heads":8,"head_dim":64,"max_position_embeddings":65536,
       "rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":{"rope_type":"llama3","factor":16.0,
       "low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192},
       "tie_word_embeddings":true})",
     1'279'391'488, kLg},
    {"exaone-4.0-32b", "EXAONE 4.0 32B",
     R"({"model_type":"exaone4","vocab_size":102400,"hidden_size":5120,"intermediate_size":27392,
       "num_hidden_layers":64,"num_attention_heads":40,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":{"rope_type":"llama3",
       "factor":16.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192},
       "tie_word_embeddings":false,"sliding_window":4096,"sliding_window_pattern":"LLLG"})",
     32'000'000'000, kLgCard, 10'000'000},
    {"dots.llm1", "dots.llm1",
     R"({"model_type":"dots1","vocab_size":152064,"hidden_size":4096,"intermediate_size":10944,"num_hidden_layers":62,
       "num_attention_heads":32,"num_key_value_heads":32,"max_position_embeddings":32768,"rms_norm_eps":1e-05,
       "rope_theta":10000000,"attention_bias":false,"moe_intermediate_size":1408,"n_routed_experts":128,
       "n_shared_experts":2,"num_experts_per_tok":6,"first_k_dense_replace":1,"n_group":1,"topk_group":1,
       "norm_topk_prob":true,"routed_scaling_factor":2.5,"scoring_func":"noaux_tc","tie_word_embeddings":false,
       "sliding_window":null})",
     142'774'381'696, kDots},
    {"ling-mini-2.0", "Ling mini 2.0",
     R"({"model_type":"bailing_moe","architectures":["BailingMoeV2ForCausalLM"],"vocab_size":157184,"hidden_size":2048,
       "intermediate_size":5120,"num_hidden_layers":20,"num_attention_heads":16,"num_key_value_heads":4,"head_dim":128,
       "max_position_embeddings":32768,"rms_norm_eps":1e-06,"rope_theta":600000,"partial_rotary_factor":0.5,
       "use_qk_norm":true,"use_qkv_bias":false,"use_bias":false,"num_experts":256,"num_experts_per_tok":8,
       "num_shared_experts":1,"moe_intermediate_size":512,"moe_shared_expert_intermediate_size":512,
       "first_k_dense_replace":1,"n_group":8,"topk_group":4,"norm_topk_prob":true,"routed_scaling_factor":2.5,
       "score_function":"sigmoid","moe_router_enable_expert_bias":true,"num_nextn_predict_layers":0,
       "tie_word_embeddings":false})",
     16'255'643'392, kLing},
    {"ling-flash-2.0", "Ling flash 2.0",
     R"({"model_type":"bailing_moe","architectures":["BailingMoeV2ForCausalLM"],"vocab_size":157184,"hidden_size":4096,
       "intermediate_size":9216,"num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":4,"head_dim":128,
       "max_position_embeddings":32768,"rms_norm_eps":1e-06,"rope_theta":600000,"partial_rotary_factor":0.5,
       "use_qk_norm":true,"use_qkv_bias":false,"use_bias":false,"num_experts":256,"num_experts_per_tok":8,
       "num_shared_experts":1,"moe_intermediate_size":1024,"moe_shared_expert_intermediate_size":1024,
       "first_k_dense_replace":1,"n_group":8,"topk_group":4,"norm_topk_prob":true,"routed_scaling_factor":2.5,
       "score_function":"sigmoid","moe_router_enable_expert_bias":true,"num_nextn_predict_layers":0,
       "tie_word_embeddings":false})",
     100'000'000'000, kLingCard, 10'000'000'000},
    {"minimax-m2", "MiniMax M2",
     R"({"model_type":"minimax_m2","num_hidden_layers":62,"hidden_size":3072,"num_attention_heads":48,
       "num_key_value_heads":8,"head_dim":128,"intermediate_size":1536,"vocab_size":200064,"num_experts_per_tok":8,
       "num_local_experts":256,"max_position_embeddings":196608,"rope_theta":5000000,"rotary_dim":64,
       "hidden_act":"silu","rms_norm_eps":1e-06,"tie_word_embeddings":false,"use_qk_norm":true,"use_routing_bias":true,
       "scoring_func":"sigmoid"})",
     228'689'764'864, kMiniMax},
    {"mimo-v2-flash", "MiMo V2 Flash",
     R"({"model_type":"mimo_v2_flash","num_hidden_layers":48,"hidden_size":4096,"num_attention_heads":64,
       "num_key_value_heads":4,"head_dim":192,"v_head_dim":128,"intermediate_size":16384,"vocab_size":152576,
       "max_position_embeddings":262144,"rope_theta":5000000,"swa_rope_theta":10000,"partial_rotary_factor":0.334,
       "sliding_window":128,"swa_num_attention_heads":64,"swa_num_key_value_heads":8,"swa_head_dim":192,
       "swa_v_head_dim":128,"hybrid_layer_pattern":[0,1,1,1,1,0,1,1,1,1,1,0,1,1,1,1,1,0,1,1,1,1,1,0,1,1,1,1,1,0,1,1,1,
       1,1,0,1,1,1,1,1,0,1,1,1,1,1,0],"moe_layer_freq":[0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,
       1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"moe_intermediate_size":2048,"n_routed_experts":256,"num_experts_per_tok":8,
       "norm_topk_prob":true,"scoring_func":"sigmoid","n_group":1,"topk_group":1,"topk_method":"noaux_tc",
       "hidden_act":"silu","layernorm_epsilon":1e-05,"attention_bias":false,"attention_value_scale":0.707,
       "add_swa_attention_sink_bias":true,"add_full_attention_sink_bias":false,"tie_word_embeddings":false})",
     309'000'000'000, kXiaomi, 1'000'000'000},
};

}  // namespace
}  // namespace east_models

std::span<const Preset> east() { return east_models::kPresets; }

}  // namespace plumb::presets
