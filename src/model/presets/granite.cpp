// Granite 3 and 4: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, or the model card's.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace granite_models {
namespace {

constexpr std::string_view kGranite = "huggingface.co/ibm-granite: config.json, safetensors total";
constexpr std::string_view kCard = "huggingface.co/ibm-granite: config.json, total of the model card";
constexpr std::string_view kShown = "huggingface.co/ibm-granite: config.json, rounded safetensors total";

constexpr Preset kPresets[] = {
    {"granite-3.1-1b-a400m", "Granite 3.1 1B-A400M",
     R"({"model_type":"granitemoe","vocab_size":49155,"hidden_size":1024,"intermediate_size":512,
       "num_hidden_layers":24,"num_attention_heads":16,"num_key_value_heads":8,"max_position_embeddings":131072,
       "rms_norm_eps":1e-06,"rope_theta":1500000.0,"attention_multiplier":0.015625,"embedding_multiplier":12.0,
       "logits_scaling":6.0,"residual_multiplier":0.22,"attention_bias":false,"mlp_bias":false,
       "tie_word_embeddings":true,"num_local_experts":32,"num_experts_per_tok":8})",
     1'334'628'352, kGranite},
    {"granite-3.1-3b-a800m", "Granite 3.1 3B-A800M",
     R"({"model_type":"granitemoe","vocab_size":49155,"hidden_size":1536,"intermediate_size":512,
       "num_hidden_layers":32,"num_attention_heads":24,"num_key_value_heads":8,"max_position_embeddings":131072,
       "rms_norm_eps":1e-06,"rope_theta":10000000.0,"attention_multiplier":0.015625,"embedding_multiplier":12.0,
       "logits_scaling":6.0,"residual_multiplier":0.22,"attention_bias":false,"mlp_bias":false,
       "tie_word_embeddings":true,"num_local_experts":40,"num_experts_per_tok":8})",
     3'300'000'000, kCard, 100'000'000},
    {"granite-3.3-2b", "Granite 3.3 2B",
     R"({"model_type":"granite","vocab_size":49159,"hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":40,
       "num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":131072,"rms_norm_eps":1e-05,
       "rope_theta":10000000.0,"attention_multiplier":0.015625,"embedding_multiplier":12.0,"logits_scaling":8.0,
       "residual_multiplier":0.22,"attention_bias":false,"mlp_bias":false,"tie_word_embeddings":true})",
     2'533'539'840, kGranite},
    {"granite-3.3-8b", "Granite 3.3 8B",
     R"({"model_type":"granite","vocab_size":49159,"hidden_size":4096,"intermediate_size":12800,"num_hidden_layers":40,
       "num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":131072,"rms_norm_eps":1e-05,
       "rope_theta":10000000.0,"attention_multiplier":0.0078125,"embedding_multiplier":12.0,"logits_scaling":16.0,
       "residual_multiplier":0.22,"attention_bias":false,"mlp_bias":false,"tie_word_embeddings":true})",
     8'170'864'640, kGranite},
    {"granite-4.0-h-350m", "Granite 4.0 H 350M",
     R"({"model_type":"granitemoehybrid","vocab_size":100352,"hidden_size":768,"intermediate_size":2048,
       "shared_intermediate_size":2048,"num_hidden_layers":32,"num_attention_heads":12,"num_key_value_heads":4,
       "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":10000,"position_embedding_type":"nope",
       "attention_multiplier":0.015625,"embedding_multiplier":12,"logits_scaling":3,"residual_multiplier":0.246,
       "num_local_experts":0,"num_experts_per_tok":0,"mamba_conv_bias":true,"mamba_d_conv":4,"mamba_d_head":32,
       "mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":48,"mamba_proj_bias":false,
       "tie_word_embeddings":true,"layer_types":["mamba","mamba","mamba","mamba","mamba","mamba","mamba","mamba",
       "mamba","mamba","attention","mamba","mamba","attention","mamba","mamba","mamba","attention","mamba","mamba",
       "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba"]})",
     340'000'000, kCard, 10'000'000},
    {"granite-4.0-h-micro", "Granite 4.0 H Micro",
     R"({"model_type":"granitemoehybrid","vocab_size":100352,"hidden_size":2048,"intermediate_size":8192,
       "shared_intermediate_size":8192,"num_hidden_layers":40,"num_attention_heads":32,"num_key_value_heads":8,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":10000,"position_embedding_type":"nope",
       "attention_multiplier":0.015625,"embedding_multiplier":12,"logits_scaling":8,"residual_multiplier":0.22,
       "num_local_experts":0,"num_experts_per_tok":0,"mamba_conv_bias":true,"mamba_d_conv":4,"mamba_d_head":64,
       "mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":64,"mamba_proj_bias":false,
       "tie_word_embeddings":true,"layer_types":["mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
       "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba",
       "mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba","mamba","mamba","mamba",
       "mamba","attention","mamba","mamba","mamba","mamba"]})",
     3'191'396'096, kGranite},
    {"granite-4.0-micro", "Granite 4.0 Micro",
     R"({"model_type":"granitemoehybrid","vocab_size":100352,"hidden_size":2560,"intermediate_size":8192,
       "shared_intermediate_size":8192,"num_hidden_layers":40,"num_attention_heads":40,"num_key_value_heads":8,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":10000000,"position_embedding_type":"rope",
       "attention_multiplier":0.015625,"embedding_multiplier":12,"logits_scaling":10,"residual_multiplier":0.22,
       "num_local_experts":0,"num_experts_per_tok":0,"mamba_conv_bias":true,"mamba_d_conv":4,"mamba_d_head":40,
       "mamba_d_state":256,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":128,"mamba_proj_bias":false,
       "tie_word_embeddings":true,"layer_types":["attention","attention","attention","attention","attention",
       "attention","attention","attention","attention","attention","attention","attention","attention","attention",
       "attention","attention","attention","attention","attention","attention","attention","attention","attention",
       "attention","attention","attention","attention","attention","attention","attention","attention","attention",
       "attention","attention","attention","attention","attention","attention","attention","attention"]})",
     3'402'836'480, kGranite},
    {"granite-4.0-h-tiny", "Granite 4.0 H Tiny",
     R"({"model_type":"granitemoehybrid","vocab_size":100352,"hidden_size":1536,"intermediate_size":512,
       "shared_intermediate_size":1024,"num_hidden_layers":40,"num_attention_heads":12,"num_key_value_heads":4,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":10000,"position_embedding_type":"nope",
       "attention_multiplier":0.0078125,"embedding_multiplier":12,"logits_scaling":6,"residual_multiplier":0.22,
       "num_local_experts":64,"num_experts_per_tok":6,"mamba_conv_bias":true,"mamba_d_conv":4,"mamba_d_head":64,
       "mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":48,"mamba_proj_bias":false,
       "tie_word_embeddings":true,"layer_types":["mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
       "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba",
       "mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba","mamba","mamba","mamba",
       "mamba","attention","mamba","mamba","mamba","mamba"]})",
     6'939'037'248, kGranite},
    {"granite-4.0-h-small", "Granite 4.0 H Small",
     R"({"model_type":"granitemoehybrid","vocab_size":100352,"hidden_size":4096,"intermediate_size":768,
       "shared_intermediate_size":1536,"num_hidden_layers":40,"num_attention_heads":32,"num_key_value_heads":8,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":10000,"position_embedding_type":"nope",
       "attention_multiplier":0.0078125,"embedding_multiplier":12,"logits_scaling":16,"residual_multiplier":0.22,
       "num_local_experts":72,"num_experts_per_tok":10,"mamba_conv_bias":true,"mamba_d_conv":4,"mamba_d_head":64,
       "mamba_d_state":128,"mamba_expand":2,"mamba_n_groups":1,"mamba_n_heads":128,"mamba_proj_bias":false,
       "tie_word_embeddings":true,"layer_types":["mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba",
       "mamba","mamba","mamba","mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba",
       "mamba","mamba","mamba","mamba","attention","mamba","mamba","mamba","mamba","mamba","mamba","mamba","mamba",
       "mamba","attention","mamba","mamba","mamba","mamba"]})",
     32'200'000'000, kShown, 100'000'000},
};

}  // namespace
}  // namespace granite_models

std::span<const Preset> granite() { return granite_models::kPresets; }

}  // namespace plumb::presets
