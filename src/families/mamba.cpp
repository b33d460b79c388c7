// Mamba 1 and 2: layers of a state-space scan and nothing else; and two families that have some of their layers:
// Jamba, Mamba 1 beside attention without rotation and experts in some layers; Falcon-H1, Mamba 2 and attention side by
// side in every layer.

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

constexpr Family kFamilies[] = {
    {"mamba", "Mamba 1, Falcon Mamba", read_mamba, kMamba1, write_mamba},
    {"mamba2", "Mamba 2, Mamba Codestral", read_mamba_2, kMamba2, write_mamba},
    {"jamba", "Jamba", read_jamba, kJamba, write_jamba},
    {"falcon-h1", "Falcon-H1", read_falcon_h1, kFalcon, write_state_space, kFalconTensors},
};

}  // namespace
}  // namespace mamba

std::span<const Family> mamba_families() { return mamba::kFamilies; }

}  // namespace plumb::family
