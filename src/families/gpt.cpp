// GPT-2, OPT (GPT-2 with ReLU), GPT-NeoX (Pythia), StarCoder (GPT-2 with one KV head) and StarCoder 2 (rotation of
// halves): layer norms, biases, two matrices in the feed-forward block.
//
// Pythia's files say "gelu", which its own code computes with erf. The engine that GGUF files are made for computes the
// tanh form for every GELU, and the recorded logits of both families are of that form: NMSE 5e-14, with erf 2e-8. So it
// is what these families mean here in both kinds of files.
//
// config.json of StarCoder 2 has a `sliding_window`. GGUF files have no key for it, and answers of long prompts are
// those of all positions in the engine that they are made for; so they are here, in both kinds of files.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace gpt {
namespace {

Style gpt_style(RopePairs pairs) {
  Style style;
  style.pairs = pairs;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.gated = false;
  style.biases = true;
  return style;
}

ModelSpec read_gpt2(const Keys& keys) {
  Style style = gpt_style(RopePairs::none);
  style.inner_multiple = 4;
  ModelSpec spec = read_decoder(keys, style);
  spec.embedding.positions = true;
  return spec;
}

/// Of its kinds those that norm what a part reads, as all but the one of 350M parameters do.
ModelSpec read_opt(const Keys& keys) {
  Style style = gpt_style(RopePairs::none);
  style.activation = Activation::relu;
  ModelSpec spec = read_decoder(keys, style);
  spec.embedding.positions = true;
  const Field before{"", "do_layer_norm_before"}, width{"", "word_embed_proj_dim"};
  if (!keys.flag_or(before, true))
    keys.fail(ErrorCode::unsupported_architecture, before, "is false, expected norms in front of the parts");
  const int embedded = keys.count_or(width, spec.width, SpecLimits::kWidth);
  if (embedded != spec.width)
    keys.fail(ErrorCode::unsupported_architecture, width,
              "is " + std::to_string(embedded) + ", expected the width of the layers, " + std::to_string(spec.width));
  return spec;
}

ModelSpec read_starcoder(const Keys& keys) {
  ModelSpec spec = read_gpt2(keys);
  if (!keys.is_gguf() && keys.flag_or({"", "multi_query"}, true))
    for_each_attention(spec, [](AttentionSpec& attention) { attention.n_kv_heads = 1; });
  return spec;
}

ModelSpec read_starcoder2(const Keys& keys) {
  Style style = gpt_style(RopePairs::halves);
  style.inner_multiple = 4;
  return read_decoder(keys, style);
}

const Field kParallel{"use_parallel_residual", "use_parallel_residual"};

ModelSpec read_gptneox(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, gpt_style(RopePairs::halves));
  const bool parallel = keys.flag_or(kParallel, true);
  for (LayerSpec& layer : spec.layers) layer.parallel = parallel;
  return spec;
}

void write_gptneox(GgufWriter& writer, const ModelSpec& spec) {
  writer.set("gptneox.use_parallel_residual", spec.layers.front().parallel);
}

constexpr Alias kGpt2Names[] = {
    {"hidden_size", "n_embd"},
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"num_key_value_heads", ""},
    {"intermediate_size", "n_inner"},
    {"max_position_embeddings", "n_positions"},
    {"layer_norm_eps", "layer_norm_epsilon"},
    {"hidden_act", "activation_function"},
};
constexpr Alias kOptNames[] = {
    {"num_key_value_heads", ""},       {"intermediate_size", "ffn_dim"}, {"hidden_act", "activation_function"},
    {"attention_bias", "enable_bias"}, {"mlp_bias", "enable_bias"},
};
constexpr Alias kNeoxNames[] = {{"partial_rotary_factor", "rotary_pct"}, {"rope_theta", "rotary_emb_base"}};

constexpr Alias kStarcoder2Names[] = {
    {"layer_norm_eps", "norm_epsilon"}, {"attention_bias", "use_bias"}, {"mlp_bias", "use_bias"}};

constexpr ModelType kGpt2[] = {
    {"gpt2", R"({"vocab_size":50257,"n_positions":1024,"layer_norm_epsilon":1e-5,"tie_word_embeddings":true})",
     kGpt2Names}};
constexpr ModelType kOpt[] = {
    {"opt",
     R"({"vocab_size":50272,"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,"ffn_dim":3072,
         "max_position_embeddings":2048,"layer_norm_eps":1e-5,"tie_word_embeddings":true})",
     kOptNames}};
constexpr ModelType kNeox[] = {
    {"gpt_neox", R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"rotary_pct":0.25})", kNeoxNames}};
constexpr ModelType kStarcoder[] = {
    {"gpt_bigcode", R"({"max_position_embeddings":1024,"layer_norm_eps":1e-5,"tie_word_embeddings":true})",
     kGpt2Names}};
constexpr ModelType kStarcoder2[] = {
    {"starcoder2",
     R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"num_key_value_heads":2,"tie_word_embeddings":true})",
     kStarcoder2Names}};

/// Matrices have a column for each output.
constexpr Place kGpt2Places[] = {
    {TensorRole::token_embedding, "wte"},
    {TensorRole::position_embedding, "wpe"},
    {TensorRole::output_norm, "ln_f"},
    {TensorRole::attn_norm, "ln_1"},
    {TensorRole::ffn_norm, "ln_2"},
    {TensorRole::attn_q, "attn.c_attn", take_turned_qkv},
    {TensorRole::attn_k, "attn.c_attn", take_turned_qkv},
    {TensorRole::attn_v, "attn.c_attn", take_turned_qkv},
    {TensorRole::attn_out, "attn.c_proj", take_turned},
    {TensorRole::ffn_up, "mlp.c_fc", take_turned},
    {TensorRole::ffn_down, "mlp.c_proj", take_turned},
};
/// The table of positions begins two rows in front of the first.
Gather take_opt_positions(const Asked& asked) { return rows_from(2, asked.shape().rows + 2); }
constexpr Place kOptPlaces[] = {
    {TensorRole::token_embedding, "decoder.embed_tokens"},
    {TensorRole::position_embedding, "decoder.embed_positions", take_opt_positions},
    {TensorRole::output_norm, "decoder.final_layer_norm"},
    {TensorRole::attn_norm, "self_attn_layer_norm"},
    {TensorRole::ffn_norm, "final_layer_norm"},
    {TensorRole::attn_out, "self_attn.out_proj"},
    {TensorRole::ffn_up, "fc1"},
    {TensorRole::ffn_down, "fc2"},
};
/// With one KV head, or with q, k and v of each head together.
constexpr Place kStarcoderPlaces[] = {
    {TensorRole::token_embedding, "wte"},
    {TensorRole::position_embedding, "wpe"},
    {TensorRole::output_norm, "ln_f"},
    {TensorRole::attn_norm, "ln_1"},
    {TensorRole::ffn_norm, "ln_2"},
    {TensorRole::attn_q, "attn.c_attn", take_grouped_qkv},
    {TensorRole::attn_k, "attn.c_attn", take_grouped_qkv},
    {TensorRole::attn_v, "attn.c_attn", take_grouped_qkv},
    {TensorRole::attn_out, "attn.c_proj"},
    {TensorRole::ffn_up, "mlp.c_fc"},
    {TensorRole::ffn_down, "mlp.c_proj"},
};
constexpr Place kNeoxPlaces[] = {
    {TensorRole::token_embedding, "embed_in"},
    {TensorRole::head, "embed_out"},
    {TensorRole::output_norm, "final_layer_norm"},
    {TensorRole::attn_q, "attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_k, "attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_v, "attention.query_key_value", take_grouped_qkv},
    {TensorRole::attn_out, "attention.dense"},
    {TensorRole::ffn_up, "mlp.dense_h_to_4h"},
    {TensorRole::ffn_down, "mlp.dense_4h_to_h"},
};
constexpr Place kStarcoder2Places[] = {
    {TensorRole::ffn_up, "mlp.c_fc"},
    {TensorRole::ffn_down, "mlp.c_proj"},
};

constexpr Family kFamilies[] = {
    {.architecture = "gpt2",
     .models = "GPT-2",
     .read = read_gpt2,
     .types = kGpt2,
     .fused = {.qkv = true},
     .folder = {.places = kGpt2Places, .layers = "h."}},
    {.architecture = "gptneox",
     .models = "GPT-NeoX, Pythia",
     .read = read_gptneox,
     .types = kNeox,
     .write = write_gptneox,
     .fused = {.qkv = true},
     .folder = {.places = kNeoxPlaces}},
    {.architecture = "opt",
     .models = "OPT",
     .read = read_opt,
     .types = kOpt,
     .folder = {.places = kOptPlaces, .layers = "decoder.layers."}},
    {.architecture = "starcoder",
     .models = "StarCoder, SantaCoder",
     .read = read_starcoder,
     .types = kStarcoder,
     .fused = {.qkv = true},
     .folder = {.places = kStarcoderPlaces, .layers = "h."}},
    {.architecture = "starcoder2",
     .models = "StarCoder 2",
     .read = read_starcoder2,
     .types = kStarcoder2,
     .folder = {.places = kStarcoder2Places}},
};

}  // namespace
}  // namespace gpt

std::span<const Family> gpt_families() { return gpt::kFamilies; }

}  // namespace plumb::family
