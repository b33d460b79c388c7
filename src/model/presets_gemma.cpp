// Gemma 2 and 3: the fields that matter of the config.json beside each model's weights.
//
// Totals are what the named publisher states: the parameter count that Hugging Face shows from the safetensors header,
// or the paper's or repository's table.

#include "presets.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace {

constexpr std::string_view kGemma = "huggingface.co/google: config.json, safetensors total";
constexpr std::string_view kGemmaText = "huggingface.co/google: text_config, total less the vision tower and projector";

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
};

}  // namespace

std::span<const Preset> gemma() { return kPresets; }

}  // namespace plumb::presets
