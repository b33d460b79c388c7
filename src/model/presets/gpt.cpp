// GPT-2, Pythia (GPT-NeoX) and gpt-oss: the fields that matter of the config.json beside each model's weights.
//
// Totals are what the named publisher states: the parameter count that Hugging Face shows from the safetensors header,
// or the paper's or repository's table.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace gpt_models {
namespace {

constexpr std::string_view kGpt2 =
    "huggingface.co/openai-community: config.json, safetensors total without attention masks";
constexpr std::string_view kPythia = "github.com/EleutherAI/pythia: table of models";
constexpr std::string_view kOss = "huggingface.co/openai: config.json, safetensors total in bf16";

constexpr Preset kPresets[] = {
    {"gpt2", "GPT-2",
     R"({"model_type":"gpt2","vocab_size":50257,"n_embd":768,"n_layer":12,"n_head":12,"n_positions":1024,
       "activation_function":"gelu_new","layer_norm_epsilon":1e-05})",
     124'439'808, kGpt2},
    {"gpt2-medium", "GPT-2 medium",
     R"({"model_type":"gpt2","vocab_size":50257,"n_embd":1024,"n_layer":24,"n_head":16,"n_positions":1024,
       "activation_function":"gelu_new","layer_norm_epsilon":1e-05})",
     354'823'168, kGpt2},
    {"gpt2-large", "GPT-2 large",
     R"({"model_type":"gpt2","vocab_size":50257,"n_embd":1280,"n_layer":36,"n_head":20,"n_positions":1024,
       "activation_function":"gelu_new","layer_norm_epsilon":1e-05})",
     774'030'080, kGpt2},
    {"gpt2-xl", "GPT-2 XL",
     R"({"model_type":"gpt2","vocab_size":50257,"n_embd":1600,"n_layer":48,"n_head":25,"n_positions":1024,
       "activation_function":"gelu_new","layer_norm_epsilon":1e-05})",
     1'557'611'200, kGpt2},
    {"pythia-70m", "Pythia 70M",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":512,"intermediate_size":2048,"num_hidden_layers":6,
       "num_attention_heads":8,"max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,
       "rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,"tie_word_embeddings":false})",
     70'426'624, kPythia},
    {"pythia-160m", "Pythia 160M",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,
       "num_attention_heads":12,"max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,
       "rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,"tie_word_embeddings":false})",
     162'322'944, kPythia},
    {"pythia-410m", "Pythia 410M",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":1024,"intermediate_size":4096,"num_hidden_layers":24,
       "num_attention_heads":16,"max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,
       "rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,"tie_word_embeddings":false})",
     405'334'016, kPythia},
    {"pythia-1b", "Pythia 1B",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":16,
       "num_attention_heads":8,"max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,
       "rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,"tie_word_embeddings":false})",
     1'011'781'632, kPythia},
    {"pythia-1.4b", "Pythia 1.4B",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":2048,"intermediate_size":8192,"num_hidden_layers":24,
       "num_attention_heads":16,"max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,
       "rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,"tie_word_embeddings":false})",
     1'414'647'808, kPythia},
    {"pythia-2.8b", "Pythia 2.8B",
     R"({"model_type":"gpt_neox","vocab_size":50304,"hidden_size":2560,"intermediate_size":10240,
       "num_hidden_layers":32,"num_attention_heads":32,"max_position_embeddings":2048,"hidden_act":"gelu",
       "layer_norm_eps":1e-05,"rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,
       "tie_word_embeddings":false})",
     2'775'208'960, kPythia},
    {"pythia-6.9b", "Pythia 6.9B",
     R"({"model_type":"gpt_neox","vocab_size":50432,"hidden_size":4096,"intermediate_size":16384,
       "num_hidden_layers":32,"num_attention_heads":32,"max_position_embeddings":2048,"hidden_act":"gelu",
       "layer_norm_eps":1e-05,"rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,
       "tie_word_embeddings":false})",
     6'857'302'016, kPythia},
    {"pythia-12b", "Pythia 12B",
     R"({"model_type":"gpt_neox","vocab_size":50688,"hidden_size":5120,"intermediate_size":20480,
       "num_hidden_layers":36,"num_attention_heads":40,"max_position_embeddings":2048,"hidden_act":"gelu",
       "layer_norm_eps":1e-05,"rotary_emb_base":10000,"rotary_pct":0.25,"use_parallel_residual":true,
       "tie_word_embeddings":false})",
     11'846'072'320, kPythia},
    {"gpt-oss-20b", "gpt-oss 20B",
     R"({"model_type":"gpt_oss","vocab_size":201088,"hidden_size":2880,"intermediate_size":2880,"num_hidden_layers":24,
       "num_attention_heads":64,"num_key_value_heads":8,"head_dim":64,"max_position_embeddings":131072,
       "rms_norm_eps":1e-05,"rope_theta":150000,"rope_scaling":{"rope_type":"yarn","factor":32.0,"beta_fast":32.0,
       "beta_slow":1.0,"original_max_position_embeddings":4096,"truncate":false},"attention_bias":true,
       "num_local_experts":32,"num_experts_per_tok":4,"sliding_window":128,"swiglu_limit":7.0,
       "tie_word_embeddings":false})",
     20'914'757'184, kOss},
    {"gpt-oss-120b", "gpt-oss 120B",
     R"({"model_type":"gpt_oss","vocab_size":201088,"hidden_size":2880,"intermediate_size":2880,"num_hidden_layers":36,
       "num_attention_heads":64,"num_key_value_heads":8,"head_dim":64,"max_position_embeddings":131072,
       "rms_norm_eps":1e-05,"rope_theta":150000,"rope_scaling":{"rope_type":"yarn","factor":32.0,"beta_fast":32.0,
       "beta_slow":1.0,"original_max_position_embeddings":4096,"truncate":false},"attention_bias":true,
       "num_local_experts":128,"num_experts_per_tok":4,"sliding_window":128,"swiglu_limit":7.0,
       "tie_word_embeddings":false})",
     116'829'156'672, kOss},
};

}  // namespace
}  // namespace gpt_models

std::span<const Preset> gpt() { return gpt_models::kPresets; }

}  // namespace plumb::presets
