// MPT and BLOOM: positions are biases of the scores, which fall linearly with the distance (ALiBi), and not rotations.
// Layer norms, a GELU without a gate in its tanh form, as everywhere in the engine that GGUF files are made for.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace mpt {
namespace {

Style alibi_style() {
  Style style;
  style.pairs = RopePairs::none;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.gated = false;
  style.inner_multiple = 4;
  return style;
}

/// Biases of norms stand where their tensors are.
void find_norm_biases(const Keys& keys, ModelSpec& spec) {
  for (int l = 0; l < spec.n_layers(); ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    layer.mixer_branch.norm->bias = keys.tensor_exists({TensorRole::attn_norm, l, true});
    layer.ffn_branch.norm->bias = keys.tensor_exists({TensorRole::ffn_norm, l, true});
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    if (!keys.tensor_exists({TensorRole::attn_q_norm, l, false})) continue;
    attention.qk_norm_over = QkNormOver::all_heads;
    attention.qk_norm = *spec.output.norm;
    attention.qk_norm.bias = keys.tensor_exists({TensorRole::attn_q_norm, l, true});
  }
  spec.output.norm->bias = keys.tensor_exists({TensorRole::output_norm, -1, true});
}

/// Fields that GGUF files cannot hold.
void refuse_other_kinds(const Keys& keys, const Keys& attention) {
  const Field prefix{"", "prefix_lm"}, logits{"", "logit_scale"};
  if (attention.flag_or(prefix, false))
    attention.fail(ErrorCode::unsupported_architecture, prefix, "is true, expected attention to earlier positions");
  if (keys.has(logits)) keys.fail(ErrorCode::unsupported_architecture, logits, "is there, expected logits as they are");
}

ModelSpec read_mpt(const Keys& keys) {
  Style style = alibi_style();
  const Keys own = keys.within("attn_config");
  style.biases = style.norm_bias = !keys.is_gguf() && !keys.flag_or({"", "no_bias"}, true);
  ModelSpec spec = read_decoder(own, style);
  if (keys.is_gguf()) {
    find_norm_biases(keys, spec);
    const std::string scaled = "blk.0.ffn.act.scales";
    if (keys.named_exists(scaled))
      throw Error(ErrorCode::unsupported_architecture,
                  keys.where() + ": tensor '" + scaled + "', factors of the activation, expected none");
  } else {
    refuse_other_kinds(keys, own);
  }
  const bool linear = own.flag_or({"", "alibi"}, true);
  const float bias = own.real_or({"attention.max_alibi_bias", "alibi_bias_max"}, keys.is_gguf() ? 0.0f : 8.0f);
  const float clip = own.real_or({"attention.clamp_kqv", "clip_qkv"}, 0.0f);
  const float scale = own.real_or({"", "softmax_scale"}, 0.0f);
  const bool normed = own.flag_or({"", "qk_ln"}, false);
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.alibi_max_bias = linear ? bias : 0.0f;
    attention.clip = clip;
    if (keys.is_gguf()) return;
    attention.scale = scale;
    if (!normed) return;
    attention.qk_norm_over = QkNormOver::all_heads;
    attention.qk_norm = *spec.output.norm;
  });
  spec.embedding.positions = keys.is_gguf() ? keys.tensor_exists({TensorRole::position_embedding, -1, false})
                                            : !linear && keys.flag_or({"", "learned_pos_emb"}, true);
  return spec;
}

void write_mpt(GgufWriter& writer, const ModelSpec& spec) {
  const AttentionSpec* attention = first_attention(spec);
  writer.set("mpt.attention.max_alibi_bias", attention ? attention->alibi_max_bias : 0.0f);
}

ModelSpec read_bloom(const Keys& keys) {
  const Field after{"", "apply_residual_connection_post_layernorm"};
  if (keys.flag_or(after, false))
    keys.fail(ErrorCode::unsupported_architecture, after, "is true, expected sums of the stream as it is");
  Style style = alibi_style();
  style.biases = true;
  ModelSpec spec = read_decoder(keys, style);
  spec.embedding.norm = spec.output.norm;
  for_each_attention(spec, [](AttentionSpec& attention) { attention.alibi_max_bias = 8.0f; });  // no file says it
  return spec;
}

constexpr Alias kMptNames[] = {
    {"hidden_size", "d_model"},
    {"num_hidden_layers", "n_layers"},
    {"num_attention_heads", "n_heads"},
    {"num_key_value_heads", "kv_n_heads"},
    {"max_position_embeddings", "max_seq_len"},
    {"layer_norm_eps", "layer_norm_epsilon"},
};
constexpr Alias kBloomNames[] = {
    {"hidden_size", "n_embed"},
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"intermediate_size", "n_inner"},
    {"max_position_embeddings", "seq_length"},
    {"num_key_value_heads", ""},
    {"layer_norm_eps", "layer_norm_epsilon"},
};

constexpr ModelType kMpt[] = {
    {"mpt", R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"tie_word_embeddings":true})", kMptNames}};
constexpr ModelType kBloom[] = {
    {"bloom", R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"tie_word_embeddings":true})", kBloomNames}};

constexpr Place kMptPlaces[] = {
    {TensorRole::token_embedding, "wte"},
    {TensorRole::position_embedding, "wpe"},
    {TensorRole::output_norm, "norm_f"},
    {TensorRole::attn_norm, "norm_1"},
    {TensorRole::ffn_norm, "norm_2"},
    {TensorRole::attn_q, "attn.Wqkv", take_qkv},
    {TensorRole::attn_k, "attn.Wqkv", take_qkv},
    {TensorRole::attn_v, "attn.Wqkv", take_qkv},
    {TensorRole::attn_q_norm, "attn.q_ln"},
    {TensorRole::attn_k_norm, "attn.k_ln"},
    {TensorRole::attn_out, "attn.out_proj"},
    {TensorRole::ffn_up, "ffn.up_proj"},
    {TensorRole::ffn_down, "ffn.down_proj"},
};
constexpr Place kBloomPlaces[] = {
    {TensorRole::token_embedding, "word_embeddings"},
    {TensorRole::embedding_norm, "word_embeddings_layernorm"},
    {TensorRole::output_norm, "ln_f"},
    {TensorRole::attn_q, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_k, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_v, "self_attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_out, "self_attention.dense"},
    {TensorRole::ffn_up, "mlp.dense_h_to_4h"},
    {TensorRole::ffn_down, "mlp.dense_4h_to_h"},
};

constexpr Family kFamilies[] = {
    {.architecture = "mpt",
     .models = "MPT",
     .read = read_mpt,
     .types = kMpt,
     .write = write_mpt,
     .fused = {.qkv = true},
     .folder = {.places = kMptPlaces, .layers = "blocks."}},
    {.architecture = "bloom",
     .models = "BLOOM, BLOOMZ",
     .read = read_bloom,
     .types = kBloom,
     .fused = {.qkv = true},
     .folder = {.places = kBloomPlaces, .layers = "h."}},
};

}  // namespace
}  // namespace mpt

std::span<const Family> mpt_families() { return mpt::kFamilies; }

}  // namespace plumb::family
