// Gemma 2 to 4: the fields that matter of the config.json beside each model's weights.
//
// Totals are what the named publisher states: the parameter count that Hugging Face shows from the safetensors header,
// or the paper's or repository's table.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace gemma_models {
namespace {

constexpr std::string_view kGemma = "huggingface.co/google: config.json, safetensors total";
constexpr std::string_view kGemmaText = "huggingface.co/google: text_config, total less the vision tower and projector";
/// 5'439'438'272 and 7'849'978'192, of which 983'281'504 belong to pictures and sound and 2'097'408 to each layer that
/// reads the keys and values of another.
constexpr std::string_view kGemma3n =
    "huggingface.co/google: text_config, total less towers, projectors and what layers with shared keys do not use";
constexpr std::string_view kGemma4 = "huggingface.co/google: text_config, total of the model card";
/// 5.1 and 8 billion with embeddings; encoders of about 150 and 300 million.
constexpr std::string_view kGemma4Text =
    "huggingface.co/google: text_config, total of the model card less its encoders";

constexpr Preset kPresets[] = {
    {"gemma-2-2b", "Gemma 2 2B",
     R"({"model_type":"gemma2","vocab_size":256000,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":26,
       "num_attention_heads":8,"num_key_value_heads":4,"max_position_embeddings":8192,"head_dim":256,
       "rms_norm_eps":1e-06,"rope_theta":10000.0,"query_pre_attn_scalar":256,"attn_logit_softcapping":50.0,
       "final_logit_softcapping":30.0,"sliding_window":4096,"hidden_activation":"gelu_pytorch_tanh"})",
     2'614'341'888, kGemma},
    {"gemma-2-9b", "Gemma 2 9B",
     R"({"model_type":"gemma2","vocab_size":256000,"hidden_size":3584,"intermediate_size":14336,"num_hidden_layers":42,
       "num_attention_heads":16,"num_key_value_heads":8,"max_position_embeddings":8192,"head_dim":256,
       "rms_norm_eps":1e-06,"rope_theta":10000.0,"query_pre_attn_scalar":256,"attn_logit_softcapping":50.0,
       "final_logit_softcapping":30.0,"sliding_window":4096,"hidden_activation":"gelu_pytorch_tanh"})",
     9'241'705'984, kGemma},
    {"gemma-2-27b", "Gemma 2 27B",
     R"({"model_type":"gemma2","vocab_size":256000,"hidden_size":4608,"intermediate_size":36864,"num_hidden_layers":46,
       "num_attention_heads":32,"num_key_value_heads":16,"max_position_embeddings":8192,"head_dim":128,
       "rms_norm_eps":1e-06,"rope_theta":10000.0,"query_pre_attn_scalar":144,"attn_logit_softcapping":50.0,
       "final_logit_softcapping":30.0,"sliding_window":4096,"hidden_activation":"gelu_pytorch_tanh"})",
     27'227'128'320, kGemma},
    {"gemma-3-270m", "Gemma 3 270M",
     R"({"model_type":"gemma3_text","vocab_size":262144,"hidden_size":640,"intermediate_size":2048,
       "num_hidden_layers":18,"num_attention_heads":4,"num_key_value_heads":1,"max_position_embeddings":32768,
       "head_dim":256,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"rope_local_base_freq":10000.0,
       "query_pre_attn_scalar":256,"sliding_window":512,"sliding_window_pattern":6})",
     268'098'176, kGemma},
    {"gemma-3-1b", "Gemma 3 1B",
     R"({"model_type":"gemma3_text","vocab_size":262144,"hidden_size":1152,"intermediate_size":6912,
       "num_hidden_layers":26,"num_attention_heads":4,"num_key_value_heads":1,"max_position_embeddings":32768,
       "head_dim":256,"rms_norm_eps":1e-06,"rope_theta":1000000,"rope_local_base_freq":10000,"rope_scaling":null,
       "query_pre_attn_scalar":256,"sliding_window":512,"sliding_window_pattern":6,"attn_logit_softcapping":null,
       "final_logit_softcapping":null})",
     999'885'952, kGemma},
    {"gemma-3-4b", "Gemma 3 4B",
     R"({"model_type":"gemma3","text_config":{"model_type":"gemma3_text","hidden_size":2560,"intermediate_size":10240,
       "num_hidden_layers":34,"rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024}})",
     3'880'263'168, kGemmaText},
    {"gemma-3-12b", "Gemma 3 12B",
     R"({"model_type":"gemma3","text_config":{"model_type":"gemma3_text","hidden_size":3840,"intermediate_size":15360,
       "num_attention_heads":16,"num_hidden_layers":48,"num_key_value_heads":8,"rope_scaling":{"factor":8.0,
       "rope_type":"linear"},"sliding_window":1024}})",
     11'766'034'176, kGemmaText},
    {"gemma-3-27b", "Gemma 3 27B",
     R"({"model_type":"gemma3","text_config":{"model_type":"gemma3_text","head_dim":128,"hidden_size":5376,
       "intermediate_size":21504,"num_attention_heads":32,"num_hidden_layers":62,"num_key_value_heads":16,
       "query_pre_attn_scalar":168,"rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024}})",
     27'009'346'304, kGemmaText},
    {"gemma-3n-e2b", "Gemma 3n E2B",
     R"({"model_type":"gemma3n","text_config":{"model_type":"gemma3n_text","intermediate_size":8192,
       "num_hidden_layers":30,"num_kv_shared_layers":10}})",
     4'435'182'688, kGemma3n},
    {"gemma-3n-e4b", "Gemma 3n E4B",
     R"({"model_type":"gemma3n","text_config":{"model_type":"gemma3n_text","intermediate_size":16384,
       "num_hidden_layers":35,"num_kv_shared_layers":15}})",
     6'835'235'568, kGemma3n},
    {"gemma-4-e2b", "Gemma 4 E2B",
     R"({"model_type":"gemma4","text_config":{"model_type":"gemma4_text","hidden_size":1536,"intermediate_size":6144,
       "num_hidden_layers":35,"num_attention_heads":8,"num_key_value_heads":1,"num_kv_shared_layers":20,
       "use_double_wide_mlp":true,"final_logit_softcapping":30.0,"layer_types":[
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention",
       "sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention"]}})",
     4'650'000'000, kGemma4Text, 100'000'000},
    {"gemma-4-e4b", "Gemma 4 E4B",
     R"({"model_type":"gemma4","text_config":{"model_type":"gemma4_text","hidden_size":2560,"intermediate_size":10240,
       "num_hidden_layers":42,"num_attention_heads":8,"num_key_value_heads":2,"num_kv_shared_layers":18,
       "final_logit_softcapping":30.0}})",
     7'550'000'000, kGemma4Text, 1'000'000'000},
    {"gemma-4-26b-a4b", "Gemma 4 26B A4B",
     R"({"model_type":"gemma4","text_config":{"model_type":"gemma4_text","hidden_size":2816,"intermediate_size":2112,
       "hidden_size_per_layer_input":0,"num_hidden_layers":30,"num_attention_heads":16,"num_key_value_heads":8,
       "num_global_key_value_heads":2,"attention_k_eq_v":true,"enable_moe_block":true,"num_experts":128,
       "top_k_experts":8,"moe_intermediate_size":704,"sliding_window":1024,"final_logit_softcapping":30.0,
       "max_position_embeddings":262144}})",
     25'200'000'000, kGemma4, 100'000'000},
    {"gemma-4-31b", "Gemma 4 31B",
     R"({"model_type":"gemma4","text_config":{"model_type":"gemma4_text","hidden_size":5376,"intermediate_size":21504,
       "hidden_size_per_layer_input":0,"num_hidden_layers":60,"num_attention_heads":32,"num_key_value_heads":16,
       "num_global_key_value_heads":4,"attention_k_eq_v":true,"sliding_window":1024,"final_logit_softcapping":30.0,
       "max_position_embeddings":262144}})",
     30'700'000'000, kGemma4, 100'000'000},
};

}  // namespace
}  // namespace gemma_models

std::span<const Preset> gemma() { return gemma_models::kPresets; }

}  // namespace plumb::presets
