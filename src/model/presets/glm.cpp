// GLM 4 to 4.7: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, less what the source names.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace glm_models {
namespace {

constexpr std::string_view kGlm = "huggingface.co/zai-org: config.json, safetensors total";
/// Of 358'337'791'296 and 31'221'488'576. That layer has copies of the table of tokens and of the head.
constexpr std::string_view kNoGuess =
    "huggingface.co/zai-org: config.json, safetensors total less the layer that guesses the token after next";
/// Of 356'785'898'816 for GLM 4.6: no copies there.
constexpr std::string_view kNoGuessNoCopies =
    "huggingface.co/zai-org: config.json, safetensors total less the layer that guesses, which copies nothing";
/// Of 110.47 billion; that layer has copies too.
constexpr std::string_view kRounded =
    "huggingface.co/zai-org: config.json, safetensors total (rounded) less the layer that guesses";

constexpr Preset kPresets[] = {
    {"glm-4-9b-0414", "GLM-4 9B 0414",
     R"({"model_type":"glm4","vocab_size":151552,"hidden_size":4096,"intermediate_size":13696,"num_hidden_layers":40,
       "num_attention_heads":32,"num_key_value_heads":2,"head_dim":128,"attention_bias":true,
       "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":10000.0,"partial_rotary_factor":0.5,
       "tie_word_embeddings":false})",
     9'400'279'040, kGlm},
    {"glm-4-32b-0414", "GLM-4 32B 0414",
     R"({"model_type":"glm4","vocab_size":151552,"hidden_size":6144,"intermediate_size":23040,"num_hidden_layers":61,
       "num_attention_heads":48,"num_key_value_heads":2,"head_dim":128,"attention_bias":false,
       "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":10000.0,"partial_rotary_factor":0.5,
       "tie_word_embeddings":false})",
     32'566'081'536, kGlm},
    {"glm-4.5-air", "GLM-4.5-Air",
     R"({"model_type":"glm4_moe","vocab_size":151552,"hidden_size":4096,"intermediate_size":10944,
       "num_hidden_layers":46,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,"attention_bias":true,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":null,
       "partial_rotary_factor":0.5,"moe_intermediate_size":1408,"n_routed_experts":128,"n_shared_experts":1,
       "num_experts_per_tok":8,"first_k_dense_replace":1,"n_group":1,"topk_group":1,"norm_topk_prob":true,
       "routed_scaling_factor":1.0,"num_nextn_predict_layers":1,"use_qk_norm":false,"tie_word_embeddings":false})",
     106'850'000'000, kRounded, 10'000'000},
    {"glm-4.5", "GLM-4.5",
     R"({"model_type":"glm4_moe","vocab_size":151552,"hidden_size":5120,"intermediate_size":12288,
       "num_hidden_layers":92,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,"attention_bias":true,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":null,
       "partial_rotary_factor":0.5,"moe_intermediate_size":1536,"n_routed_experts":160,"n_shared_experts":1,
       "num_experts_per_tok":8,"first_k_dense_replace":3,"n_group":1,"topk_group":1,"norm_topk_prob":true,
       "routed_scaling_factor":2.5,"num_nextn_predict_layers":1,"use_qk_norm":true,"tie_word_embeddings":false})",
     355'000'000'000, "huggingface.co/zai-org: config.json, model card", 5'000'000'000},
    {"glm-4.6", "GLM-4.6",
     R"({"model_type":"glm4_moe","vocab_size":151552,"hidden_size":5120,"intermediate_size":12288,
       "num_hidden_layers":92,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,"attention_bias":true,
       "max_position_embeddings":202752,"rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":null,
       "partial_rotary_factor":0.5,"moe_intermediate_size":1536,"n_routed_experts":160,"n_shared_experts":1,
       "num_experts_per_tok":8,"first_k_dense_replace":3,"n_group":1,"topk_group":1,"norm_topk_prob":true,
       "routed_scaling_factor":2.5,"num_nextn_predict_layers":1,"use_qk_norm":true,"tie_word_embeddings":false})",
     352'797'829'024, kNoGuessNoCopies},
    {"glm-4.7", "GLM-4.7",
     R"({"model_type":"glm4_moe","vocab_size":151552,"hidden_size":5120,"intermediate_size":12288,
       "num_hidden_layers":92,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,"attention_bias":true,
       "max_position_embeddings":202752,"rms_norm_eps":1e-05,"rope_theta":1000000,"rope_scaling":null,
       "partial_rotary_factor":0.5,"moe_intermediate_size":1536,"n_routed_experts":160,"n_shared_experts":1,
       "num_experts_per_tok":8,"first_k_dense_replace":3,"n_group":1,"topk_group":1,"norm_topk_prob":true,
       "routed_scaling_factor":2.5,"num_nextn_predict_layers":1,"use_qk_norm":true,"tie_word_embeddings":false})",
     352'797'829'024, kNoGuessNoCopies},
    {"glm-4.7-flash", "GLM-4.7-Flash",
     R"({"model_type":"glm4_moe_lite","vocab_size":154880,"hidden_size":2048,"intermediate_size":10240,
       "moe_intermediate_size":1536,"num_hidden_layers":47,"num_attention_heads":20,"num_key_value_heads":20,
       "n_shared_experts":1,"n_routed_experts":64,"routed_scaling_factor":1.8,"kv_lora_rank":512,"q_lora_rank":768,
       "qk_rope_head_dim":64,"v_head_dim":256,"qk_nope_head_dim":192,"n_group":1,"topk_group":1,
       "num_experts_per_tok":4,"norm_topk_prob":true,"first_k_dense_replace":1,"max_position_embeddings":202752,
       "rms_norm_eps":1e-05,"rope_theta":1000000,"attention_bias":false,"tie_word_embeddings":false,
       "num_nextn_predict_layers":1,"topk_method":"noaux_tc","partial_rotary_factor":1.0})",
     29'943'393'920, kNoGuess},
};

}  // namespace
}  // namespace glm_models

std::span<const Preset> glm() { return glm_models::kPresets; }

}  // namespace plumb::presets
