// Encoders: BERT and its kin. Attention sees the whole text, there is no head, and a text becomes one embedding.
//
// The engine that GGUF files are made for computes the tanh form for every GELU, and the recorded embeddings are of
// that form, where the models' own code has erf; see gpt.cpp.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "decoder.hpp"
#include "plumb/core/printable.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace bert {
namespace {

Style encoder_style(RopePairs pairs) {
  Style style;
  style.pairs = pairs;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.encoder = true;
  return style;
}

/// The shape of BERT: the stream is normed after each part, the last of these norms is the model's last.
ModelSpec read_post_normed(const Keys& keys, const Style& style) {
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch})
      branch->stream_norm = std::exchange(branch->norm, std::nullopt);
  spec.embedding.norm = std::exchange(spec.output.norm, std::nullopt);
  const TensorId types{TensorRole::token_types, -1, false};
  const std::int64_t rows = keys.is_gguf() ? keys.rows_of(types).value_or(0)
                                           : keys.natural_or({"", "type_vocab_size"}, 0, SpecLimits::kVocab);
  spec.embedding.token_types = static_cast<int>(std::min<std::int64_t>(rows, std::numeric_limits<int>::max()));
  return spec;
}

ModelSpec read_bert(const Keys& keys) {
  Style style = encoder_style(RopePairs::none);
  style.gated = false;
  style.biases = true;
  const Field kind{"", "position_embedding_type"};
  if (const std::string name = keys.text_or(kind, "absolute"); name != "absolute")
    keys.fail(ErrorCode::unsupported_architecture, kind, "is " + quote(name) + ", supported: absolute");
  ModelSpec spec = read_post_normed(keys, style);
  spec.embedding.positions = true;
  // RoBERTa's positions begin after the padding's id, and tables in GGUF files begin there.
  const Field padding{"", "padding_before_positions"};
  if (keys.has(padding)) spec.context -= 1 + keys.natural_or(padding, 0, std::max(0, spec.context - 2));
  return spec;
}

ModelSpec read_nomic_bert(const Keys& keys) {
  Style style = encoder_style(RopePairs::halves);
  style.activation = Activation::silu;
  return read_post_normed(keys, style);
}

/// Nomic's later model: biases, no gates, and experts in every second layer.
ModelSpec read_nomic_bert_moe(const Keys& keys) {
  Style style = encoder_style(RopePairs::halves);
  style.gated = false;
  style.biases = true;
  ModelSpec spec = read_post_normed(keys, style);
  // Trained for 512 positions: its config.json has the 2048 of the earlier ones.
  if (!keys.is_gguf()) spec.context = std::min(spec.context, 512);
  ExpertsSpec experts;
  experts.count = keys.count({"expert_count", "num_experts"}, SpecLimits::kExperts);
  experts.used = keys.count({"expert_used_count", "moe_top_k"}, experts.count);
  experts.routing.renormalise = false;
  experts.routing.weight_scale = keys.real_or({"expert_weights_scale", ""}, 1.0f);
  const int every = keys.natural_or({"moe_every_n_layers", "moe_every_n_layers"}, 0, SpecLimits::kLayers);
  for (int l = 0; l < spec.n_layers() && every > 0; ++l) {
    if (l % every != 1) continue;
    FeedForward& ffn = spec.layers[static_cast<std::size_t>(l)].ffn;
    experts.expert = std::get<DenseSpec>(ffn);
    experts.expert.bias = false;
    ffn = experts;
  }
  return spec;
}

ModelSpec read_jina_v3(const Keys& keys) {
  Style style = encoder_style(RopePairs::halves);
  style.gated = false;
  style.biases = true;
  return read_post_normed(keys, style);
}

/// ModernBERT: norms before the parts, of which the first layer's attention has none; the first of each three layers
/// sees all positions and the others a window, with a rotation of its own base, which nothing stretches.
ModelSpec read_modern_bert(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, encoder_style(RopePairs::halves));
  NormSpec norm = *spec.output.norm;
  norm.bias =
      keys.is_gguf() ? keys.tensor_exists({TensorRole::output_norm, -1, true}) : keys.flag_or({"", "norm_bias"}, false);
  spec.embedding.norm = spec.output.norm = norm;
  for (LayerSpec& layer : spec.layers) layer.mixer_branch.norm = layer.ffn_branch.norm = norm;
  if (!keys.tensor_exists({TensorRole::attn_norm, 0, false})) spec.layers[0].mixer_branch.norm.reset();
  WindowStyle style;
  style.period = 3;
  style.global_first = true;
  read_windows(keys, spec, style);
  rotate_windows_by(spec, read_local_rope(keys, spec.ropes[0], spec.context, "local_rope_theta"));
  return spec;
}

void write_nomic_bert_moe(GgufWriter& writer, const ModelSpec& spec) {
  const auto sparse = [](const LayerSpec& layer) { return std::holds_alternative<ExpertsSpec>(layer.ffn); };
  // Layers 1, 1 + n, ...: with one of them alone n is the number of layers.
  const auto first = std::find_if(spec.layers.begin(), spec.layers.end(), sparse);
  if (first == spec.layers.end()) return;
  const auto second = std::find_if(first + 1, spec.layers.end(), sparse);
  const auto every = second == spec.layers.end() ? spec.n_layers() : static_cast<int>(second - first);
  writer.set(spec.family + ".moe_every_n_layers", static_cast<std::uint32_t>(every));
}

void write_modern_bert(GgufWriter& writer, const ModelSpec& spec) {
  const auto* dense = std::get_if<DenseSpec>(&spec.layers.front().ffn);
  const bool silu = dense && dense->activation == Activation::silu;
  writer.set("modern-bert.hidden_activation", silu ? "silu" : "gelu");
  // A period, where it is one: other readers take no array.
  int period = 0;
  for (int l = 0; l < spec.n_layers() && period == 0; ++l) {
    const auto* attention = std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(l)].mixer);
    if (l > 0 && attention && attention->window == 0) period = l;
  }
  if (period == 0) period = spec.n_layers();
  bool fits = true;
  for (int l = 0; l < spec.n_layers(); ++l) {
    const auto* attention = std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(l)].mixer);
    fits = fits && attention && (attention->window > 0) == (l % period != 0);
  }
  if (fits) writer.set("modern-bert.attention.sliding_window_pattern", static_cast<std::uint32_t>(period));
}

constexpr Alias kRobertaNames[] = {{"padding_before_positions", "pad_token_id"}};
constexpr Alias kDistilNames[] = {
    {"hidden_size", "dim"},
    {"num_hidden_layers", "n_layers"},
    {"num_attention_heads", "n_heads"},
    {"intermediate_size", "hidden_dim"},
    {"hidden_act", "activation"},
};
constexpr Alias kNomicNames[] = {
    {"hidden_size", "n_embd"},
    {"num_hidden_layers", "n_layer"},
    {"num_attention_heads", "n_head"},
    {"intermediate_size", "n_inner"},
    {"max_position_embeddings", "max_trained_positions"},
    {"layer_norm_eps", "layer_norm_epsilon"},
    {"rope_theta", "rotary_emb_base"},
    {"attention_bias", "qkv_proj_bias"},
    {"mlp_bias", "mlp_fc1_bias"},
    {"hidden_act", ""},
};
constexpr Alias kModernNames[] = {
    {"layer_norm_eps", "norm_eps"},
    {"hidden_act", "hidden_activation"},
    {"rope_theta", "global_rope_theta"},
    {"sliding_window", "local_attention"},
    {"sliding_window_pattern", "global_attn_every_n_layers"},
};

constexpr const char* kBertDefaults =
    R"({"vocab_size":30522,"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,"intermediate_size":3072,
        "hidden_act":"gelu","max_position_embeddings":512,"type_vocab_size":2,"layer_norm_eps":1e-12,
        "pad_token_id":1})";
constexpr const char* kNomicDefaults =
    R"({"vocab_size":30528,"n_embd":768,"n_layer":12,"n_head":12,"n_inner":3072,"max_trained_positions":2048,
        "layer_norm_epsilon":1e-12,"rotary_emb_base":1000.0,"type_vocab_size":2})";

constexpr ModelType kBert[] = {
    {"bert", kBertDefaults},
    {"roberta", kBertDefaults, kRobertaNames},
    {"camembert", kBertDefaults, kRobertaNames},
    {"xlm-roberta", kBertDefaults, kRobertaNames},
    {"distilbert",
     R"({"vocab_size":30522,"dim":768,"n_layers":6,"n_heads":12,"hidden_dim":3072,"activation":"gelu",
         "max_position_embeddings":512,"layer_norm_eps":1e-12})",
     kDistilNames},
};
constexpr ModelType kNomic[] = {{"nomic_bert", kNomicDefaults, kNomicNames}};
constexpr ModelType kNomicMoe[] = {{"nomic_bert", kNomicDefaults, kNomicNames, {}, "moe_every_n_layers"}};
constexpr ModelType kModern[] = {
    {"modernbert",
     R"({"vocab_size":50368,"hidden_size":768,"intermediate_size":1152,"num_hidden_layers":22,
         "num_attention_heads":12,"hidden_activation":"gelu","max_position_embeddings":8192,"norm_eps":1e-5,
         "global_rope_theta":160000.0,"global_attn_every_n_layers":3,"local_attention":128,
         "local_rope_theta":10000.0})",
     kModernNames}};

/// RoBERTa's table begins before the first position.
Gather take_positions(const Asked& asked) {
  const Field padding{"", "padding_before_positions"};
  if (!asked.config.has(padding)) return {};
  const int first = 1 + asked.config.natural_or(padding, 0, SpecLimits::kContext);
  return rows_from(first, asked.shape().rows + first);
}

/// Experts one below the other.
Gather take_stacked(const Asked&) { return {.flat = true}; }
Gather take_turned_stack(const Asked&) { return {.turned = true, .flat = true}; }

constexpr Place kBertPlaces[] = {
    {TensorRole::token_embedding, "embeddings.word_embeddings"},
    {TensorRole::position_embedding, "embeddings.position_embeddings", take_positions},
    {TensorRole::token_types, "embeddings.token_type_embeddings"},
    {TensorRole::embedding_norm, "embeddings.LayerNorm"},
    {TensorRole::attn_q, "attention.self.query"},
    {TensorRole::attn_k, "attention.self.key"},
    {TensorRole::attn_v, "attention.self.value"},
    {TensorRole::attn_out, "attention.output.dense"},
    {TensorRole::attn_stream_norm, "attention.output.LayerNorm"},
    {TensorRole::ffn_up, "intermediate.dense"},
    {TensorRole::ffn_down, "output.dense"},
    {TensorRole::ffn_stream_norm, "output.LayerNorm"},
    {TensorRole::attn_q, "attention.q_lin"},
    {TensorRole::attn_k, "attention.k_lin"},
    {TensorRole::attn_v, "attention.v_lin"},
    {TensorRole::attn_out, "attention.out_lin"},
    {TensorRole::attn_stream_norm, "sa_layer_norm"},
    {TensorRole::ffn_up, "ffn.lin1"},
    {TensorRole::ffn_down, "ffn.lin2"},
    {TensorRole::ffn_stream_norm, "output_layer_norm"},
};
constexpr Place kNomicPlaces[] = {
    {TensorRole::token_embedding, "embeddings.word_embeddings"},
    {TensorRole::token_types, "embeddings.token_type_embeddings"},
    {TensorRole::embedding_norm, "emb_ln"},
    {TensorRole::attn_q, "attn.Wqkv", take_qkv},
    {TensorRole::attn_k, "attn.Wqkv", take_qkv},
    {TensorRole::attn_v, "attn.Wqkv", take_qkv},
    {TensorRole::attn_out, "attn.out_proj"},
    {TensorRole::attn_stream_norm, "norm1"},
    {TensorRole::ffn_stream_norm, "norm2"},
    {TensorRole::ffn_up, "mlp.fc11"},
    {TensorRole::ffn_gate, "mlp.fc12"},
    {TensorRole::ffn_down, "mlp.fc2"},
    {TensorRole::ffn_up, "mlp.fc1"},
    {TensorRole::router, "mlp.router.layer"},
    {TensorRole::expert_up, "mlp.experts.mlp.w1", take_stacked, Suffix::none},
    {TensorRole::expert_down, "mlp.experts.mlp.w2", take_turned_stack, Suffix::none},
};
constexpr Place kModernPlaces[] = {
    {TensorRole::token_embedding, "embeddings.tok_embeddings"},
    {TensorRole::embedding_norm, "embeddings.norm"},
    {TensorRole::output_norm, "final_norm"},
    {TensorRole::attn_norm, "attn_norm"},
    {TensorRole::attn_q, "attn.Wqkv", take_qkv},
    {TensorRole::attn_k, "attn.Wqkv", take_qkv},
    {TensorRole::attn_v, "attn.Wqkv", take_qkv},
    {TensorRole::attn_out, "attn.Wo"},
    {TensorRole::ffn_norm, "mlp_norm"},
    {TensorRole::ffn_gate, "mlp.Wi", take_gate_up},
    {TensorRole::ffn_up, "mlp.Wi", take_gate_up},
    {TensorRole::ffn_down, "mlp.Wo"},
};

constexpr Family kFamilies[] = {
    {.architecture = "bert",
     .models = "BERT, RoBERTa, MiniLM, BGE, E5",
     .read = read_bert,
     .types = kBert,
     .folder = {.places = kBertPlaces, .layers = "encoder.layer.", .other_layers = "layer."}},
    {.architecture = "nomic-bert",
     .models = "Nomic Embed 1 and 1.5",
     .read = read_nomic_bert,
     .types = kNomic,
     .fused = {.qkv = true},
     .folder = {.places = kNomicPlaces, .layers = "encoder.layers."}},
    {.architecture = "nomic-bert-moe",
     .models = "Nomic Embed 2",
     .read = read_nomic_bert_moe,
     .types = kNomicMoe,
     .write = write_nomic_bert_moe,
     .fused = {.qkv = true},
     .folder = {.places = kNomicPlaces, .layers = "encoder.layers."}},
    {"jina-bert-v3", "Jina Embeddings 3", read_jina_v3, {}},
    {.architecture = "modern-bert",
     .models = "ModernBERT, Granite Embedding R2",
     .read = read_modern_bert,
     .types = kModern,
     .write = write_modern_bert,
     .fused = {.qkv = true, .gate_up = true},
     .folder = {.places = kModernPlaces}},
};

}  // namespace
}  // namespace bert

std::span<const Family> bert_families() { return bert::kFamilies; }

}  // namespace plumb::family
