// DeepSeek-V2 to V3.2, the newer ones without the module that guesses the token after next, and Kimi K2, which has
// their shape, and Kimi Linear: the fields that matter of the config.json beside each model's weights.
//
// Totals are what the named publisher states: the parameter count that Hugging Face shows from the safetensors header,
// or the paper's or repository's table.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace deepseek_models {
namespace {

constexpr std::string_view kDeepseek = "huggingface.co/deepseek-ai: config.json, weight index";
/// Hugging Face counts 685'396'921'376, and 684'531'386'000 for V3: the difference is the indexers of 61 layers, which
/// are here, one more for the module that guesses, and the scales of their blocks.
constexpr std::string_view kIndexed = "huggingface.co/deepseek-ai: config.json, total of V3 and the indexers";
constexpr std::string_view kMoonshot = "huggingface.co/moonshotai: config.json, weight index";
constexpr std::string_view kKimi = "huggingface.co/moonshotai: config.json, rounded safetensors total";

constexpr Preset kPresets[] = {
    {"deepseek-v2-lite", "DeepSeek-V2-Lite",
     R"({"model_type":"deepseek_v2","vocab_size":102400,"hidden_size":2048,"intermediate_size":10944,
       "num_hidden_layers":27,"num_attention_heads":16,"num_key_value_heads":16,"max_position_embeddings":163840,
       "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,
       "original_max_position_embeddings":4096,"beta_fast":32,"beta_slow":1,"mscale":0.707,"mscale_all_dim":0.707},
       "q_lora_rank":null,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":64,"n_shared_experts":2,
       "num_experts_per_tok":6,"moe_intermediate_size":1408,"first_k_dense_replace":1,"topk_method":"greedy",
       "n_group":1,"topk_group":1,"norm_topk_prob":false,"routed_scaling_factor":1.0,"scoring_func":"softmax"})",
     15'706'484'224, kDeepseek},
    {"deepseek-v2", "DeepSeek-V2",
     R"({"model_type":"deepseek_v2","vocab_size":102400,"hidden_size":5120,"intermediate_size":12288,
       "num_hidden_layers":60,"num_attention_heads":128,"num_key_value_heads":128,"max_position_embeddings":163840,
       "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,
       "original_max_position_embeddings":4096,"beta_fast":32,"beta_slow":1,"mscale":0.707,"mscale_all_dim":0.707},
       "q_lora_rank":1536,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":160,"n_shared_experts":2,
       "num_experts_per_tok":6,"moe_intermediate_size":1536,"first_k_dense_replace":1,
       "topk_method":"group_limited_greedy","n_group":8,"topk_group":3,"norm_topk_prob":false,
       "routed_scaling_factor":16.0,"scoring_func":"softmax"})",
     235'741'434'880, kDeepseek},
    {"deepseek-v3", "DeepSeek-V3",
     R"({"model_type":"deepseek_v3","vocab_size":129280,"hidden_size":7168,"intermediate_size":18432,
       "num_hidden_layers":61,"num_attention_heads":128,"num_key_value_heads":128,"max_position_embeddings":163840,
       "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,
       "original_max_position_embeddings":4096,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},
       "q_lora_rank":1536,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":256,"n_shared_experts":1,
       "num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":3,"topk_method":"noaux_tc",
       "n_group":8,"topk_group":4,"norm_topk_prob":true,"routed_scaling_factor":2.5,"scoring_func":"sigmoid"})",
     671'026'419'200, kDeepseek},
    {"deepseek-r1", "DeepSeek-R1",
     R"({"model_type":"deepseek_v3","vocab_size":129280,"hidden_size":7168,"intermediate_size":18432,
       "num_hidden_layers":61,"num_attention_heads":128,"num_key_value_heads":128,"max_position_embeddings":163840,
       "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,
       "original_max_position_embeddings":4096,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},
       "q_lora_rank":1536,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":256,"n_shared_experts":1,
       "num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":3,"topk_method":"noaux_tc",
       "n_group":8,"topk_group":4,"norm_topk_prob":true,"routed_scaling_factor":2.5,"scoring_func":"sigmoid"})",
     671'026'419'200, kDeepseek},
    {"deepseek-v3.2", "DeepSeek-V3.2",
     R"({"model_type":"deepseek_v32","vocab_size":129280,"hidden_size":7168,"intermediate_size":18432,
       "num_hidden_layers":61,"num_attention_heads":128,"num_key_value_heads":128,"max_position_embeddings":163840,
       "rms_norm_eps":1e-06,"rope_theta":10000,"rope_scaling":{"type":"yarn","factor":40,
       "original_max_position_embeddings":4096,"beta_fast":32,"beta_slow":1,"mscale":1.0,"mscale_all_dim":1.0},
       "q_lora_rank":1536,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":256,"n_shared_experts":1,
       "num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":3,"topk_method":"noaux_tc",
       "n_group":8,"topk_group":4,"norm_topk_prob":true,"routed_scaling_factor":2.5,"scoring_func":"sigmoid",
       "index_head_dim":128,"index_n_heads":64,"index_topk":2048})",
     671'877'944'064, kIndexed},
    {"kimi-k2", "Kimi K2",
     R"({"model_type":"kimi_k2","vocab_size":163840,"hidden_size":7168,"intermediate_size":18432,
       "num_hidden_layers":61,"num_attention_heads":64,"num_key_value_heads":64,"max_position_embeddings":131072,
       "rms_norm_eps":1e-06,"rope_theta":50000.0,"rope_scaling":{"type":"yarn","factor":32.0,
       "original_max_position_embeddings":4096,"beta_fast":1.0,"beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0},
       "q_lora_rank":1536,"kv_lora_rank":512,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,
       "moe_layer_freq":1,"tie_word_embeddings":false,"n_routed_experts":384,"n_shared_experts":1,
       "num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":1,"topk_method":"noaux_tc",
       "n_group":1,"topk_group":1,"norm_topk_prob":true,"routed_scaling_factor":2.827,"scoring_func":"sigmoid"})",
     1'030'000'000'000, kKimi, 10'000'000'000},
    {"kimi-linear-48b-a3b", "Kimi-Linear-48B-A3B",
     R"({"model_type":"kimi_linear","vocab_size":163840,"hidden_size":2304,"intermediate_size":9216,"head_dim":72,
       "num_hidden_layers":27,"num_attention_heads":32,"num_key_value_heads":32,"model_max_length":1048576,
       "rms_norm_eps":1e-05,"rope_theta":10000,"rope_scaling":null,"tie_word_embeddings":false,
       "q_lora_rank":null,"kv_lora_rank":512,"qk_nope_head_dim":128,"qk_rope_head_dim":64,"v_head_dim":128,
       "mla_use_nope":true,"linear_attn_config":{"full_attn_layers":[4,8,12,16,20,24,27],
       "kda_layers":[1,2,3,5,6,7,9,10,11,13,14,15,17,18,19,21,22,23,25,26],"head_dim":128,"num_heads":32,
       "short_conv_kernel_size":4},"num_experts":256,"num_experts_per_token":8,"num_shared_experts":1,
       "moe_intermediate_size":1024,"moe_layer_freq":1,"first_k_dense_replace":1,"moe_renormalize":true,
       "moe_router_activation_func":"sigmoid","num_expert_group":1,"topk_group":1,"use_grouped_topk":true,
       "routed_scaling_factor":2.446,"num_nextn_predict_layers":0})",
     49'122'681'728, kMoonshot},
};

}  // namespace
}  // namespace deepseek_models

std::span<const Preset> deepseek() { return deepseek_models::kPresets; }

}  // namespace plumb::presets
