// Command R: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace command_models {
namespace {

constexpr std::string_view kCohere = "huggingface.co/CohereForAI: config.json, safetensors total";
constexpr std::string_view kShown = "huggingface.co/CohereForAI: config.json, rounded safetensors total";

constexpr Preset kPresets[] = {
    {"command-r7b", "Command R7B",
     R"({"model_type":"cohere2","vocab_size":256000,"hidden_size":4096,"intermediate_size":14336,
       "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":8192,
       "layer_norm_eps":1e-05,"rope_theta":50000,"hidden_act":"silu","attention_bias":false,"logit_scale":0.25,
       "sliding_window":4096,"head_dim":128,"sliding_window_pattern":4})",
     8'030'000'000, kShown, 10'000'000},
    {"command-r-08-2024", "Command R 08-2024",
     R"({"model_type":"cohere","vocab_size":256000,"hidden_size":8192,"intermediate_size":24576,"num_hidden_layers":40,
       "num_attention_heads":64,"num_key_value_heads":8,"max_position_embeddings":131072,"layer_norm_eps":1e-05,
       "rope_theta":4000000,"hidden_act":"silu","attention_bias":false,"logit_scale":0.0625,"use_qk_norm":false})",
     32'296'476'672, kCohere},
    {"command-r", "Command R",
     R"({"model_type":"cohere","vocab_size":256000,"hidden_size":8192,"intermediate_size":22528,"num_hidden_layers":40,
       "num_attention_heads":64,"num_key_value_heads":64,"max_position_embeddings":8192,"layer_norm_eps":1e-05,
       "rope_theta":8000000.0,"hidden_act":"silu","attention_bias":false,"logit_scale":0.0625})",
     34'980'831'232, kCohere},
};

}  // namespace
}  // namespace command_models

std::span<const Preset> command() { return command_models::kPresets; }

}  // namespace plumb::presets
