// Mamba 1 and 2: layers of a state-space scan and nothing else; and two families that have some of their layers:
// Jamba, Mamba 1 beside attention without rotation and experts in some layers; Falcon-H1, Mamba 2 and attention side by
// side in every layer.

#include <algorithm>
#include <array>

#include "decoder.hpp"
#include "registry.hpp"
#include "state_space.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace mamba {
namespace {

using Limits = SpecLimits;

/// Layers with nothing in them yet.
ModelSpec read_without_attention(const Keys& keys) {
  Style style;
  style.attention = false;
  style.feed_forwards = FeedForwards::none;
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers) layer.mixer = Nothing{};
  return spec;
}

ModelSpec read_mamba(const Keys& keys) {
  ModelSpec spec = read_without_attention(keys);
  std::optional<NormSpec> steps;
  if (keys.flag_or({"ssm.dt_b_c_rms", ""}, false)) {  // Falcon Mamba; without weights
    steps = *spec.output.norm;
    steps->weight = false;
  }
  fill_with_mamba1(keys, spec, steps);
  return spec;
}

ModelSpec read_mamba_2(const Keys& keys) {
  ModelSpec spec = read_without_attention(keys);
  fill_with_mamba2(keys, spec);
  return spec;
}

void write_mamba(GgufWriter& writer, const ModelSpec& spec) {
  writer.set(spec.family + ".attention.head_count", std::uint32_t{0});
  writer.set(spec.family + ".feed_forward_length", std::uint32_t{0});
  write_state_space(writer, spec);
  const StateSpaceSpec* space = first_state_space(spec);
  if (space && space->by_channel()) writer.set(spec.family + ".ssm.dt_b_c_rms", space->step_norm.has_value());
}

/// A period and the first layer of it: config.json of Jamba.
std::function<bool(int)> periodic(const Keys& keys, std::string_view period_name, std::string_view offset_name) {
  const int period = keys.count({"", period_name}, Limits::kLayers);
  const int offset = keys.natural_or({"", offset_name}, 0, Limits::kLayers);
  return [=](int layer) { return layer >= offset && (layer - offset) % period == 0; };
}

ModelSpec read_jamba(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::none;
  style.other_mixers = true;
  ModelSpec spec = read_decoder(keys, style);
  if (!keys.is_gguf()) {
    const auto attends = periodic(keys, "attn_layer_period", "attn_layer_offset");
    for (int l = 0; l < spec.n_layers(); ++l)
      if (!attends(l)) spec.layers[static_cast<std::size_t>(l)].mixer = Nothing{};
  }
  fill_with_mamba1(keys, spec, spec.output.norm);
  if (keys.count_or({"expert_count", "num_experts"}, 1, Limits::kExperts) == 1) return spec;
  ExpertStyle experts;
  experts.renormalise = false;
  experts.fallback_inner = dense_inner(spec);
  if (!keys.is_gguf()) experts.sparse = periodic(keys, "expert_layer_period", "expert_layer_offset");
  read_experts(keys, spec, experts);
  return spec;
}

void write_jamba(GgufWriter& writer, const ModelSpec& spec) {
  write_kv_heads(writer, spec);
  write_state_space(writer, spec);
}

/// The multipliers of config.json are in the weights of GGUF files.
ModelSpec read_falcon_h1(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  const StateSpaceSpec space = read_mamba2(keys, spec);
  const Field normed{"", "mamba_rms_norm"}, before{"", "mamba_norm_before_gate"};
  const bool norm = keys.flag_or(normed, false);
  if (norm && keys.flag_or(before, true))
    keys.fail(ErrorCode::unsupported_type, before,
              "is true: a norm of the output before its gate is not known here, only one behind it");
  for (int l = 0; l < spec.n_layers(); ++l) {
    StateSpaceSpec own = state_space_of(keys, space, l);
    if (!(keys.is_gguf() ? keys.tensor_exists({TensorRole::ssm_norm, l, false}) : norm)) own.norm.reset();
    spec.layers[static_cast<std::size_t>(l)].beside = own;
  }
  return spec;
}

constexpr Alias kMamba1Names[] = {{"rms_norm_eps", "layer_norm_epsilon"}};
constexpr Alias kMamba2Names[] = {{"rms_norm_eps", "layer_norm_epsilon"}, {"mamba_head_dim", "head_dim"}};
constexpr Alias kJambaNames[] = {{"conv_kernel", "mamba_d_conv"},      {"state_size", "mamba_d_state"},
                                 {"time_step_rank", "mamba_dt_rank"},  {"expand", "mamba_expand"},
                                 {"use_conv_bias", "mamba_conv_bias"}, {"use_bias", "mamba_proj_bias"}};
constexpr Alias kFalconNames[] = {{"conv_kernel", "mamba_d_conv"}, {"state_size", "mamba_d_state"},
                                  {"num_heads", "mamba_n_heads"},  {"mamba_head_dim", "mamba_d_head"},
                                  {"n_groups", "mamba_n_groups"},  {"expand", "mamba_expand"},
                                  {"use_bias", "mamba_proj_bias"}, {"use_conv_bias", "mamba_conv_bias"}};

// A scan sees any distance; files say 2^20 positions.
constexpr ModelType kMamba1[] = {
    {"mamba",
     R"({"max_position_embeddings":1048576,"layer_norm_epsilon":1e-5,"state_size":16,"conv_kernel":4,"expand":2,
         "tie_word_embeddings":true})",
     kMamba1Names}};
constexpr ModelType kMamba2[] = {
    {"mamba2",
     R"({"max_position_embeddings":1048576,"layer_norm_epsilon":1e-5,"num_heads":128,"head_dim":64,"state_size":128,
         "conv_kernel":4,"expand":2,"n_groups":8})",
     kMamba2Names}};
constexpr ModelType kJamba[] = {
    {"jamba",
     R"({"max_position_embeddings":262144,"rms_norm_eps":1e-6,"num_key_value_heads":8,"num_experts":16,
         "num_experts_per_tok":2,"expert_layer_period":2,"expert_layer_offset":1,"attn_layer_period":8,
         "attn_layer_offset":4,"mamba_d_state":16,"mamba_d_conv":4,"mamba_expand":2,"mamba_dt_rank":"auto"})",
     kJambaNames}};
constexpr ModelType kFalcon[] = {
    {"falcon_h1",
     R"({"max_position_embeddings":8192,"rms_norm_eps":1e-5,"num_key_value_heads":8,"mamba_n_heads":128,
         "mamba_d_head":"auto","mamba_n_groups":1,"mamba_d_state":256,"mamba_d_conv":4,"mamba_expand":2,
         "mamba_d_ssm":1024})",
     kFalconNames}};

constexpr RoleName kFalconTensors[] = {{TensorRole::ffn_norm, "ffn_norm", true}};

constexpr Place kStreamPlaces[] = {
    {TensorRole::token_embedding, "embeddings"},
    {TensorRole::token_embedding, "embedding"},
    {TensorRole::output_norm, "norm_f"},
    {TensorRole::attn_norm, "norm"},
};
constexpr Place kOwnMamba1Places[] = {
    {TensorRole::ssm_x, "mixer.x_proj"},
    {TensorRole::ssm_dt, "mixer.dt_proj"},
};
constexpr auto kMamba1Places = joined(kStreamPlaces, kOwnMamba1Places, kMixerPlaces);
constexpr Place kOwnMamba2Places[] = {
    {TensorRole::ssm_dt, "mixer.dt", nullptr, Suffix::underscore},
};
constexpr auto kMamba2Places = joined(kStreamPlaces, kOwnMamba2Places, kMixerPlaces);
constexpr Place kOwnJambaPlaces[] = {
    {TensorRole::output_norm, "final_layernorm"},
    {TensorRole::ffn_norm, "pre_ff_layernorm"},
    {TensorRole::ssm_x, "mamba.x_proj"},
    {TensorRole::ssm_dt, "mamba.dt_proj"},
    {TensorRole::ssm_dt_norm, "mamba.dt_layernorm"},
    {TensorRole::ssm_b_norm, "mamba.b_layernorm"},
    {TensorRole::ssm_c_norm, "mamba.c_layernorm"},
    {TensorRole::router, "feed_forward.router"},
    {TensorRole::ffn_gate, "feed_forward.gate_proj"},
    {TensorRole::ffn_up, "feed_forward.up_proj"},
    {TensorRole::ffn_down, "feed_forward.down_proj"},
    {TensorRole::expert_gate, "feed_forward.experts.{}.gate_proj"},
    {TensorRole::expert_up, "feed_forward.experts.{}.up_proj"},
    {TensorRole::expert_down, "feed_forward.experts.{}.down_proj"},
};
constexpr auto kJambaPlaces = joined(kOwnJambaPlaces, kMambaPlaces);

/// The multipliers of Falcon-H1, which its own code applies to what products make.
Gather take_multiplied(const Asked& asked) {
  const auto number = [&](std::string_view name) { return asked.config.real_or({"", name}, 1.0f); };
  const auto entry = [&](std::string_view name, std::size_t i) {
    const std::vector<double> all = asked.config.reals({"", name});
    return i < all.size() ? static_cast<float>(all[i]) : 1.0f;
  };
  float factor = 1.0f;
  switch (asked.tensor.id.role) {
    case TensorRole::token_embedding: factor = number("embedding_multiplier"); break;
    case TensorRole::head: factor = number("lm_head_multiplier"); break;
    case TensorRole::attn_k: factor = number("key_multiplier") * number("attention_in_multiplier"); break;
    case TensorRole::attn_q:
    case TensorRole::attn_v: factor = number("attention_in_multiplier"); break;
    case TensorRole::attn_out: factor = number("attention_out_multiplier"); break;
    case TensorRole::ffn_gate: factor = entry("mlp_multipliers", 0); break;
    case TensorRole::ffn_down: factor = entry("mlp_multipliers", 1); break;
    case TensorRole::ssm_out: factor = number("ssm_out_multiplier"); break;
    default: break;
  }
  if (asked.tensor.id.role != TensorRole::ssm_in || asked.tensor.id.bias) {
    if (factor == 1.0f) return {};
    return {.change = [factor](std::int64_t, float weight) { return weight * factor; }};
  }
  // Gates, inputs, what is written, what is read, steps.
  const auto& space = std::get<StateSpaceSpec>(asked.layer().beside);
  const std::int64_t inner = space.inner, states = std::int64_t{space.groups} * space.size;
  const std::array<std::int64_t, 4> ends{inner, 2 * inner, 2 * inner + states, 2 * inner + 2 * states};
  std::array<float, 5> factors{};
  for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = entry("ssm_multipliers", i);
  const float all = number("ssm_in_multiplier");
  return {.change = [=](std::int64_t row, float weight) {
    const auto part = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), row) - ends.begin());
    return weight * all * factors[part];
  }};
}

constexpr Place kOwnFalconPlaces[] = {
    {TensorRole::output_norm, "final_layernorm"},
    {TensorRole::ffn_norm, "pre_ff_layernorm"},
    {TensorRole::token_embedding, "embed_tokens", take_multiplied},
    {TensorRole::head, "lm_head", take_multiplied},
    {TensorRole::attn_q, "self_attn.q_proj", take_multiplied},
    {TensorRole::attn_k, "self_attn.k_proj", take_multiplied},
    {TensorRole::attn_v, "self_attn.v_proj", take_multiplied},
    {TensorRole::attn_out, "self_attn.o_proj", take_multiplied},
    {TensorRole::ssm_dt, "mamba.dt", nullptr, Suffix::underscore},
    {TensorRole::ffn_gate, "feed_forward.gate_proj", take_multiplied},
    {TensorRole::ffn_up, "feed_forward.up_proj"},
    {TensorRole::ffn_down, "feed_forward.down_proj", take_multiplied},
    {TensorRole::ssm_in, "mamba.in_proj", take_multiplied},
    {TensorRole::ssm_out, "mamba.out_proj", take_multiplied},
};
constexpr auto kFalconPlaces = joined(kOwnFalconPlaces, kMambaPlaces);

constexpr Family kFamilies[] = {
    {.architecture = "mamba",
     .models = "Mamba 1, Falcon Mamba",
     .read = read_mamba,
     .types = kMamba1,
     .write = write_mamba,
     .folder = {.places = kMamba1Places}},
    {.architecture = "mamba2",
     .models = "Mamba 2, Mamba Codestral",
     .read = read_mamba_2,
     .types = kMamba2,
     .write = write_mamba,
     .folder = {.places = kMamba2Places}},
    {.architecture = "jamba",
     .models = "Jamba",
     .read = read_jamba,
     .types = kJamba,
     .write = write_jamba,
     .folder = {.places = kJambaPlaces}},
    {.architecture = "falcon-h1",
     .models = "Falcon-H1",
     .read = read_falcon_h1,
     .types = kFalcon,
     .write = write_state_space,
     .names = kFalconTensors,
     .folder = {.places = kFalconPlaces}},
};

}  // namespace
}  // namespace mamba

std::span<const Family> mamba_families() { return mamba::kFamilies; }

}  // namespace plumb::family
