#include "plumb/model/features.hpp"

#include <algorithm>
#include <set>

#include "plumb/model/llama_spec.hpp"
#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI {
namespace features {
namespace {

/// A feature of the layers: some layer has it; it is added to all.
Feature of_layer(std::string_view part, std::string_view name, bool (*has)(const LayerSpec&), void (*add)(LayerSpec&)) {
  return {part, name, [has](const ModelSpec& spec) { return std::any_of(spec.layers.begin(), spec.layers.end(), has); },
          [add](ModelSpec& spec) { std::for_each(spec.layers.begin(), spec.layers.end(), add); }};
}

/// Whether a part of some layer is of this kind and has the feature.
template <class Spec, class Part>
bool any_has(const ModelSpec& spec, Part LayerSpec::*part, bool (*has)(const Spec&)) {
  return std::any_of(spec.layers.begin(), spec.layers.end(), [&](const LayerSpec& layer) {
    const auto* own = std::get_if<Spec>(&(layer.*part));
    return own && has(*own);
  });
}

/// A feature of a kind of mixer, wherever it stands in a layer; layers get one of `make` that has it.
template <class Spec>
Feature of_mixer(
    std::string_view part, std::string_view name, Spec (*make)(),
    bool (*has)(const Spec&) = [](const Spec&) { return true; }, void (*add)(Spec&) = [](Spec&) {}) {
  return {part, name,
          [has](const ModelSpec& spec) {
            return any_has<Spec>(spec, &LayerSpec::mixer, has) || any_has<Spec>(spec, &LayerSpec::beside, has);
          },
          [make, add](ModelSpec& spec) {
            Spec own = make();
            add(own);
            for (LayerSpec& layer : spec.layers) layer.mixer = own;
          }};
}

AttentionSpec make_attention() { return std::get<AttentionSpec>(feature_base().layers[0].mixer); }
Feature of_attention(std::string_view name, bool (*has)(const AttentionSpec&), void (*add)(AttentionSpec&)) {
  return of_mixer<AttentionSpec>("attention", name, make_attention, has, add);
}

LatentAttentionSpec make_latent() {
  return {.n_heads = 4, .kv_rank = 16, .rope_dims = 16, .nope_dims = 8, .v_dims = 8};
}
Feature of_latent(std::string_view name, bool (*has)(const LatentAttentionSpec&), void (*add)(LatentAttentionSpec&)) {
  return of_mixer<LatentAttentionSpec>("latent attention", name, make_latent, has, add);
}

DeltaNetSpec make_delta_net() { return {.k_heads = 2, .v_heads = 4, .k_dim = 8, .v_dim = 8, .kernel = 4}; }
StateSpaceSpec make_mamba1() { return {.inner = 64, .size = 8, .rank = 4, .kernel = 4}; }
RwkvSpec make_rwkv() { return {.heads = 4, .head_dim = 16, .decay_rank = 8, .rate_rank = 8, .gate_rank = 8}; }
ShortConvSpec make_short_conv() { return {.channels = 64, .kernel = 3}; }

Feature of_dense(std::string_view name, bool (*has)(const DenseSpec&), void (*add)(DenseSpec&)) {
  return {"feed-forward", name, [has](const ModelSpec& spec) { return any_has<DenseSpec>(spec, &LayerSpec::ffn, has); },
          [add](ModelSpec& spec) {
            for (LayerSpec& layer : spec.layers) add(std::get<DenseSpec>(layer.ffn));
          }};
}
template <Activation kind>
Feature of_activation(std::string_view name) {
  return {"feed-forward", name,
          [](const ModelSpec& spec) {
            return any_has<DenseSpec>(spec, &LayerSpec::ffn, [](const DenseSpec& d) { return d.activation == kind; }) ||
                   any_has<ExpertsSpec>(spec, &LayerSpec::ffn,
                                        [](const ExpertsSpec& e) { return e.expert.activation == kind; });
          },
          [](ModelSpec& spec) {
            for (LayerSpec& layer : spec.layers) {
              auto& dense = std::get<DenseSpec>(layer.ffn);
              dense.activation = kind;
              dense.gated = kind != Activation::xielu;
            }
          }};
}

Feature of_experts(std::string_view name, bool (*has)(const ExpertsSpec&), void (*add)(ExpertsSpec&)) {
  return {"experts", name, [has](const ModelSpec& spec) { return any_has<ExpertsSpec>(spec, &LayerSpec::ffn, has); },
          [add](ModelSpec& spec) {
            ExpertsSpec experts;
            experts.count = 4;
            experts.used = 2;
            experts.expert.inner = 32;
            add(experts);
            for (LayerSpec& layer : spec.layers) {
              layer.ffn = experts;
              if (experts.apart) layer.ffn_branch.post_norm = NormSpec{};
            }
          }};
}

Feature of_rope(std::string_view name, bool (*has)(const ModelSpec&, const RopeSpec&), void (*add)(RopeSpec&)) {
  return {"rotation", name,
          [has](const ModelSpec& spec) {
            return std::any_of(spec.ropes.begin(), spec.ropes.end(),
                               [&](const RopeSpec& rope) { return rope.pairs != RopePairs::none && has(spec, rope); });
          },
          [add](ModelSpec& spec) { add(spec.ropes.at(0)); }};
}

using A = AttentionSpec;
using L = LayerSpec;
using M = ModelSpec;
using D = DenseSpec;
using E = ExpertsSpec;

std::vector<Feature> of_attentions() {
  return {
      of_attention(
          "grouped queries (GQA, MQA)", [](const A& a) { return a.n_kv_heads < a.n_heads; },
          [](A& a) { a.n_kv_heads = 1; }),
      of_attention(
          "values of another length than keys", [](const A& a) { return a.v_dim() != a.head_dim; },
          [](A& a) { a.value_dim = 8; }),
      of_attention(
          "biases", [](const A& a) { return a.qkv_bias || a.out_bias; }, [](A& a) { a.qkv_bias = a.out_bias = true; }),
      of_attention(
          "norms of queries and keys", [](const A& a) { return a.qk_norm_over != QkNormOver::none; },
          [](A& a) { a.qk_norm_over = QkNormOver::head; }),
      of_attention(
          "norms of values", [](const A& a) { return a.value_norm; },
          [](A& a) { a.value_norm = true, a.value_norm_eps = 1e-6f; }),
      of_attention(
          "keys as values", [](const A& a) { return a.values_are_keys; }, [](A& a) { a.values_are_keys = true; }),
      {"attention", "keys and values of an earlier layer",
       [](const M& spec) { return any_has<A>(spec, &L::mixer, [](const A& a) { return !a.own_kv(); }); },
       [](M& spec) { std::get<A>(spec.layers.at(1).mixer).kv_from = 0; }},
      of_attention(
          "gates of the output", [](const A& a) { return a.output_gate != OutputGate::none; },
          [](A& a) { a.output_gate = OutputGate::element; }),
      of_attention(
          "a norm before the output projection", [](const A& a) { return a.out_norm.has_value(); },
          [](A& a) { a.out_norm = NormSpec{}; }),
      of_attention(
          "sliding windows", [](const A& a) { return a.window > 0; }, [](A& a) { a.window = 8; }),
      of_attention(
          "chunks", [](const A& a) { return a.chunk > 0; }, [](A& a) { a.chunk = 8; }),
      of_attention(
          "later positions seen (encoders)", [](const A& a) { return !a.causal; }, [](A& a) { a.causal = false; }),
      of_attention(
          "position biases (ALiBi)", [](const A& a) { return a.alibi_max_bias > 0; },
          [](A& a) { a.alibi_max_bias = 8, a.rope = -1; }),
      of_attention(
          "position biases and later positions seen", [](const A& a) { return a.alibi_max_bias > 0 && !a.causal; },
          [](A& a) { a.alibi_max_bias = 8, a.rope = -1, a.causal = false; }),
      of_attention(
          "sinks", [](const A& a) { return a.sinks; }, [](A& a) { a.sinks = true; }),
      of_attention(
          "clipped queries, keys and values", [](const A& a) { return a.clip > 0; }, [](A& a) { a.clip = 8; }),
      of_attention(
          "soft-capped scores", [](const A& a) { return a.softcap > 0; }, [](A& a) { a.softcap = 30; }),
      of_attention(
          "a scale of its own", [](const A& a) { return a.scale > 0; }, [](A& a) { a.scale = 1; }),
      of_attention(
          "queries that grow with the position", [](const A& a) { return a.temperature.scale > 0; },
          [](A& a) { a.temperature.scale = 0.1f; }),
      of_attention(
          "scaled values", [](const A& a) { return a.value_scale != 1; }, [](A& a) { a.value_scale = 0.5f; }),
      of_mixer<LatentAttentionSpec>("latent attention", "compressed keys and values (MLA)", make_latent),
      of_latent(
          "compressed queries", [](const LatentAttentionSpec& a) { return a.q_rank > 0; },
          [](LatentAttentionSpec& a) { a.q_rank = 16; }),
      of_latent(
          "an indexer that chooses positions", [](const LatentAttentionSpec& a) { return a.indexer.exists(); },
          [](LatentAttentionSpec& a) {
            a.q_rank = 16;
            a.indexer.heads = 2, a.indexer.dims = 16, a.indexer.top = 8;
          }),
  };
}

std::vector<Feature> of_other_mixers() {
  return {
      of_mixer<StateSpaceSpec>("recurrent mixers", "state spaces by channel (Mamba 1)", make_mamba1,
                               [](const StateSpaceSpec& s) { return s.by_channel(); }),
      of_mixer<StateSpaceSpec>(
          "recurrent mixers", "state spaces by head (Mamba 2)", make_mamba1,
          [](const StateSpaceSpec& s) { return !s.by_channel(); }, [](StateSpaceSpec& s) { s.heads = 4, s.rank = 0; }),
      of_mixer<DeltaNetSpec>("recurrent mixers", "gated delta nets", make_delta_net),
      of_mixer<DeltaNetSpec>(
          "recurrent mixers", "delta nets with a decay of every channel", make_delta_net,
          [](const DeltaNetSpec& d) { return d.by_channel(); },
          [](DeltaNetSpec& d) { d.fused = false, d.decay_rank = d.gate_rank = 8; }),
      of_mixer<ShortConvSpec>("recurrent mixers", "gated short convolutions", make_short_conv),
      of_mixer<RwkvSpec>("recurrent mixers", "time mixing (RWKV 7)", make_rwkv),
      of_layer(
          "layers", "two mixers side by side", [](const L& l) { return !std::holds_alternative<Nothing>(l.beside); },
          [](L& l) { l.beside = make_mamba1(); }),
  };
}

std::vector<Feature> of_rotations() {
  return {
      of_rope(
          "of the halves of a head", [](const M&, const RopeSpec& r) { return r.pairs == RopePairs::halves; },
          [](RopeSpec& r) { r.pairs = RopePairs::halves; }),
      of_rope(
          "of a part of a head",
          [](const M& spec, const RopeSpec& r) {
            const AttentionSpec* a = first_attention(spec);
            return a && r.dims < a->head_dim;
          },
          [](RopeSpec& r) { r.dims = 8; }),
      of_rope(
          "stretched evenly", [](const M&, const RopeSpec& r) { return r.scaling == RopeScaling::linear; },
          [](RopeSpec& r) { r.scaling = RopeScaling::linear, r.factor = 2; }),
      of_rope(
          "stretched by YaRN", [](const M&, const RopeSpec& r) { return r.scaling == RopeScaling::yarn; },
          [](RopeSpec& r) { r.scaling = RopeScaling::yarn, r.factor = 2, r.original_context = 32; }),
      of_rope(
          "a factor for each frequency", [](const M&, const RopeSpec& r) { return r.factors == RopeFactors::one; },
          [](RopeSpec& r) { r.factors = RopeFactors::one; }),
      of_rope(
          "factors for short and for long contexts",
          [](const M&, const RopeSpec& r) { return r.factors == RopeFactors::long_short; },
          [](RopeSpec& r) { r.factors = RopeFactors::long_short, r.original_context = 32; }),
      {"rotation", "different in some layers", [](const M& spec) { return spec.ropes.size() > 1; },
       [](M& spec) {
         spec.ropes.push_back(spec.ropes.at(0));
         std::get<A>(spec.layers.at(1).mixer).rope = 1;
       }},
      of_layer(
          "rotation", "none in some layers",
          [](const L& l) {
            const auto* a = std::get_if<A>(&l.mixer);
            return a && a->rope < 0 && a->alibi_max_bias == 0;
          },
          [](L& l) { std::get<A>(l.mixer).rope = -1; }),
  };
}

std::vector<Feature> of_feed_forwards() {
  return {
      of_dense(
          "without a gate", [](const D& d) { return !d.gated; }, [](D& d) { d.gated = false; }),
      of_activation<Activation::gelu_tanh>("GELU in its tanh form"),
      of_activation<Activation::gelu>("GELU"),
      of_activation<Activation::relu>("ReLU"),
      of_activation<Activation::relu2>("squared ReLU"),
      of_activation<Activation::clipped_swiglu>("clipped SwiGLU"),
      of_activation<Activation::xielu>("xIELU"),
      of_dense(
          "biases", [](const D& d) { return d.bias; }, [](D& d) { d.bias = true; }),
      of_dense(
          "sparse gates", [](const D& d) { return d.sparsity > 0; }, [](D& d) { d.sparsity = 1; }),
      of_dense(
          "limits of a gated SiLU", [](const D& d) { return d.limit > 0; }, [](D& d) { d.limit = 7; }),
      of_dense(
          "a norm before the down projection", [](const D& d) { return d.down_norm.has_value(); },
          [](D& d) { d.down_norm = NormSpec{}; }),
      of_dense(
          "inputs mixed with the position before (token shift)", [](const D& d) { return d.shift; },
          [](D& d) { d.shift = true; }),
      of_experts(
          "a choice for every row", [](const E&) { return true; }, [](E&) {}),
      of_experts(
          "shared experts", [](const E& e) { return e.has_shared(); }, [](E& e) { e.shared.inner = 32; }),
      of_experts(
          "a gate of the shared expert", [](const E& e) { return e.shared_gate; },
          [](E& e) { e.shared.inner = 32, e.shared_gate = true; }),
      of_experts(
          "experts and shared expert with norms of their own", [](const E& e) { return e.apart.has_value(); },
          [](E& e) { e.shared.inner = 32, e.apart = NormSpec{}; }),
      of_experts(
          "scores as sigmoids", [](const E& e) { return e.routing.sigmoid; }, [](E& e) { e.routing.sigmoid = true; }),
      of_experts(
          "groups of experts", [](const E& e) { return e.routing.groups > 0; },
          [](E& e) { e.routing.groups = 2, e.routing.groups_used = 1; }),
      of_experts(
          "biases of the choice", [](const E& e) { return e.choice_bias; }, [](E& e) { e.choice_bias = true; }),
      of_experts(
          "biases", [](const E& e) { return e.router_bias || e.expert.bias; },
          [](E& e) { e.router_bias = e.expert.bias = true; }),
      of_experts(
          "weighed inputs", [](const E& e) { return e.weigh_input; }, [](E& e) { e.weigh_input = true; }),
      of_experts(
          "a choice before the layer's mixer", [](const E& e) { return e.route_early; },
          [](E& e) { e.route_early = true; }),
      of_experts(
          "a scale for each expert", [](const E& e) { return e.expert_scale; }, [](E& e) { e.expert_scale = true; }),
      of_experts(
          "sparse gates", [](const E& e) { return e.expert.sparsity > 0; }, [](E& e) { e.expert.sparsity = 1; }),
      of_experts(
          "inputs mixed with the position before (token shift)", [](const E& e) { return e.expert.shift; },
          [](E& e) { e.expert.shift = true; }),
      of_experts(
          "a norm before the down projection", [](const E& e) { return e.expert.down_norm.has_value(); },
          [](E& e) { e.expert.down_norm = NormSpec{}; }),
  };
}

std::vector<Feature> of_layers() {
  return {
      of_layer(
          "layers", "both parts read the same stream", [](const L& l) { return l.parallel; },
          [](L& l) { l.parallel = true; }),
      of_layer(
          "layers", "norms after the parts",
          [](const L& l) { return l.mixer_branch.post_norm || l.ffn_branch.post_norm; },
          [](L& l) { l.mixer_branch.post_norm = l.ffn_branch.post_norm = NormSpec{}; }),
      of_layer(
          "layers", "norms of the stream after each sum",
          [](const L& l) { return l.mixer_branch.stream_norm || l.ffn_branch.stream_norm; },
          [](L& l) { l.mixer_branch.stream_norm = l.ffn_branch.stream_norm = NormSpec{}; }),
      of_layer(
          "layers", "scaled sums", [](const L& l) { return l.residual_scale != 1; },
          [](L& l) { l.residual_scale = 0.5f; }),
      of_layer(
          "layers", "a scale after the layer", [](const L& l) { return l.layer_scale; },
          [](L& l) { l.layer_scale = true; }),
      of_layer(
          "layers", "a low-rank branch beside the mixer (LAuReL)", [](const L& l) { return l.laurel.has_value(); },
          [](L& l) { l.laurel = LaurelSpec{.rank = 8}; }),
      of_layer(
          "layers", "one part alone",
          [](const L& l) { return std::holds_alternative<Nothing>(l.mixer) != std::holds_alternative<Nothing>(l.ffn); },
          [](L& l) {
            l.ffn = Nothing{};
            l.ffn_branch.norm.reset();
          }),
      of_layer(
          "layers", "layer norms",
          [](const L& l) {
            for (const BranchSpec* branch : {&l.mixer_branch, &l.ffn_branch})
              for (const auto* norm : {&branch->norm, &branch->stream_norm})
                if (*norm && (*norm)->kind == NormKind::layer) return true;
            return false;
          },
          [](L& l) { l.mixer_branch.norm->kind = l.ffn_branch.norm->kind = NormKind::layer; }),
  };
}

std::vector<Feature> of_models() {
  return {
      {"embedding", "scaled", [](const M& m) { return m.embedding.scale != 1; }, [](M& m) { m.embedding.scale = 2; }},
      {"embedding", "learned positions", [](const M& m) { return m.embedding.positions; },
       [](M& m) { m.embedding.positions = true; }},
      {"embedding", "normed", [](const M& m) { return m.embedding.norm.has_value(); },
       [](M& m) { m.embedding.norm = NormSpec{}; }},
      {"embedding", "values for every layer", [](const M& m) { return m.embedding.per_layer.has_value(); },
       [](M& m) { m.embedding.per_layer = PerLayerEmbeddingSpec{.width = 8}; }},
      {"embedding", "several streams (AltUp)", [](const M& m) { return m.altup.has_value(); },
       [](M& m) {
         m.embedding.per_layer = PerLayerEmbeddingSpec{.width = 8};
         m.altup = AltupSpec{.streams = 4};
       }},
      {"output", "the embedding as head", [](const M& m) { return m.output.tied; }, [](M& m) { m.output.tied = true; }},
      {"output", "a bias of the head", [](const M& m) { return m.output.bias; }, [](M& m) { m.output.bias = true; }},
      {"output", "scaled logits", [](const M& m) { return m.output.scale != 1; }, [](M& m) { m.output.scale = 0.5f; }},
      {"output", "soft-capped logits", [](const M& m) { return m.output.softcap > 0; },
       [](M& m) { m.output.softcap = 30; }},
      {"output", "embeddings in place of logits", [](const M& m) { return !m.output.head; },
       [](M& m) { m.output.head = false, m.output.pooling = Pooling::mean; }},
      {"output", "products with pooled rows", [](const M& m) { return m.output.dense_2 > 0; },
       [](M& m) { m.output.head = false, m.output.pooling = Pooling::mean, m.output.dense_2 = 32; }},
  };
}

}  // namespace
}  // namespace features

ModelSpec feature_base() {
  return llama_spec(
      {.vocab = 64, .width = 64, .layers = 2, .heads = 4, .kv_heads = 4, .head_dim = 16, .ffn = 64, .context = 64});
}

std::span<const Feature> all_features() {
  static const std::vector<Feature> all = [] {
    std::vector<Feature> all_parts;
    for (const auto& part : {features::of_attentions(), features::of_other_mixers(), features::of_rotations(),
                             features::of_feed_forwards(), features::of_layers(), features::of_models()})
      all_parts.insert(all_parts.end(), part.begin(), part.end());
    std::stable_sort(all_parts.begin(), all_parts.end(),
                     [](const Feature& a, const Feature& b) { return a.part < b.part; });
    return all_parts;
  }();
  return all;
}

std::string refusal_of(const Feature& feature) {
  ModelSpec spec = feature_base();
  feature.add(spec);
  for (const LayerSpec& layer : spec.layers)
    if (Refusal why = layer_refuses(layer); !why.empty()) return std::string(why);
  return {};
}

std::vector<std::string> families_with(const Feature& feature) {
  static const std::vector<ModelSpec> specs = [] {  // read once for all features
    std::vector<ModelSpec> all;
    for (const Preset& preset : all_presets()) all.push_back(preset.spec());
    return all;
  }();
  std::set<std::string> families;
  for (const ModelSpec& spec : specs)
    if (feature.has(spec)) families.insert(spec.family);
  return {families.begin(), families.end()};
}

}  // namespace plumb
