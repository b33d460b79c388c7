// OLMo, SmolLM3, Apertus and Trinity, whose makers publish their data or their training too: the fields that matter of
// the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, or the model card's, less what
// the source names.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace open_models_models {
namespace {

constexpr std::string_view kOlmo = "huggingface.co/allenai: config.json, safetensors total";
constexpr std::string_view kSmol = "huggingface.co/HuggingFaceTB: config.json, safetensors total";
constexpr std::string_view kApertus = "huggingface.co/swiss-ai: config.json, model card";
constexpr std::string_view kArcee = "huggingface.co/arcee-ai: config.json, total of the model card";

constexpr Preset kPresets[] = {
    {"olmoe-1b-7b", "OLMoE 1B-7B",
     R"({"model_type":"olmoe","vocab_size":50304,"hidden_size":2048,"intermediate_size":1024,"num_hidden_layers":16,
       "num_attention_heads":16,"num_key_value_heads":16,"max_position_embeddings":4096,"rms_norm_eps":1e-05,
       "rope_theta":10000.0,"num_experts":64,"num_experts_per_tok":8,"norm_topk_prob":false,"clip_qkv":null,
       "attention_bias":false,"tie_word_embeddings":false})",
     6'919'161'856, kOlmo},
    {"olmo-2-1b", "OLMo 2 1B",
     R"({"model_type":"olmo2","vocab_size":100352,"hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":16,
       "num_attention_heads":16,"num_key_value_heads":16,"max_position_embeddings":4096,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":null,"attention_bias":false,"tie_word_embeddings":false})",
     1'484'916'736, kOlmo},
    {"olmo-2-7b", "OLMo 2 7B",
     R"({"model_type":"olmo2","vocab_size":100352,"hidden_size":4096,"intermediate_size":11008,"num_hidden_layers":32,
       "num_attention_heads":32,"num_key_value_heads":32,"max_position_embeddings":4096,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":null,"attention_bias":false,"tie_word_embeddings":false})",
     7'298'617'344, kOlmo},
    {"olmo-2-13b", "OLMo 2 13B",
     R"({"model_type":"olmo2","vocab_size":100352,"hidden_size":5120,"intermediate_size":13824,"num_hidden_layers":40,
       "num_attention_heads":40,"num_key_value_heads":40,"max_position_embeddings":4096,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":null,"attention_bias":false,"tie_word_embeddings":false})",
     13'716'198'400, kOlmo},
    {"olmo-2-32b", "OLMo 2 32B",
     R"({"model_type":"olmo2","vocab_size":100352,"hidden_size":5120,"intermediate_size":27648,"num_hidden_layers":64,
       "num_attention_heads":40,"num_key_value_heads":8,"max_position_embeddings":4096,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":null,"attention_bias":false,"tie_word_embeddings":false})",
     32'234'279'936, kOlmo},
    {"olmo-3-7b", "OLMo 3 7B",
     R"({"model_type":"olmo3","vocab_size":100278,"hidden_size":4096,"intermediate_size":11008,"num_hidden_layers":32,
       "num_attention_heads":32,"num_key_value_heads":32,"max_position_embeddings":65536,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":{"rope_type":"yarn","factor":8.0,"original_max_position_embeddings":8192,
       "attention_factor":1.2079441541679836,"beta_fast":32,"beta_slow":1},"attention_bias":false,
       "tie_word_embeddings":false,"sliding_window":4096})",
     7'298'011'136, kOlmo},
    {"olmo-3-32b", "OLMo 3 32B",
     R"({"model_type":"olmo3","vocab_size":100278,"hidden_size":5120,"intermediate_size":27648,"num_hidden_layers":64,
       "num_attention_heads":40,"num_key_value_heads":8,"max_position_embeddings":65536,"rms_norm_eps":1e-06,
       "rope_theta":500000,"rope_scaling":{"rope_type":"yarn","factor":8.0,"original_max_position_embeddings":8192,
       "attention_factor":1.2079441541679836,"beta_fast":32,"beta_slow":1},"attention_bias":false,
       "tie_word_embeddings":false,"sliding_window":4096})",
     32'233'522'176, kOlmo},
    {"smollm3-3b", "SmolLM3 3B",
     R"({"model_type":"smollm3","vocab_size":128256,"hidden_size":2048,"intermediate_size":11008,
       "num_hidden_layers":36,"num_attention_heads":16,"num_key_value_heads":4,"max_position_embeddings":65536,
       "rms_norm_eps":1e-06,"rope_theta":5000000.0,"no_rope_layers":[1,1,1,0,1,1,1,0,1,1,1,0,1,1,1,0,1,1,1,0,1,1,1,0,1,
       1,1,0,1,1,1,0,1,1,1,0],"use_sliding_window":false,"tie_word_embeddings":true})",
     3'075'098'624, kSmol},
    {"apertus-8b", "Apertus 8B",
     R"({"model_type":"apertus","vocab_size":131072,"hidden_size":4096,"intermediate_size":21504,
       "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":65536,
       "rms_norm_eps":1e-05,"rope_theta":12000000,"rope_scaling":{"rope_type":"llama3","factor":8.0,
       "low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192},"hidden_act":"xielu",
       "qk_norm":true,"attention_bias":false,"mlp_bias":false,"post_norm":false,"tie_word_embeddings":false})",
     8'000'000'000, kApertus, 1'000'000'000},
    {"trinity-nano", "Trinity Nano",
     R"({"model_type":"afmoe","vocab_size":200192,"hidden_size":1024,"intermediate_size":3072,
       "moe_intermediate_size":256,"num_hidden_layers":56,"num_dense_layers":2,"num_attention_heads":8,
       "num_key_value_heads":2,"head_dim":128,"max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":10000,
       "rope_scaling":null,"mup_enabled":true,"num_experts":128,"num_experts_per_tok":8,"num_shared_experts":1,
       "n_group":1,"topk_group":1,"route_norm":true,"route_scale":2.826,"score_func":"sigmoid","sliding_window":2048,
       "global_attn_every_n_layers":4,"tie_word_embeddings":false})",
     6'000'000'000, kArcee, 1'000'000'000},
};

}  // namespace
}  // namespace open_models_models

std::span<const Preset> open_models() { return open_models_models::kPresets; }

}  // namespace plumb::presets
