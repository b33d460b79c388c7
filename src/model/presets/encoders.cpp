// Models that make embeddings: the fields that matter of the config.json beside each model's weights.
//
// Totals are the parameter count that Hugging Face shows from the safetensors header, less what makes no embedding: the
// pooler of BERT models (D * D + D), heads of masked language models, positions of the padding.

#include "tables.hpp"

namespace plumb::inline PLUMB_ABI::presets {
namespace encoders_models {
namespace {

constexpr std::string_view kSource = "huggingface.co: config.json, safetensors total";
constexpr std::string_view kNoPooler = "huggingface.co: config.json, safetensors total less the pooler";
constexpr std::string_view kNoPadding =
    "huggingface.co: config.json, safetensors total less the pooler and 2 positions";
constexpr std::string_view kNoHead = "huggingface.co: config.json, safetensors total less the head of masked tokens";

constexpr Preset kPresets[] = {
    {"all-minilm-l6-v2", "all-MiniLM-L6-v2",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":384,"intermediate_size":1536,"num_hidden_layers":6,
       "num_attention_heads":12,"max_position_embeddings":512,"type_vocab_size":2})",
     22'565'376, kNoPooler},
    {"bert-base", "BERT base",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,
       "num_attention_heads":12,"max_position_embeddings":512,"type_vocab_size":2})",
     108'891'648, kNoPooler},
    {"bert-large", "BERT large",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":1024,"intermediate_size":4096,"num_hidden_layers":24,
       "num_attention_heads":16,"max_position_embeddings":512,"type_vocab_size":2})",
     334'092'288, kNoPooler},
    {"bge-small-en-v1.5", "BGE small 1.5",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":384,"intermediate_size":1536,"num_hidden_layers":12,
       "num_attention_heads":12,"max_position_embeddings":512,"type_vocab_size":2})",
     33'212'160, kNoPooler},
    {"bge-base-en-v1.5", "BGE base 1.5",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":768,"intermediate_size":3072,"num_hidden_layers":12,
       "num_attention_heads":12,"max_position_embeddings":512,"type_vocab_size":2})",
     108'891'648, kNoPooler},
    {"bge-large-en-v1.5", "BGE large 1.5",
     R"({"model_type":"bert","vocab_size":30522,"hidden_size":1024,"intermediate_size":4096,"num_hidden_layers":24,
       "num_attention_heads":16,"max_position_embeddings":512,"type_vocab_size":2})",
     334'092'288, kNoPooler},
    {"bge-m3", "BGE M3",
     R"({"model_type":"xlm-roberta","vocab_size":250002,"hidden_size":1024,"intermediate_size":4096,
       "num_hidden_layers":24,"num_attention_heads":16,"max_position_embeddings":8194,"type_vocab_size":1,
       "layer_norm_eps":1e-05,"pad_token_id":1})",
     566'703'104, kNoPadding},
    {"nomic-embed-text-v1.5", "Nomic Embed Text 1.5",
     R"({"model_type":"nomic_bert","vocab_size":30528,"n_embd":768,"n_inner":3072,"n_layer":12,"n_head":12,
       "n_positions":8192,"max_trained_positions":2048,"rotary_emb_base":1000,"type_vocab_size":2})",
     136'731'648, kSource},
    {"modernbert-base", "ModernBERT base",
     R"({"model_type":"modernbert","vocab_size":50368,"hidden_size":768,"intermediate_size":1152,
       "num_hidden_layers":22,"num_attention_heads":12,"max_position_embeddings":8192})",
     149'014'272, kNoHead},
    {"modernbert-large", "ModernBERT large",
     R"({"model_type":"modernbert","vocab_size":50368,"hidden_size":1024,"intermediate_size":2624,
       "num_hidden_layers":28,"num_attention_heads":16,"max_position_embeddings":8192})",
     394'781'696, kNoHead},
    {"embeddinggemma-300m", "EmbeddingGemma 300M",
     R"({"model_type":"gemma3_text","vocab_size":262144,"hidden_size":768,"intermediate_size":1152,
       "num_hidden_layers":24,"num_attention_heads":3,"num_key_value_heads":1,"max_position_embeddings":2048,
       "head_dim":256,"rms_norm_eps":1e-06,"rope_theta":1000000,"rope_local_base_freq":10000,
       "query_pre_attn_scalar":256,"sliding_window":512,"sliding_window_pattern":6,
       "use_bidirectional_attention":true})",
     302'863'104, kSource},
};

}  // namespace
}  // namespace encoders_models

std::span<const Preset> encoders() { return encoders_models::kPresets; }

}  // namespace plumb::presets
