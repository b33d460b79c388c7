// Hunyuan, dense and with experts: norms of the heads of q and k behind the rotation. With experts, every layer has
// some beside one that all rows visit, and the usual key of a width is that of an expert.

#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace hunyuan {
namespace {

/// Contexts of models whose base is stretched: config.json has a smaller number.
constexpr int kStretchedContext = 256 * 1024;

/// The base of the rotation is stretched by a factor alpha (NTK-aware): base alpha^(d / (d - 2)).
void stretch_base(const Keys& keys, ModelSpec& spec, float usual_alpha) {
  RopeSpec& rope = spec.ropes[0];
  const int dims = first_attention(spec)->head_dim;
  const Keys own = keys.has_object("rope_parameters") ? keys.within("rope_parameters") : keys.within("rope_scaling");
  const Field field{"rope.scaling.alpha", "alpha"};
  float alpha = 0.0f;
  if (keys.is_gguf()) {
    alpha = keys.real_or(field, 0.0f);
  } else if (own.text_or({"", own.has({"", "rope_type"}) ? "rope_type" : "type"}, "") == "dynamic") {
    alpha = own.real_or(field, usual_alpha);
    spec.context = kStretchedContext;
  }
  if (alpha <= 0.0f) return;
  if (dims <= 2) own.fail(ErrorCode::bad_value, field, "is set for heads of " + std::to_string(dims) + " dimensions");
  const double power = dims / (dims - 2.0);
  rope.base = static_cast<float>(static_cast<double>(rope.base) * std::pow(static_cast<double>(alpha), power));
}

ModelSpec read_hunyuan(const Keys& keys, float usual_alpha) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  stretch_base(keys, spec, usual_alpha);
  if (keys.flag_or({"", "use_qk_norm"}, true)) norm_queries_and_keys(spec, QkNormOver::head, true);
  return spec;
}

ModelSpec read_hunyuan_dense(const Keys& keys) { return read_hunyuan(keys, 50.0f); }

ModelSpec read_hunyuan_moe(const Keys& keys) {
  ModelSpec spec = read_hunyuan(keys, 1000.0f);
  const int inner = dense_inner(spec);
  ExpertStyle experts;
  experts.fallback_inner = inner;
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, false);
  for_each_experts(spec, [&](ExpertsSpec& own) {
    own.choice_bias = false;
    if (!keys.is_gguf()) {
      own.shared.inner = inner * keys.count({"", "n_shared_experts"}, SpecLimits::kFfn / inner);
      return;
    }
    own.expert.inner = inner;
    const int shared = keys.natural_or({"expert_shared_feed_forward_length", ""}, 0, SpecLimits::kFfn);
    own.shared.inner = shared > 0 ? shared : inner;
  });
  return spec;
}

constexpr Alias kNames[] = {{"num_experts_per_tok", "moe_topk"}, {"n_shared_experts", "num_shared_expert"}};
constexpr ModelType kDense[] = {{"hunyuan_v1_dense", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5})"}};
constexpr ModelType kMoe[] = {
    {"hunyuan_v1_moe",
     R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5,"num_experts":1,"moe_topk":1,"num_shared_expert":1})",
     kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::attn_q_norm, "self_attn.query_layernorm"},
    {TensorRole::attn_k_norm, "self_attn.key_layernorm"},
    {TensorRole::router, "mlp.gate.wg"},
    {TensorRole::shared_gate, "mlp.shared_mlp.gate_proj"},
    {TensorRole::shared_up, "mlp.shared_mlp.up_proj"},
    {TensorRole::shared_down, "mlp.shared_mlp.down_proj"},
};

constexpr Family kFamilies[] = {
    {.architecture = "hunyuan-dense",
     .models = "Hunyuan, dense",
     .read = read_hunyuan_dense,
     .types = kDense,
     .folder = {.places = kPlaces}},
    {.architecture = "hunyuan-moe",
     .models = "Hunyuan with experts",
     .read = read_hunyuan_moe,
     .types = kMoe,
     .folder = {.places = kPlaces}},
};

}  // namespace
}  // namespace hunyuan

std::span<const Family> hunyuan_families() { return hunyuan::kFamilies; }

}  // namespace plumb::family
