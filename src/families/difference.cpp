#include "difference.hpp"

#include <concepts>
#include <sstream>
#include <type_traits>

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// Compares field by field and keeps the first that differs; or lists the fields of the first of two.
class FirstDifference {
 public:
  explicit FirstDifference(std::ostream* list = nullptr) : list_(list) {}
  void at(std::string place) { place_ = std::move(place); }

  template <class T>
  void field(std::string_view name, const T& a, const T& b) {
    if (list_) return list(name, a);
    if (!found_.empty() || a == b) return;
    std::ostringstream text;
    text.precision(9);
    text << place_ << name;
    if constexpr (std::is_enum_v<T>)
      text << " is of kind " << static_cast<int>(a) << " and not " << static_cast<int>(b);
    else if constexpr (std::is_arithmetic_v<T>)
      text << " is " << +a << " and not " << +b;
    else
      text << " differs";
    found_ = text.str();
  }
  void norm(const std::string& name, const NormSpec& a, const NormSpec& b) {
    field(name + ".kind", a.kind, b.kind);
    field(name + ".weight", a.weight, b.weight);
    field(name + ".bias", a.bias, b.bias);
    field(name + ".eps", a.eps, b.eps);
  }
  void norm(const std::string& name, const std::optional<NormSpec>& a, const std::optional<NormSpec>& b) {
    field(name, a.has_value(), b.has_value());
    if (a && b) norm(name, *a, *b);
  }
  void dense(const std::string& name, const DenseSpec& a, const DenseSpec& b) {
    field(name + ".inner", a.inner, b.inner);
    field(name + ".gated", a.gated, b.gated);
    field(name + ".activation", a.activation, b.activation);
    field(name + ".bias", a.bias, b.bias);
    field(name + ".sparsity", a.sparsity, b.sparsity);
    field(name + ".limit", a.limit, b.limit);
    field(name + ".xielu.alpha_p", a.xielu.alpha_p, b.xielu.alpha_p);
    field(name + ".xielu.alpha_n", a.xielu.alpha_n, b.xielu.alpha_n);
    field(name + ".xielu.beta", a.xielu.beta, b.xielu.beta);
    field(name + ".xielu.eps", a.xielu.eps, b.xielu.eps);
    norm(name + ".down_norm", a.down_norm, b.down_norm);
    field(name + ".shift", a.shift, b.shift);
  }
  const std::string& found() const { return found_; }

 private:
  template <class T>
  void list(std::string_view name, const T& value) {
    *list_ << place_ << name << '=';
    if constexpr (std::is_enum_v<T>)
      *list_ << static_cast<int>(value) << '\n';
    else if constexpr (std::is_arithmetic_v<T>)
      *list_ << +value << '\n';
    else
      *list_ << value << '\n';
  }

  std::ostream* list_;
  std::string place_, found_;
};

void compare(FirstDifference& f, const RopeSpec& a, const RopeSpec& b) {
  f.field("pairs", a.pairs, b.pairs);
  f.field("dims", a.dims, b.dims);
  f.field("base", a.base, b.base);
  f.field("scaling", a.scaling, b.scaling);
  f.field("factor", a.factor, b.factor);
  f.field("original_context", a.original_context, b.original_context);
  f.field("attn_factor", a.attn_factor, b.attn_factor);
  f.field("yarn_ext_factor", a.yarn_ext_factor, b.yarn_ext_factor);
  f.field("yarn_beta_fast", a.yarn_beta_fast, b.yarn_beta_fast);
  f.field("yarn_beta_slow", a.yarn_beta_slow, b.yarn_beta_slow);
  f.field("factors", a.factors, b.factors);
}

void compare(FirstDifference& f, const AttentionSpec& a, const AttentionSpec& b) {
  f.field("attention.n_heads", a.n_heads, b.n_heads);
  f.field("attention.n_kv_heads", a.n_kv_heads, b.n_kv_heads);
  f.field("attention.head_dim", a.head_dim, b.head_dim);
  f.field("attention.value_dim", a.value_dim, b.value_dim);
  f.field("attention.qkv_bias", a.qkv_bias, b.qkv_bias);
  f.field("attention.out_bias", a.out_bias, b.out_bias);
  f.field("attention.qk_norm_over", a.qk_norm_over, b.qk_norm_over);
  f.norm("attention.qk_norm", a.qk_norm, b.qk_norm);
  f.field("attention.qk_norm_after_rope", a.qk_norm_after_rope, b.qk_norm_after_rope);
  f.field("attention.value_norm", a.value_norm, b.value_norm);
  f.field("attention.value_norm_eps", a.value_norm_eps, b.value_norm_eps);
  f.field("attention.values_are_keys", a.values_are_keys, b.values_are_keys);
  f.field("attention.kv_from", a.kv_from, b.kv_from);
  f.field("attention.output_gate", a.output_gate, b.output_gate);
  f.norm("attention.out_norm", a.out_norm, b.out_norm);
  f.field("attention.rope", a.rope, b.rope);
  f.field("attention.alibi_max_bias", a.alibi_max_bias, b.alibi_max_bias);
  f.field("attention.window", a.window, b.window);
  f.field("attention.chunk", a.chunk, b.chunk);
  f.field("attention.causal", a.causal, b.causal);
  f.field("attention.sinks", a.sinks, b.sinks);
  f.field("attention.clip", a.clip, b.clip);
  f.field("attention.softcap", a.softcap, b.softcap);
  f.field("attention.scale", a.scale, b.scale);
  f.field("attention.temperature.scale", a.temperature.scale, b.temperature.scale);
  f.field("attention.temperature.floor", a.temperature.floor, b.temperature.floor);
  f.field("attention.temperature.offset", a.temperature.offset, b.temperature.offset);
  f.field("attention.value_scale", a.value_scale, b.value_scale);
}

void compare(FirstDifference& f, const LatentAttentionSpec& a, const LatentAttentionSpec& b) {
  f.field("latent.n_heads", a.n_heads, b.n_heads);
  f.field("latent.q_rank", a.q_rank, b.q_rank);
  f.field("latent.kv_rank", a.kv_rank, b.kv_rank);
  f.field("latent.rope_dims", a.rope_dims, b.rope_dims);
  f.field("latent.nope_dims", a.nope_dims, b.nope_dims);
  f.field("latent.v_dims", a.v_dims, b.v_dims);
  f.field("latent.out_bias", a.out_bias, b.out_bias);
  f.norm("latent.norm", a.norm, b.norm);
  f.field("latent.rope", a.rope, b.rope);
  f.field("latent.scale", a.scale, b.scale);
  f.field("latent.down_bias", a.down_bias, b.down_bias);
  f.field("indexer.heads", a.indexer.heads, b.indexer.heads);
  f.field("indexer.dims", a.indexer.dims, b.indexer.dims);
  f.field("indexer.top", a.indexer.top, b.indexer.top);
  f.field("indexer.rope", a.indexer.rope, b.indexer.rope);
  f.norm("indexer.norm", a.indexer.norm, b.indexer.norm);
}

void compare(FirstDifference& f, const DeltaNetSpec& a, const DeltaNetSpec& b) {
  f.field("delta.k_heads", a.k_heads, b.k_heads);
  f.field("delta.v_heads", a.v_heads, b.v_heads);
  f.field("delta.k_dim", a.k_dim, b.k_dim);
  f.field("delta.v_dim", a.v_dim, b.v_dim);
  f.field("delta.kernel", a.kernel, b.kernel);
  f.field("delta.fused", a.fused, b.fused);
  f.field("delta.steps_by_group", a.steps_by_group, b.steps_by_group);
  f.field("delta.tiled", a.tiled, b.tiled);
  f.field("delta.decay_rank", a.decay_rank, b.decay_rank);
  f.field("delta.gate_rank", a.gate_rank, b.gate_rank);
  f.field("delta.sigmoid_gate", a.sigmoid_gate, b.sigmoid_gate);
  f.norm("delta.norm", a.norm, b.norm);
}

void compare(FirstDifference& f, const ShortConvSpec& a, const ShortConvSpec& b) {
  f.field("shortconv.channels", a.channels, b.channels);
  f.field("shortconv.kernel", a.kernel, b.kernel);
}

void compare(FirstDifference& f, const RwkvSpec& a, const RwkvSpec& b) {
  f.field("rwkv.heads", a.heads, b.heads);
  f.field("rwkv.head_dim", a.head_dim, b.head_dim);
  f.field("rwkv.decay_rank", a.decay_rank, b.decay_rank);
  f.field("rwkv.rate_rank", a.rate_rank, b.rate_rank);
  f.field("rwkv.first_rank", a.first_rank, b.first_rank);
  f.field("rwkv.gate_rank", a.gate_rank, b.gate_rank);
  f.norm("rwkv.norm", a.norm, b.norm);
}

void compare(FirstDifference& f, const StateSpaceSpec& a, const StateSpaceSpec& b) {
  f.field("ssm.inner", a.inner, b.inner);
  f.field("ssm.size", a.size, b.size);
  f.field("ssm.heads", a.heads, b.heads);
  f.field("ssm.groups", a.groups, b.groups);
  f.field("ssm.rank", a.rank, b.rank);
  f.field("ssm.kernel", a.kernel, b.kernel);
  f.field("ssm.conv_bias", a.conv_bias, b.conv_bias);
  f.norm("ssm.norm", a.norm, b.norm);
  f.norm("ssm.step_norm", a.step_norm, b.step_norm);
}

void compare(FirstDifference& f, const DenseSpec& a, const DenseSpec& b) { f.dense("ffn", a, b); }

void compare(FirstDifference& f, const ExpertsSpec& a, const ExpertsSpec& b) {
  f.field("experts.count", a.count, b.count);
  f.field("experts.used", a.used, b.used);
  f.dense("experts.expert", a.expert, b.expert);
  f.dense("experts.shared", a.shared, b.shared);
  f.field("experts.shared_gate", a.shared_gate, b.shared_gate);
  f.field("experts.router_bias", a.router_bias, b.router_bias);
  f.field("experts.choice_bias", a.choice_bias, b.choice_bias);
  f.field("experts.expert_scale", a.expert_scale, b.expert_scale);
  f.norm("experts.apart", a.apart, b.apart);
  f.field("experts.weigh_input", a.weigh_input, b.weigh_input);
  f.field("experts.route_early", a.route_early, b.route_early);
  f.field("experts.by_score", a.routing.by_score, b.routing.by_score);
  f.field("experts.sigmoid", a.routing.sigmoid, b.routing.sigmoid);
  f.field("experts.renormalise", a.routing.renormalise, b.routing.renormalise);
  f.field("experts.weight_scale", a.routing.weight_scale, b.routing.weight_scale);
  f.field("experts.groups", a.routing.groups, b.routing.groups);
  f.field("experts.groups_used", a.routing.groups_used, b.routing.groups_used);
  f.field("experts.best_two", a.routing.best_two, b.routing.best_two);
}

void compare(FirstDifference& f, const PerLayerEmbeddingSpec& a, const PerLayerEmbeddingSpec& b) {
  f.field("per_layer.width", a.width, b.width);
  f.field("per_layer.vocab", a.vocab, b.vocab);
  f.field("per_layer.activation", a.activation, b.activation);
  f.norm("per_layer.norm", a.norm, b.norm);
}
void compare(FirstDifference& f, const AltupSpec& a, const AltupSpec& b) {
  f.field("altup.streams", a.streams, b.streams);
  f.field("altup.active", a.active, b.active);
  f.norm("altup.norm", a.norm, b.norm);
}
void compare(FirstDifference& f, const LaurelSpec& a, const LaurelSpec& b) {
  f.field("laurel.rank", a.rank, b.rank);
  f.norm("laurel.norm", a.norm, b.norm);
}

void compare(FirstDifference&, const Nothing&, const Nothing&) {}

/// Both hold a value, or neither.
template <class T>
void compare_optional(FirstDifference& f, std::string_view name, const std::optional<T>& a, const std::optional<T>& b) {
  f.field(name, a.has_value(), b.has_value());
  if (a && b) compare(f, *a, *b);
}

/// Both hold a value of the same kind, or the kinds differ.
template <class Variant>
void compare_kinds(FirstDifference& f, std::string_view name, const Variant& a, const Variant& b) {
  f.field(name, a.index(), b.index());
  if (a.index() != b.index()) return;
  std::visit([&](const auto& own) { compare(f, own, std::get<std::decay_t<decltype(own)>>(b)); }, a);
}

void compare(FirstDifference& f, const ModelSpec& a, const ModelSpec& b) {
  f.field("family", a.family, b.family);
  f.field("vocab_size", a.vocab_size, b.vocab_size);
  f.field("width", a.width, b.width);
  f.field("context", a.context, b.context);
  f.field("n_layers", a.n_layers(), b.n_layers());
  f.field("embedding.scale", a.embedding.scale, b.embedding.scale);
  f.field("embedding.positions", a.embedding.positions, b.embedding.positions);
  f.field("embedding.token_types", a.embedding.token_types, b.embedding.token_types);
  f.norm("embedding.norm", a.embedding.norm, b.embedding.norm);
  compare_optional(f, "per-layer embedding", a.embedding.per_layer, b.embedding.per_layer);
  compare_optional(f, "several streams", a.altup, b.altup);
  f.field("number of rope tables", a.ropes.size(), b.ropes.size());
  for (std::size_t t = 0; t < a.ropes.size() && f.found().empty(); ++t) {
    f.at("rope table " + std::to_string(t) + ": ");
    compare(f, a.ropes[t], b.ropes[t]);
  }
  for (std::size_t l = 0; l < a.layers.size() && f.found().empty(); ++l) {
    const LayerSpec &own = a.layers[l], &other = b.layers[l];
    f.at("layer " + std::to_string(l) + ": ");
    compare_kinds(f, "kind of mixer", own.mixer, other.mixer);
    compare_kinds(f, "kind of second mixer", own.beside, other.beside);
    compare_kinds(f, "kind of feed-forward block", own.ffn, other.ffn);
    f.norm("mixer.norm", own.mixer_branch.norm, other.mixer_branch.norm);
    f.norm("mixer.post_norm", own.mixer_branch.post_norm, other.mixer_branch.post_norm);
    f.norm("mixer.stream_norm", own.mixer_branch.stream_norm, other.mixer_branch.stream_norm);
    f.norm("ffn.norm", own.ffn_branch.norm, other.ffn_branch.norm);
    f.norm("ffn.post_norm", own.ffn_branch.post_norm, other.ffn_branch.post_norm);
    f.norm("ffn.stream_norm", own.ffn_branch.stream_norm, other.ffn_branch.stream_norm);
    f.field("parallel", own.parallel, other.parallel);
    f.field("shared_norm", own.shared_norm, other.shared_norm);
    f.field("residual_scale", own.residual_scale, other.residual_scale);
    compare_optional(f, "branch beside the mixer", own.laurel, other.laurel);
    f.field("layer_scale", own.layer_scale, other.layer_scale);
  }
  f.at("");
  f.norm("output.norm", a.output.norm, b.output.norm);
  f.field("output.head", a.output.head, b.output.head);
  f.field("output.tied", a.output.tied, b.output.tied);
  f.field("output.bias", a.output.bias, b.output.bias);
  f.field("output.scale", a.output.scale, b.output.scale);
  f.field("output.softcap", a.output.softcap, b.output.softcap);
  f.field("output.pooling", a.output.pooling, b.output.pooling);
  f.field("output.dense_2", a.output.dense_2, b.output.dense_2);
  f.field("output.dense_3", a.output.dense_3, b.output.dense_3);
}

}  // namespace

std::string difference(const ModelSpec& a, const ModelSpec& b) {
  FirstDifference f;
  compare(f, a, b);
  return f.found();
}

std::string description(const ModelSpec& spec) {
  std::ostringstream text;
  text.precision(9);
  FirstDifference f(&text);
  compare(f, spec, spec);
  return text.str();
}

}  // namespace plumb::family
