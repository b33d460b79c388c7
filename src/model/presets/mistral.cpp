// Mistral models after the first ones: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, or the model card's, less what
// the source names.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace mistral_models {
namespace {

constexpr std::string_view kMistral = "huggingface.co/mistralai: config.json, safetensors total";
/// Of 3'849'090'048: a tower of 24 layers of 1024 and its projector have 420'083'712.
constexpr std::string_view kText = "huggingface.co/mistralai: text_config, safetensors total less the vision tower";
constexpr std::string_view kSameText =
    "huggingface.co/mistralai: text_config; the text part has the shape of Mistral Small 3, whose total this is";
/// 8.9 billion with a vision tower of 0.4.
constexpr std::string_view kCard =
    "huggingface.co/mistralai: text_config, total of the model card less its vision tower";
/// "123B" in its name, 125B where Hugging Face counts.
constexpr std::string_view kShown = "huggingface.co/mistralai: config.json, rounded safetensors total";

constexpr Preset kPresets[] = {
    {"mistral-7b-v0.3", "Mistral 7B v0.3",
     R"({"model_type":"mistral","vocab_size":32768,"hidden_size":4096,"intermediate_size":14336,"num_hidden_layers":32,
       "num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"max_position_embeddings":32768,
       "rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,"tie_word_embeddings":false})",
     7'248'023'552, kMistral},
    {"mistral-nemo-12b", "Mistral NeMo 12B",
     R"({"model_type":"mistral","vocab_size":131072,"hidden_size":5120,"intermediate_size":14336,
       "num_hidden_layers":40,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,
       "tie_word_embeddings":false})",
     12'247'782'400, kMistral},
    {"mistral-small-24b", "Mistral Small 3 24B",
     R"({"model_type":"mistral","vocab_size":131072,"hidden_size":5120,"intermediate_size":32768,
       "num_hidden_layers":40,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":32768,"rms_norm_eps":1e-05,"rope_theta":100000000.0,"sliding_window":null,
       "tie_word_embeddings":false})",
     23'572'403'200, kMistral},
    {"mistral-large-2", "Mistral Large 2",
     R"({"model_type":"mistral","vocab_size":32768,"hidden_size":12288,"intermediate_size":28672,
       "num_hidden_layers":88,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":131072,"rms_norm_eps":1e-05,"rope_theta":1000000.0,"sliding_window":null,
       "tie_word_embeddings":false})",
     122'610'069'504, kMistral},
    {"ministral-3-3b", "Ministral 3 3B",
     R"({"model_type":"mistral3","text_config":{"model_type":"ministral3","vocab_size":131072,"hidden_size":3072,
       "intermediate_size":9216,"num_hidden_layers":26,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":262144,"rms_norm_eps":1e-05,"rope_parameters":{"rope_type":"yarn","type":"yarn",
       "rope_theta":1000000.0,"factor":16.0,"original_max_position_embeddings":16384,"beta_fast":32.0,"beta_slow":1.0,
       "mscale":1.0,"mscale_all_dim":1.0,"llama_4_scaling_beta":0.1},"sliding_window":null,"tie_word_embeddings":true},
       "tie_word_embeddings":true})",
     3'429'006'336, kText},
    {"ministral-3-8b", "Ministral 3 8B",
     R"({"model_type":"mistral3","text_config":{"model_type":"ministral3","vocab_size":131072,"hidden_size":4096,
       "intermediate_size":14336,"num_hidden_layers":34,"num_attention_heads":32,"num_key_value_heads":8,
       "head_dim":128,"max_position_embeddings":262144,"rms_norm_eps":1e-05,"rope_parameters":{"rope_type":"yarn",
       "type":"yarn","rope_theta":1000000.0,"factor":16.0,"original_max_position_embeddings":16384,"beta_fast":32.0,
       "beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0,"llama_4_scaling_beta":0.1},"sliding_window":null,
       "tie_word_embeddings":false},"tie_word_embeddings":false})",
     8'500'000'000, kCard, 100'000'000},
    {"devstral-small-2-24b", "Devstral Small 2 24B",
     R"({"model_type":"mistral3","text_config":{"model_type":"ministral3","vocab_size":131072,"hidden_size":5120,
       "intermediate_size":32768,"num_hidden_layers":40,"num_attention_heads":32,"num_key_value_heads":8,
       "head_dim":128,"max_position_embeddings":393216,"rms_norm_eps":1e-05,"rope_parameters":{"rope_type":"yarn",
       "type":"yarn","rope_theta":100000000.0,"factor":48.0,"original_max_position_embeddings":8192,"beta_fast":32.0,
       "beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0,"llama_4_scaling_beta":0.1},"sliding_window":null,
       "tie_word_embeddings":false},"tie_word_embeddings":false})",
     23'572'403'200, kSameText},
    {"devstral-2-123b", "Devstral 2 123B",
     R"({"model_type":"ministral3","vocab_size":131072,"hidden_size":12288,"intermediate_size":28672,
       "num_hidden_layers":88,"num_attention_heads":96,"num_key_value_heads":8,"head_dim":128,
       "max_position_embeddings":262144,"rms_norm_eps":1e-05,"rope_parameters":{"beta_fast":4.0,"beta_slow":1.0,
       "factor":64.0,"mscale":1.0,"mscale_all_dim":0.0,"original_max_position_embeddings":4096,
       "llama_4_scaling_beta":0.0,"rope_theta":1000000.0,"rope_type":"yarn","type":"yarn"},"sliding_window":null,
       "tie_word_embeddings":false})",
     125'000'000'000, kShown, 1'000'000'000},
};

}  // namespace
}  // namespace mistral_models

std::span<const Preset> mistral() { return mistral_models::kPresets; }

}  // namespace plumb::presets
