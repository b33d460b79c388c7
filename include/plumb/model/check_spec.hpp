#pragma once
/// @file
/// One place that decides whether a spec describes a transformer at all, and whether this library can run it. Whoever
/// makes a spec (a GGUF file, a config.json, a command line, a sweep, a program) passes it through here before anything
/// is computed from it. What a block is asked stands with the block.

#include <string>
#include <string_view>

#include "plumb/core/checked.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {
namespace detail {

/// `run`: also what only a forward pass needs.
inline void check_rope(const RopeSpec& rope, std::size_t table, bool run, const SpecChecker& check) {
  const std::string name = table == 0 ? "rope" : "rope table " + std::to_string(table);
  if (rope.pairs == RopePairs::none) return;
  check.in_range(name + ".dims", rope.dims, 2, SpecLimits::kHeadDim);
  check.divides("two", 2, name + ".dims", rope.dims);
  check.finite(name + ".base", rope.base, true);
  check.finite(name + ".factor", rope.factor, true);
  if (!run) return;
  check.finite(name + ".attn_factor", rope.attn_factor, true);
  if (rope.scaling != RopeScaling::yarn) return;
  check.in_range(name + ".original_context", rope.original_context, 1, SpecLimits::kContext);
  check.finite(name + ".yarn_ext_factor", rope.yarn_ext_factor, false);
  check.finite(name + ".yarn_beta_fast", rope.yarn_beta_fast, true);
  check.finite(name + ".yarn_beta_slow", rope.yarn_beta_slow, true);
  if (rope.base == 1.0f) check.fail(ErrorCode::bad_value, name + ".base is 1, expected another with yarn");
}

/// A layer that reads keys and values of another names an earlier one of the same shape.
inline void check_kv_source(const ModelSpec& spec, int l, const SpecChecker& check) {
  const auto* own = std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(l)].mixer);
  if (!own || own->own_kv()) return;
  const bool earlier = own->kv_from < l;
  attention_source_check(
      *own, earlier ? std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(own->kv_from)].mixer) : nullptr,
      check);
}

/// Layers that take from values of another come after one of the same shape whose values are its own.
inline void check_rwkv_sources(const ModelSpec& spec, const SpecChecker& check) {
  const RwkvSpec* source = nullptr;
  for (int l = 0; l < spec.n_layers(); ++l) {
    const auto* own = std::get_if<RwkvSpec>(&spec.layers[static_cast<std::size_t>(l)].mixer);
    if (!own) continue;
    rwkv_source_check(*own, source, check.at_layer(l));
    if (own->first_rank == 0) source = own;
  }
}

}  // namespace detail

inline void check_spec(const ModelSpec& spec, std::string_view where) {
  const SpecChecker check{std::string(where) + ": "};
  check.in_range("vocab_size", spec.vocab_size, 1, SpecLimits::kVocab);
  check.in_range("width", spec.width, 1, SpecLimits::kWidth);
  check.in_range("context", spec.context, 1, SpecLimits::kContext);
  if (spec.layers.empty() || spec.layers.size() > SpecLimits::kLayers)
    check.fail(ErrorCode::bad_value, "n_layers is " + std::to_string(spec.layers.size()) + ", expected 1 to " +
                                         std::to_string(SpecLimits::kLayers));
  if (spec.ropes.size() > SpecLimits::kRopeTables)
    check.fail(ErrorCode::bad_value, "rope tables: " + std::to_string(spec.ropes.size()) + ", expected at most " +
                                         std::to_string(SpecLimits::kRopeTables));
  check.finite("embedding.scale", spec.embedding.scale, true);
  check.in_range("embedding.token_types", spec.embedding.token_types, 0, SpecLimits::kVocab);
  if (spec.embedding.norm) norm_check(*spec.embedding.norm, "embedding.norm", check);
  for (std::size_t t = 0; t < spec.ropes.size(); ++t) detail::check_rope(spec.ropes[t], t, false, check);
  for (int l = 0; l < spec.n_layers(); ++l) {
    layer_check(spec.layers[static_cast<std::size_t>(l)], spec.ropes, check.at_layer(l));
    detail::check_kv_source(spec, l, check.at_layer(l));
  }
  detail::check_rwkv_sources(spec, check);
  const auto& per_layer = spec.embedding.per_layer;
  if (per_layer) per_layer_check(*per_layer, spec.n_layers(), check);
  if (spec.altup) altup_check(*spec.altup, check);
  if (spec.altup && !per_layer)
    check.fail(ErrorCode::bad_value, "several streams, expected a per-layer embedding whose branches feed them");
  if (spec.output.norm) norm_check(*spec.output.norm, "output.norm", check);
  check.finite("output.scale", spec.output.scale, true);
  check.finite("output.softcap", spec.output.softcap, false);
  check.in_range("output.dense_2", spec.output.dense_2, 0, SpecLimits::kFfn);
  check.in_range("output.dense_3", spec.output.dense_3, 0, SpecLimits::kFfn);
  if (!spec.output.head && (spec.output.tied || spec.output.bias))
    check.fail(ErrorCode::bad_value, "a head that is tied or has a bias, expected none in a model without logits");
}

inline void check_runnable(const ModelSpec& spec, std::string_view where) {
  check_spec(spec, where);
  const SpecChecker check{std::string(where) + ": "};
  for (std::size_t t = 0; t < spec.ropes.size(); ++t) detail::check_rope(spec.ropes[t], t, true, check);
  // The largest state (f32, one sequence) must have a size.
  const std::string what = std::string(where) + ": bytes of the state, context * layers * heads * dimensions * 8";
  std::int64_t values = 0, recurrent = 0;
  for (int l = 0; l < spec.n_layers(); ++l) {
    const LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    const SpecChecker own = check.at_layer(l);
    const Refusal why = layer_refuses(layer);
    if (!why.empty()) own.fail(ErrorCode::unsupported_architecture, why);
    for (const auto* branch : {&layer.mixer_branch, &layer.ffn_branch})
      for (const auto* norm : {&branch->norm, &branch->post_norm, &branch->stream_norm})
        if (*norm) own.finite("norm_eps", (*norm)->eps, true);
    if (const auto* a = std::get_if<LatentAttentionSpec>(&layer.mixer)) {
      own.finite("mla.norm.eps", a->norm.eps, true);
      if (a->indexer.exists()) own.finite("indexer.norm.eps", a->indexer.norm.eps, true);
      checked_mul(a->n_heads, a->head_dim(), what);
      checked_mul(a->n_heads, a->latent(), what);
      checked_mul(a->n_heads, a->v_dims, what);
      if (a->indexer.exists()) checked_mul(a->indexer.heads, a->indexer.dims, what);
      values = checked_add<std::int64_t>(values, std::int64_t{a->latent()} + a->indexer.dims, what);
    }
    if (const auto* a = std::get_if<AttentionSpec>(&layer.mixer)) {
      checked_mul(a->n_heads, a->head_dim, what);
      checked_mul(a->n_heads, a->v_dim(), what);
      if (a->own_kv()) values = checked_add<std::int64_t>(values, std::int64_t{a->k_rows()} + a->v_rows(), what);
    }
    recurrent = checked_add(recurrent, layer_state(layer, spec.width).recurrent, what);
  }
  for (const auto* norm : {&spec.embedding.norm, &spec.output.norm})
    if (*norm) check.finite("norm_eps", (*norm)->eps, true);
  values = checked_add(checked_mul<std::int64_t>(values, spec.context, what), recurrent, what);
  checked_mul<std::int64_t>(values, sizeof(float), what);
}

}  // namespace plumb
