#include "decoder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "plumb/core/printable.hpp"
#include "plumb/model/llama_spec.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

using Limits = SpecLimits;

const Field kHeads{"attention.head_count", "num_attention_heads"};
const Field kKvHeads{"attention.head_count_kv", "num_key_value_heads"};

/// The embedding's rows are the vocabulary; a key or a token list that says otherwise is an error.
int read_vocab(const Keys& keys) {
  const Field field{"vocab_size", "vocab_size"};
  if (!keys.is_gguf()) return keys.count(field, Limits::kVocab);
  const TensorId embedding{TensorRole::token_embedding, -1, false};
  const auto rows = keys.rows_of(embedding);
  if (!rows) keys.fail_tensor(ErrorCode::missing_key, embedding, "is missing");
  const std::int64_t tokens = std::min<std::int64_t>(keys.strings_in("tokenizer.ggml.tokens").value_or(*rows), 1 << 30);
  const int vocab = keys.count_or(field, static_cast<int>(tokens), std::numeric_limits<int>::max());
  if (vocab != *rows)
    keys.fail_tensor(ErrorCode::bad_shape, embedding,
                     std::to_string(*rows) + " rows for a vocabulary of " + std::to_string(vocab));
  return vocab;
}

Activation read_activation(const Keys& keys, const Style& style) {
  const Field field{"hidden_activation", "hidden_act"};
  if (!keys.has(field)) return style.activation;
  const std::string name = keys.text_or(field, "");
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "gelu") return style.gelu_is_tanh ? Activation::gelu_tanh : Activation::gelu;
  if (name == "relu") return Activation::relu;
  if (name == "relu2") return Activation::relu2;
  if (name == "xielu") return Activation::xielu;
  keys.fail(ErrorCode::bad_value, field,
            "is " + quote(name) + ", expected silu, gelu, gelu_new, gelu_pytorch_tanh, relu, relu2 or xielu");
}

/// Whether a product of the layer has a bias. `fused`: what the files may call a tensor that holds it and others.
bool has_bias(const Keys& keys, TensorRole role, int layer, std::string_view fused = {}) {
  return keys.tensor_exists({role, layer, true}) || (!fused.empty() && keys.fused_exists(fused, layer, true));
}

/// Biases stand where their tensors are; config.json has a word for all of a kind.
void read_biases(const Keys& keys, const Style& style, int layer, AttentionSpec& attention, DenseSpec& dense) {
  if (!keys.is_gguf()) {
    attention.qkv_bias = attention.out_bias = keys.flag_or({"", "attention_bias"}, style.biases);
    dense.bias = keys.flag_or({"", "mlp_bias"}, style.biases);
    return;
  }
  attention.qkv_bias = has_bias(keys, TensorRole::attn_q, layer, "attn_qkv") ||
                       has_bias(keys, TensorRole::attn_k, layer) || has_bias(keys, TensorRole::attn_v, layer);
  attention.out_bias = has_bias(keys, TensorRole::attn_out, layer);
  dense.bias = has_bias(keys, TensorRole::ffn_up, layer) || has_bias(keys, TensorRole::ffn_down, layer);
}

void read_attention(const Keys& keys, const Style& style, ModelSpec& spec) {
  const int n = spec.n_layers();
  const std::vector<int> heads = keys.per_layer(kHeads, n, Limits::kHeads);
  const int least = style.other_mixers ? 0 : 1;
  const std::vector<int> kv = keys.has(kKvHeads) ? keys.per_layer(kKvHeads, n, Limits::kHeads, least) : heads;
  const Field key_length{"attention.key_length", "head_dim"}, value_length{"attention.value_length", ""};
  const float scale = keys.real_or({"attention.scale", ""}, 0.0f);
  const float softcap = keys.real_or({"attn_logit_softcapping", "attn_logit_softcapping"}, 0.0f);
  const bool causal = keys.flag_or({"attention.causal", ""}, !style.encoder);
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    if (kv[l] == 0) {
      spec.layers[l].mixer = Nothing{};
      continue;
    }
    auto& attention = std::get<AttentionSpec>(spec.layers[l].mixer);
    if (heads[l] % kv[l] != 0)
      keys.fail(ErrorCode::bad_value, kKvHeads,
                "is " + std::to_string(kv[l]) + ", expected a divisor of the " + std::to_string(heads[l]) + " heads");
    attention.n_heads = heads[l];
    attention.n_kv_heads = kv[l];
    attention.head_dim =
        keys.has(key_length) ? keys.count(key_length, Limits::kHeadDim) : head_dim_of(keys, spec.width, heads[l]);
    const int values = keys.count_or(value_length, attention.head_dim, Limits::kHeadDim);
    attention.value_dim = values == attention.head_dim ? 0 : values;
    attention.scale = scale;
    attention.softcap = softcap;
    attention.causal = causal;
  }
}

/// Inner widths of the dense blocks. Files whose layers all have experts may leave them out.
std::vector<int> read_inner(const Keys& keys, const Style& style, int width, int layers) {
  const Field dense{"feed_forward_length", "intermediate_size"}, expert{"expert_feed_forward_length", ""};
  if (style.feed_forwards == FeedForwards::none) return std::vector<int>(static_cast<std::size_t>(layers), 0);
  if (!keys.is_gguf() && !keys.has(dense) && style.inner_multiple > 0)
    return std::vector<int>(static_cast<std::size_t>(layers), style.inner_multiple * width);
  return keys.per_layer(!keys.has(dense) && keys.has(expert) ? expert : dense, layers, Limits::kFfn,
                        style.feed_forwards == FeedForwards::some ? 0 : 1);
}

NormSpec read_norm(const Keys& keys, const Style& style) {
  NormSpec norm;
  norm.kind = style.norm;
  norm.weight = style.norm_weight;
  norm.bias = style.norm == NormKind::layer && style.norm_bias;
  norm.eps = style.norm == NormKind::rms ? keys.real({"attention.layer_norm_rms_epsilon", "rms_norm_eps"})
                                         : keys.real({"attention.layer_norm_epsilon", "layer_norm_eps"});
  return norm;
}

Pooling read_pooling(const Keys& keys, const Style& style) {
  const Field field{"pooling_type", ""};
  constexpr Pooling kKinds[] = {Pooling::none, Pooling::mean, Pooling::cls, Pooling::last};
  if (!keys.has(field)) return style.encoder && !keys.is_gguf() ? Pooling::mean : Pooling::none;
  const int kind = keys.natural_or(field, 0, std::numeric_limits<int>::max());
  if (kind >= 4)
    keys.fail(kind == 4 ? ErrorCode::unsupported_type : ErrorCode::bad_value, field,
              std::to_string(kind) + (kind == 4 ? " (scores of a ranker)" : "") +
                  ", expected 0 (none), 1 (mean), 2 (first token) or 3 (last token)");
  return kKinds[kind];
}

}  // namespace

void drop_guessing_layers(const Keys& keys, ModelSpec& spec) {
  const Field guessing{"nextn_predict_layers", ""};
  const int guesses = keys.natural_or(guessing, 0, Limits::kLayers);
  if (guesses >= spec.n_layers())
    keys.fail(ErrorCode::bad_value, guessing,
              std::to_string(guesses) + ", expected fewer than the " + std::to_string(spec.n_layers()) + " layers");
  spec.layers.resize(static_cast<std::size_t>(spec.n_layers() - guesses));
}

int head_dim_of(const Keys& keys, int width, int heads) {
  if (width % heads != 0)
    keys.fail(ErrorCode::bad_value, kHeads,
              "is " + std::to_string(heads) + ", expected a divisor of the width, " + std::to_string(width) +
                  ", or another key with the length of a head");
  return width / heads;
}

ModelSpec read_decoder(const Keys& keys, const Style& style) {
  LlamaShape shape;
  shape.context = keys.count({"context_length", "max_position_embeddings"}, Limits::kContext);
  shape.width = keys.count({"embedding_length", "hidden_size"}, Limits::kWidth);
  shape.layers = keys.count({"block_count", "num_hidden_layers"}, Limits::kLayers);
  const std::vector<int> inner = read_inner(keys, style, shape.width, shape.layers);
  ModelSpec spec = llama_spec(shape);
  spec.ropes.clear();
  if (style.attention) read_attention(keys, style, spec);
  const NormSpec norm = read_norm(keys, style);
  const Activation activation = read_activation(keys, style);
  const float residual_scale = keys.real_or({"residual_scale", ""}, 1.0f);
  for (int l = 0; l < shape.layers; ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    DenseSpec dense;
    dense.inner = inner[static_cast<std::size_t>(l)];
    dense.gated = style.gated;
    dense.activation = activation;
    AttentionSpec none;
    auto* const attention = std::get_if<AttentionSpec>(&layer.mixer);
    read_biases(keys, style, l, attention ? *attention : none, dense);
    layer.mixer_branch.norm = norm;
    if (dense.inner > 0) {
      layer.ffn = dense;
      layer.ffn_branch.norm = norm;
    } else {
      layer.ffn = Nothing{};
      layer.ffn_branch.norm.reset();
    }
    layer.residual_scale = residual_scale;
  }
  if (style.attention && style.pairs != RopePairs::none && first_attention(spec))
    spec.ropes.push_back(read_rope(keys, style.pairs, first_attention(spec)->head_dim, spec.context));
  else
    for_each_attention(spec, [](AttentionSpec& attention) { attention.rope = -1; });
  const float usual = style.scaled_embedding ? std::sqrt(static_cast<float>(spec.width)) : 1.0f;
  spec.embedding.scale = keys.real_or({"embedding_scale", ""}, usual);
  spec.output.norm = norm;
  spec.output.head = !style.encoder;
  if (spec.output.head)
    spec.output.tied = keys.is_gguf() ? !keys.tensor_exists({TensorRole::head, -1, false})
                                      : keys.flag_or({"", "tie_word_embeddings"}, false);
  spec.output.bias = spec.output.head && keys.tensor_exists({TensorRole::head, -1, true});
  spec.output.pooling = read_pooling(keys, style);
  spec.output.scale = keys.real_or({"logit_scale", ""}, 1.0f);
  spec.output.softcap = keys.real_or({"final_logit_softcapping", "final_logit_softcapping"}, 0.0f);
  spec.vocab_size = read_vocab(keys);
  return spec;
}

void norm_queries_and_keys(ModelSpec& spec, QkNormOver over, bool after_rope) {
  for_each_attention(spec, [&](AttentionSpec& attention) {
    attention.qk_norm_over = over;
    attention.qk_norm = *spec.output.norm;
    attention.qk_norm_after_rope = after_rope;
  });
}

void rotate_windowed_layers_alone(ModelSpec& spec) {
  bool windows = false;
  for_each_attention(spec, [&](AttentionSpec& attention) { windows |= attention.window > 0; });
  for_each_attention(spec, [&](AttentionSpec& attention) {
    if (windows && attention.window == 0) attention.rope = -1;
  });
}

void plain_expert_weights(ModelSpec& spec, bool sigmoid) {
  for_each_experts(spec, [&](ExpertsSpec& experts) {
    experts.routing.sigmoid = sigmoid;
    experts.routing.renormalise = true;
    experts.routing.weight_scale = 1.0f;
  });
}

void read_windows(const Keys& keys, ModelSpec& spec, const WindowStyle& style) {
  const int n = spec.n_layers();
  const int absent = keys.is_gguf() ? style.absent : 0;
  const int window = keys.natural_or({"attention.sliding_window", "sliding_window"}, absent, Limits::kContext);
  if (window == 0) return;
  const Field field{"attention.sliding_window_pattern",
                    keys.has({"", "_sliding_window_pattern"}) ? "_sliding_window_pattern" : "sliding_window_pattern"};
  const Field types{"", "layer_types"};
  const auto flags = style.flags ? keys.flags(field, n) : std::nullopt;
  const std::vector<std::string> kinds = keys.texts(types);
  if (!kinds.empty() && kinds.size() != static_cast<std::size_t>(n))
    keys.fail(ErrorCode::bad_value, types,
              "has " + std::to_string(kinds.size()) + " entries, expected one for each of the " + std::to_string(n) +
                  " layers");
  for (const std::string& kind : kinds)
    if (kind != "sliding_attention" && kind != "full_attention")
      keys.fail(ErrorCode::bad_value, types, "holds " + quote(kind) + ", expected sliding_attention or full_attention");
  const bool array = keys.is_gguf() && !style.flags && keys.flags(field, n);
  // Where layers are listed by name, a pattern beside them may be anything: EXAONE 4 writes letters there.
  const bool listed = flags || !kinds.empty();
  const int period = listed ? 0 : array ? style.period : keys.natural_or(field, style.period, Limits::kLayers);
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const bool windowed = flags ? (*flags)[l]
                          : !kinds.empty()
                              ? kinds[l] == "sliding_attention"
                              : period == 0 || (static_cast<int>(l) + (style.global_first ? 0 : 1)) % period != 0;
    auto* attention = std::get_if<AttentionSpec>(&spec.layers[l].mixer);
    if (windowed && attention) attention->window = window;
  }
}

void read_experts(const Keys& keys, ModelSpec& spec, const ExpertStyle& style) {
  const Field used{"expert_used_count", "num_experts_per_tok"};
  const Field inner{"expert_feed_forward_length", "moe_intermediate_size"};
  ExpertsSpec experts;
  experts.count = keys.count({"expert_count", "num_experts"}, Limits::kExperts);
  experts.used = keys.count(used, Limits::kExperts);
  if (experts.used > experts.count)
    keys.fail(
        ErrorCode::bad_value, used,
        "is " + std::to_string(experts.used) + ", expected at most the " + std::to_string(experts.count) + " experts");
  experts.expert.inner = style.fallback_inner > 0 ? keys.count_or(inner, style.fallback_inner, Limits::kFfn)
                                                  : keys.count(inner, Limits::kFfn);
  const Field shared{"expert_shared_count", "n_shared_experts"};
  const int together = keys.natural_or(shared, 0, Limits::kFfn / experts.expert.inner) * experts.expert.inner;
  experts.shared.inner = keys.natural_or({"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
                                         keys.has(shared) ? together : style.shared_inner, Limits::kFfn);
  experts.shared_gate = style.shared_gate && experts.has_shared();

  ops::RoutingRule& rule = experts.routing;
  rule.renormalise =
      keys.flag_or({"expert_weights_norm", "norm_topk_prob"}, keys.is_gguf() ? style.renormalise : false);
  rule.weight_scale = keys.real_or({"expert_weights_scale", "routed_scaling_factor"}, 1.0f);
  if (keys.is_gguf() && rule.weight_scale == 0) rule.weight_scale = 1.0f;  // files may write 0 for none
  const Field gating{"expert_gating_func", "scoring_func"};
  if (keys.is_gguf()) {
    const int function = keys.natural_or(gating, 0, std::numeric_limits<int>::max());
    if (function > 2)
      keys.fail(ErrorCode::unsupported_type, gating,
                std::to_string(function) + ", expected 1 (softmax) or 2 (sigmoid)");
    rule.sigmoid = function == 2 || (function == 0 && style.sigmoid);
  } else {
    const std::string function = keys.text_or(gating, style.sigmoid ? "sigmoid" : "softmax");
    // dots.llm1 names the way of choosing instead, which goes with sigmoids.
    if (function != "softmax" && function != "sigmoid" && function != "noaux_tc")
      keys.fail(ErrorCode::bad_value, gating, "is " + quote(function) + ", expected softmax or sigmoid");
    rule.sigmoid = function != "softmax";
  }
  const int groups = keys.natural_or({"expert_group_count", "n_group"}, 0, experts.count);
  if (groups > 1) {
    rule.groups = groups;
    rule.groups_used = keys.count({"expert_group_used_count", "topk_group"}, groups);
  }

  const int leading = keys.natural_or({"leading_dense_block_count", "first_k_dense_replace"}, 0, spec.n_layers());
  for (int l = leading; l < spec.n_layers(); ++l) {
    const auto exists = [&](TensorRole role, bool bias) { return keys.tensor_exists({role, l, bias}); };
    // A layer that has what a dense block has, and no router, is dense.
    if (keys.is_gguf() ? !exists(TensorRole::router, false) && exists(TensorRole::ffn_down, false)
                       : style.sparse && !style.sparse(l))
      continue;
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    if (!dense) continue;
    ExpertsSpec own = experts;
    own.expert.gated = own.shared.gated = dense->gated;
    own.expert.activation = own.shared.activation = dense->activation;
    own.expert.bias = keys.is_gguf() ? has_bias(keys, TensorRole::expert_up, l, "ffn_gate_up_exps") : style.biases;
    own.router_bias = keys.is_gguf() ? exists(TensorRole::router, true) : style.biases;
    own.choice_bias = keys.is_gguf() ? exists(TensorRole::router_choice_bias, false) : style.choice_bias;
    layer.ffn = own;
  }
}

}  // namespace plumb::family
