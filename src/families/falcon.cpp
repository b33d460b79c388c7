// Falcon: both parts of a layer read the stream as it is before the layer. The 7B kind has one norm for both and one KV
// head, the 40B kind a norm for each and several KV heads.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace falcon {
namespace {

/// The second norm of the 40B kind. It is that of attention, and the usual one that of the feed-forward block.
constexpr std::string_view kSecondNorm = "attn_norm_2";

std::string_view falcon_name(const ModelSpec& spec, const TensorId& id) {
  if (id.layer < 0 || id.layer >= spec.n_layers()) return {};
  if (!spec.layers[static_cast<std::size_t>(id.layer)].ffn_branch.norm) return {};
  if (id.role == TensorRole::attn_norm) return kSecondNorm;
  return id.role == TensorRole::ffn_norm ? "attn_norm" : std::string_view();
}

/// config.json has fields for kinds that GGUF files cannot hold.
void refuse_other_kinds(const Keys& keys) {
  const Field parallel{"", "parallel_attn"}, alibi{"", "alibi"};
  if (!keys.flag_or(parallel, true))
    keys.fail(ErrorCode::unsupported_architecture, parallel, "is false, expected parts that run side by side");
  if (keys.flag_or(alibi, false)) keys.fail(ErrorCode::unsupported_architecture, alibi, "is true, expected a rotation");
}

ModelSpec read_falcon(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.gated = false;
  style.inner_multiple = 4;
  ModelSpec spec = read_decoder(keys, style);
  refuse_other_kinds(keys);
  const bool newer = keys.flag_or({"", "new_decoder_architecture"}, false);
  const bool two_norms = keys.count_or({"", "num_ln_in_parallel_attn"}, newer ? 2 : 1, 2) == 2;
  const bool one_kv_head = keys.flag_or({"", "multi_query"}, true);
  for (int l = 0; l < spec.n_layers(); ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    layer.parallel = true;
    layer.shared_norm = keys.is_gguf() ? !keys.fused_exists(kSecondNorm, l, false) : !two_norms;
    if (layer.shared_norm) layer.ffn_branch.norm.reset();
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    if (!keys.is_gguf() && !newer) attention.n_kv_heads = one_kv_head ? 1 : attention.n_heads;
  }
  return spec;
}

constexpr Alias kNames[] = {
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"num_key_value_heads", "num_kv_heads"},
    {"intermediate_size", "ffn_hidden_size"},
    {"hidden_act", "activation"},
    {"attention_bias", "bias"},
    {"layer_norm_eps", "layer_norm_epsilon"},
    {"mlp_bias", "bias"},
};
/// The files of before the architecture had its name.
constexpr Alias kOldNames[] = {
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"num_key_value_heads", "n_head_kv"},
    {"attention_bias", "bias"},
    {"mlp_bias", "bias"},
    {"layer_norm_eps", "layer_norm_epsilon"},
};

constexpr ModelType kTypes[] = {
    {"falcon",
     R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"hidden_act":"gelu","tie_word_embeddings":true})",
     kNames},
    {"RefinedWebModel",
     R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"multi_query":false,"tie_word_embeddings":true})",
     kOldNames},
    {"RefinedWeb",
     R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"new_decoder_architecture":true,
         "tie_word_embeddings":true})",
     kOldNames},
};

constexpr Place kPlaces[] = {
    {TensorRole::token_embedding, "word_embeddings"},
    {TensorRole::output_norm, "ln_f"},
    {TensorRole::attn_norm, "ln_attn"},
    {TensorRole::ffn_norm, "ln_mlp"},
    {TensorRole::attn_q, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_k, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_v, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_out, "self_attention.dense"},
    {TensorRole::ffn_up, "mlp.dense_h_to_4h"},
    {TensorRole::ffn_down, "mlp.dense_4h_to_h"},
};

constexpr Family kFamilies[] = {{.architecture = "falcon",
                                 .models = "Falcon 1 and 2",
                                 .read = read_falcon,
                                 .types = kTypes,
                                 .name_in = falcon_name,
                                 .fused = {.qkv = true},
                                 .folder = {.places = kPlaces, .layers = "h."}}};

}  // namespace
}  // namespace falcon

std::span<const Family> falcon_families() { return falcon::kFamilies; }

}  // namespace plumb::family
