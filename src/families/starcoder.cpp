// StarCoder and SantaCoder (GPT-2 with one KV head), and StarCoder 2 (rotation of halves): layer norms, biases, two
// matrices in the feed-forward block, GELU in its tanh form.
//
// config.json of StarCoder 2 has a `sliding_window`. GGUF files have no key for it, and answers of long prompts are
// those of all positions in the engine that they are made for; so they are here, in both kinds of files.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace starcoder {
namespace {

Style starcoder_style(RopePairs pairs) {
  Style style;
  style.pairs = pairs;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.gated = false;
  style.biases = true;
  style.inner_multiple = 4;
  return style;
}

ModelSpec read_starcoder(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, starcoder_style(RopePairs::none));
  spec.embedding.positions = true;
  if (!keys.is_gguf() && keys.flag_or({"", "multi_query"}, true))
    for_each_attention(spec, [](AttentionSpec& attention) { attention.n_kv_heads = 1; });
  return spec;
}

ModelSpec read_starcoder2(const Keys& keys) { return read_decoder(keys, starcoder_style(RopePairs::halves)); }

constexpr Alias kNames[] = {
    {"hidden_size", "n_embd"},
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"num_key_value_heads", ""},
    {"intermediate_size", "n_inner"},
    {"max_position_embeddings", "n_positions"},
    {"layer_norm_eps", "layer_norm_epsilon"},
    {"hidden_act", "activation_function"},
};
constexpr Alias kNames2[] = {
    {"layer_norm_eps", "norm_epsilon"}, {"attention_bias", "use_bias"}, {"mlp_bias", "use_bias"}};

constexpr ModelType kStarcoder[] = {
    {"gpt_bigcode", R"({"max_position_embeddings":1024,"layer_norm_eps":1e-5,"tie_word_embeddings":true})", kNames}};
constexpr ModelType kStarcoder2[] = {
    {"starcoder2",
     R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"num_key_value_heads":2,"tie_word_embeddings":true})",
     kNames2}};

constexpr Family kFamilies[] = {
    {.architecture = "starcoder",
     .models = "StarCoder, SantaCoder",
     .read = read_starcoder,
     .types = kStarcoder,
     .fused = {.qkv = true}},
    {"starcoder2", "StarCoder 2", read_starcoder2, kStarcoder2},
};

}  // namespace
}  // namespace starcoder

std::span<const Family> starcoder_families() { return starcoder::kFamilies; }

}  // namespace plumb::family
