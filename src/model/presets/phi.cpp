// Phi: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace phi_models {
namespace {

constexpr std::string_view kMicrosoft = "huggingface.co/microsoft: config.json, safetensors total";

constexpr Preset kPresets[] = {
    {"phi-2", "Phi-2",
     R"({"model_type":"phi","vocab_size":51200,"hidden_size":2560,"intermediate_size":10240,"num_hidden_layers":32,
       "num_attention_heads":32,"num_key_value_heads":32,"max_position_embeddings":2048,"layer_norm_eps":1e-05,
       "rope_theta":10000.0,"partial_rotary_factor":0.4,"hidden_act":"gelu_new","qk_layernorm":false,
       "tie_word_embeddings":false})",
     2'779'683'840, kMicrosoft},
    {"phi-3-medium", "Phi-3 medium 4k",
     R"({"model_type":"phi3","vocab_size":32064,"hidden_size":5120,"intermediate_size":17920,"num_hidden_layers":40,
       "num_attention_heads":40,"num_key_value_heads":10,"max_position_embeddings":4096,
       "original_max_position_embeddings":4096,"rms_norm_eps":1e-05,"rope_theta":10000.0,"rope_scaling":null,
       "sliding_window":2047,"tie_word_embeddings":false})",
     13'960'238'080, kMicrosoft},
    {"phi-4", "Phi-4",
     R"({"model_type":"phi3","vocab_size":100352,"hidden_size":5120,"intermediate_size":17920,"num_hidden_layers":40,
       "num_attention_heads":40,"num_key_value_heads":10,"max_position_embeddings":16384,
       "original_max_position_embeddings":16384,"rms_norm_eps":1e-05,"rope_theta":250000.0,"rope_scaling":null,
       "sliding_window":null,"tie_word_embeddings":false})",
     14'659'507'200, kMicrosoft},
};

}  // namespace
}  // namespace phi_models

std::span<const Preset> phi() { return phi_models::kPresets; }

}  // namespace plumb::presets
