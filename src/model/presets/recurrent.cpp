// Models most of whose layers keep a state of fixed size, of makers with few sizes each: Mamba, LFM2, Falcon-H1. The
// fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace recurrent_models {
namespace {

constexpr std::string_view kMamba = "huggingface.co/state-spaces (files ending in -hf): config.json, safetensors total";
constexpr std::string_view kCodestral = "huggingface.co/mistralai: config.json, safetensors total";
constexpr std::string_view kLiquid = "huggingface.co/LiquidAI: config.json, safetensors total";
constexpr std::string_view kFalcon = "huggingface.co/tiiuae: config.json, safetensors total";

constexpr Preset kPresets[] = {
    {"mamba-130m", "Mamba 130M",
     R"({"model_type":"mamba","vocab_size":50280,"hidden_size":768,"num_hidden_layers":24,"state_size":16,
       "conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05})",
     129'135'360, kMamba},
    {"mamba-370m", "Mamba 370M",
     R"({"model_type":"mamba","vocab_size":50280,"hidden_size":1024,"num_hidden_layers":48,"state_size":16,
       "conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05})",
     371'516'416, kMamba},
    {"mamba-790m", "Mamba 790M",
     R"({"model_type":"mamba","vocab_size":50280,"hidden_size":1536,"num_hidden_layers":48,"state_size":16,
       "conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05})",
     793'204'224, kMamba},
    {"mamba-1.4b", "Mamba 1.4B",
     R"({"model_type":"mamba","vocab_size":50280,"hidden_size":2048,"num_hidden_layers":48,"state_size":16,
       "conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05})",
     1'372'178'432, kMamba},
    {"mamba-2.8b", "Mamba 2.8B",
     R"({"model_type":"mamba","vocab_size":50280,"hidden_size":2560,"num_hidden_layers":64,"state_size":16,
       "conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05})",
     2'768'345'600, kMamba},
    {"mamba-codestral-7b", "Mamba Codestral 7B",
     R"({"model_type":"mamba2","vocab_size":32768,"hidden_size":4096,"num_hidden_layers":64,"state_size":128,
       "num_heads":128,"head_dim":64,"n_groups":8,"conv_kernel":4,"expand":2,"layer_norm_epsilon":1e-05,
       "use_bias":false,"use_conv_bias":true,"tie_word_embeddings":false})",
     7'285'403'648, kCodestral},
    {"lfm2-350m", "LFM2 350M",
     R"({"model_type":"lfm2","vocab_size":65536,"hidden_size":1024,"intermediate_size":6656,"block_ff_dim":6656,
       "block_auto_adjust_ff_dim":true,"block_ffn_dim_multiplier":1.0,"block_multiple_of":256,"num_hidden_layers":16,
       "num_attention_heads":16,"num_key_value_heads":8,"max_position_embeddings":128000,"norm_eps":1e-05,
       "rope_theta":1000000.0,"conv_L_cache":3,"conv_bias":false,"layer_types":["conv","conv","full_attention","conv",
       "conv","full_attention","conv","conv","full_attention","conv","full_attention","conv","full_attention","conv",
       "full_attention","conv"]})",
     354'483'968, kLiquid},
    {"lfm2-700m", "LFM2 700M",
     R"({"model_type":"lfm2","vocab_size":65536,"hidden_size":1536,"intermediate_size":10240,"block_ff_dim":10240,
       "block_auto_adjust_ff_dim":true,"block_ffn_dim_multiplier":1.0,"block_multiple_of":256,"num_hidden_layers":16,
       "num_attention_heads":24,"num_key_value_heads":8,"max_position_embeddings":128000,"norm_eps":1e-05,
       "rope_theta":1000000.0,"conv_L_cache":3,"conv_bias":false,"layer_types":["conv","conv","full_attention","conv",
       "conv","full_attention","conv","conv","full_attention","conv","full_attention","conv","full_attention","conv",
       "full_attention","conv"]})",
     742'489'344, kLiquid},
    {"lfm2-1.2b", "LFM2 1.2B",
     R"({"model_type":"lfm2","vocab_size":65536,"hidden_size":2048,"intermediate_size":12288,"block_ff_dim":12288,
       "block_auto_adjust_ff_dim":true,"block_ffn_dim_multiplier":1.0,"block_multiple_of":256,"num_hidden_layers":16,
       "num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":128000,"norm_eps":1e-05,
       "rope_theta":1000000.0,"conv_L_cache":3,"conv_bias":false,"layer_types":["conv","conv","full_attention","conv",
       "conv","full_attention","conv","conv","full_attention","conv","full_attention","conv","full_attention","conv",
       "full_attention","conv"]})",
     1'170'340'608, kLiquid},
    {"lfm2-8b-a1b", "LFM2 8B-A1B",
     R"({"model_type":"lfm2_moe","vocab_size":65536,"hidden_size":2048,"intermediate_size":7168,"num_hidden_layers":24,
       "num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":128000,"norm_eps":1e-05,
       "rope_theta":1000000.0,"conv_L_cache":3,"conv_bias":false,"moe_intermediate_size":1792,"num_dense_layers":2,
       "num_experts":32,"num_experts_per_tok":4,"norm_topk_prob":true,"use_expert_bias":true,
       "routed_scaling_factor":1.0,"layer_types":["conv","conv","full_attention","conv","conv","conv","full_attention",
       "conv","conv","conv","full_attention","conv","conv","conv","full_attention","conv","conv","conv",
       "full_attention","conv","conv","full_attention","conv","conv"]})",
     8'300'000'000, "huggingface.co/LiquidAI: config.json, model card", 100'000'000},
    {"falcon-h1-0.5b", "Falcon-H1 0.5B",
     R"({"model_type":"falcon_h1","vocab_size":32784,"hidden_size":1024,"intermediate_size":2048,
       "num_hidden_layers":36,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":64,
       "max_position_embeddings":16384,"rms_norm_eps":1e-05,"rope_theta":100000000000.0,"attention_bias":false,
       "mlp_bias":false,"projectors_bias":false,"attention_in_multiplier":1.0,"attention_out_multiplier":0.9375,
       "embedding_multiplier":5.656854249492381,"key_multiplier":0.39062499999999994,"lm_head_multiplier":0.0390625,
       "mlp_multipliers":[0.8838834764831844,0.5859375],"ssm_in_multiplier":1.25,"ssm_multipliers":[0.3535533905932738,
       0.25,0.3535533905932738,0.5,0.3535533905932738],"ssm_out_multiplier":0.23570226039551587,"mamba_conv_bias":true,
       "mamba_d_conv":4,"mamba_d_head":64,"mamba_d_ssm":1536,"mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,
       "mamba_n_heads":24,"mamba_norm_before_gate":false,"mamba_proj_bias":false,"mamba_rms_norm":false,
       "tie_word_embeddings":false})",
     521'411'104, kFalcon},
};

}  // namespace
}  // namespace recurrent_models

std::span<const Preset> recurrent() { return recurrent_models::kPresets; }

}  // namespace plumb::presets
