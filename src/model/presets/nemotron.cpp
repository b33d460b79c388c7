// Nemotron-H, Nemotron Nano 2 and Nemotron 3 Nano: the fields that matter of the config.json beside each model's
// weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, or those of the models' names.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace nemotron_models {
namespace {

constexpr std::string_view kNemotron = "huggingface.co/nvidia: config.json, safetensors total";
constexpr std::string_view kName = "huggingface.co/nvidia: config.json, total of the model card";

constexpr Preset kPresets[] = {
    {"nemotron-h-8b", "Nemotron-H 8B",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":4096,"intermediate_size":21504,
       "num_hidden_layers":52,"hybrid_override_pattern":"M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
       "num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":8192,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":128,"mamba_num_heads":128,"mamba_head_dim":64,
       "n_groups":8,"mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false})",
     8'000'000'000, kName, 1'000'000'000},
    {"nemotron-h-47b", "Nemotron-H 47B",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":8192,"intermediate_size":30720,
       "num_hidden_layers":98,
       "hybrid_override_pattern":"M-M-M-M-M-M-M-M-M*-M-M-M-M-M-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-M-M---MM---M-M*-M-M-M-M-M-",
       "num_attention_heads":64,"num_key_value_heads":8,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":8192,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":256,"mamba_num_heads":256,"mamba_head_dim":64,
       "n_groups":8,"mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false})",
     47'000'000'000, kName, 1'000'000'000},
    {"nemotron-h-56b", "Nemotron-H 56B",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":8192,"intermediate_size":32768,
       "num_hidden_layers":118,
       "hybrid_override_pattern":"M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
       "num_attention_heads":64,"num_key_value_heads":8,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":8192,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":256,"mamba_num_heads":256,"mamba_head_dim":64,
       "n_groups":8,"mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false})",
     56'000'000'000, kName, 1'000'000'000},
    {"nemotron-nano-9b-v2", "Nemotron Nano 9B v2",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":4480,"intermediate_size":15680,
       "num_hidden_layers":56,"hybrid_override_pattern":"M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
       "num_attention_heads":40,"num_key_value_heads":8,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":131072,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":128,"mamba_num_heads":128,"mamba_head_dim":80,
       "n_groups":8,"mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false})",
     8'888'227'328, kNemotron},
    {"nemotron-nano-12b-v2", "Nemotron Nano 12B v2",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":5120,"intermediate_size":20480,
       "num_hidden_layers":62,
       "hybrid_override_pattern":"M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M*-M-M-M-M-",
       "num_attention_heads":40,"num_key_value_heads":8,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":131072,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":128,"mamba_num_heads":128,"mamba_head_dim":80,
       "n_groups":8,"mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false})",
     12'310'001'152, kNemotron},
    {"nemotron-3-nano-30b-a3b", "Nemotron 3 Nano 30B-A3B",
     R"({"model_type":"nemotron_h","vocab_size":131072,"hidden_size":2688,"intermediate_size":1856,
       "num_hidden_layers":52,"hybrid_override_pattern":"MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
       "num_attention_heads":32,"num_key_value_heads":2,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":262144,"layer_norm_epsilon":1e-05,"mlp_hidden_act":"relu2","mlp_bias":false,
       "conv_kernel":4,"use_conv_bias":true,"ssm_state_size":128,"mamba_num_heads":64,"mamba_head_dim":64,"n_groups":8,
       "mamba_proj_bias":false,"use_bias":false,"expand":2,"tie_word_embeddings":false,"moe_intermediate_size":1856,
       "moe_shared_expert_intermediate_size":3712,"n_group":1,"topk_group":1,"n_routed_experts":128,
       "n_shared_experts":1,"norm_topk_prob":true,"num_experts_per_tok":6,"routed_scaling_factor":2.5})",
     31'577'940'288, kNemotron},
};

}  // namespace
}  // namespace nemotron_models

std::span<const Preset> nemotron() { return nemotron_models::kPresets; }

}  // namespace plumb::presets
