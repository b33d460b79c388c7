#pragma once
/// @file
/// One place that decides whether a configuration describes a transformer at all. Whoever makes a configuration (a GGUF
/// file, a config.json, a command line, a sweep) passes it through here before anything is computed from it.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI {

/// Bounds of a configuration. Far above any published model; low enough that a product of three dimensions fits 64
/// bits.
struct ConfigLimits {
  static constexpr int kWidth = 1 << 20;
  static constexpr int kFfn = 1 << 22;
  static constexpr int kVocab = 1 << 24;
  static constexpr int kLayers = 1 << 14;
  static constexpr int kHeads = 1 << 14;
  static constexpr int kHeadDim = 1 << 14;
  static constexpr int kExperts = 1 << 14;
  static constexpr int kContext = 1 << 30;
};

namespace detail {

/// Collects what every message needs: who the configuration belongs to.
struct ConfigChecker {
  std::string_view where;

  [[noreturn]] void fail(ErrorCode code, const std::string& what) const {
    throw Error(code, std::string(where) + ": " + what);
  }
  void in_range(std::string_view field, int value, int low, int high) const {
    if (value < low || value > high)
      fail(ErrorCode::bad_value, std::string(field) + " is " + std::to_string(value) + ", expected " +
                                     std::to_string(low) + " to " + std::to_string(high));
  }
  void finite(std::string_view field, float value, bool positive) const {
    if (!std::isfinite(value) || (positive ? value <= 0.0f : value < 0.0f))
      fail(ErrorCode::bad_value, std::string(field) + " is " + std::to_string(value) + ", expected a finite number " +
                                     (positive ? "above zero" : "not below zero"));
  }
};

inline void check_attention(const ModelConfig& c, const ConfigChecker& check) {
  check.in_range("n_heads", c.n_heads, 1, ConfigLimits::kHeads);
  if (c.is_mla()) {
    check.in_range("mla.kv_rank", c.mla.kv_rank, 1, ConfigLimits::kWidth);
    check.in_range("mla.q_rank", c.mla.q_rank, 0, ConfigLimits::kWidth);
    check.in_range("mla.rope_dims", c.mla.rope_dims, 0, ConfigLimits::kHeadDim);
    check.in_range("mla.nope_dims", c.mla.nope_dims, 1, ConfigLimits::kHeadDim);
    check.in_range("mla.v_dims", c.mla.v_dims, 1, ConfigLimits::kHeadDim);
    if (c.mla.rope_dims % 2 != 0)
      check.fail(ErrorCode::bad_value,
                 "mla.rope_dims is " + std::to_string(c.mla.rope_dims) + ", expected an even number");
    return;
  }
  check.in_range("n_kv_heads", c.n_kv_heads, 1, ConfigLimits::kHeads);
  check.in_range("head_dim", c.head_dim, 1, ConfigLimits::kHeadDim);
  if (c.n_heads % c.n_kv_heads != 0)
    check.fail(ErrorCode::bad_value, "n_heads is " + std::to_string(c.n_heads) +
                                         ", expected a multiple of n_kv_heads, " + std::to_string(c.n_kv_heads));
  if (c.rope.pairs != RopePairs::none) {
    check.in_range("rope.dims", c.rope.dims, 0, c.head_dim);
    if (c.rope.dims % 2 != 0 || (c.rope.dims == 0 && c.head_dim % 2 != 0))
      check.fail(ErrorCode::bad_value, "rope.dims is " + std::to_string(c.rope.dims == 0 ? c.head_dim : c.rope.dims) +
                                           ", expected an even number");
  }
}

inline void check_ffn(const ModelConfig& c, const ConfigChecker& check) {
  check.in_range("moe.count", c.moe.count, 0, ConfigLimits::kExperts);
  if (!c.is_moe() || c.moe.leading_dense_layers > 0) check.in_range("ffn_dim", c.ffn_dim, 1, ConfigLimits::kFfn);
  if (!c.is_moe()) return;
  check.in_range("moe.used", c.moe.used, 1, c.moe.count);
  check.in_range("moe.ffn_dim", c.moe.ffn_dim, 1, ConfigLimits::kFfn);
  check.in_range("moe.shared_ffn_dim", c.moe.shared_ffn_dim, 0, ConfigLimits::kFfn);
  check.in_range("moe.leading_dense_layers", c.moe.leading_dense_layers, 0, c.n_layers);
  check.in_range("moe.groups", c.moe.groups, 0, c.moe.count);
  if (c.moe.groups > 0) {
    if (c.moe.count % c.moe.groups != 0)
      check.fail(ErrorCode::bad_value, "moe.count is " + std::to_string(c.moe.count) +
                                           ", expected a multiple of moe.groups, " + std::to_string(c.moe.groups));
    check.in_range("moe.groups_used", c.moe.groups_used, 1, c.moe.groups);
  }
}

}  // namespace detail

/// Refuses a configuration that no forward pass could run: zero, negative or absurdly large dimensions, heads that do
/// not divide, scalars that are not finite. `where` names the file or preset in the message.
/// @throws Error{bad_value} naming the field, what was found and what was expected.
inline void check_config(const ModelConfig& c, std::string_view where) {
  const detail::ConfigChecker check{where};
  check.in_range("vocab_size", c.vocab_size, 1, ConfigLimits::kVocab);
  check.in_range("width", c.width, 1, ConfigLimits::kWidth);
  check.in_range("n_layers", c.n_layers, 1, ConfigLimits::kLayers);
  check.in_range("context", c.context, 1, ConfigLimits::kContext);
  check.in_range("sliding_window", c.sliding_window, 0, ConfigLimits::kContext);
  check.in_range("window_pattern", c.window_pattern, 0, ConfigLimits::kLayers);
  detail::check_attention(c, check);
  detail::check_ffn(c, check);
  check.finite("norm_eps", c.norm_eps, false);
  check.finite("rope.base", c.rope.base, true);
  check.finite("rope.factor", c.rope.factor, true);
  check.finite("rope_base_local", c.rope_base_local, false);
  check.finite("attn_softcap", c.attn_softcap, false);
  check.finite("logit_softcap", c.logit_softcap, false);
  check.finite("attn_scale", c.attn_scale, false);
  check.finite("embedding_scale", c.embedding_scale, true);
  check.finite("residual_scale", c.residual_scale, true);
  check.finite("logit_scale", c.logit_scale, true);
}

}  // namespace plumb
