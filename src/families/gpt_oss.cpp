// gpt-oss: attention with a sink a head and biases, a window in every other layer; experts with biases and a clipped
// gate, weighted by a softmax over those that a row visits.
//
// YaRN's borders between slow and fast frequencies are whole dimensions, as in the engine that GGUF files are made for;
// its files have no key for config.json's `truncate`.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace gpt_oss {
namespace {

ModelSpec read_gpt_oss(const Keys& keys) {
  const Field limit{"", "swiglu_limit"};
  if (keys.real_or(limit, 7.0f) != 7.0f)
    keys.fail(ErrorCode::unsupported_architecture, limit, "is not 7, the only limit of the gate that is computed");
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  WindowStyle windows;
  windows.period = 2;
  windows.flags = false;
  read_windows(keys, spec, windows);
  for_each_attention(spec, [](AttentionSpec& attention) { attention.sinks = true; });
  usual_yarn_borders(spec);
  read_base_of_windows(keys, spec);
  ExpertStyle experts;
  experts.biases = true;
  read_experts(keys, spec, experts);
  for (LayerSpec& layer : spec.layers) {
    auto* own = std::get_if<ExpertsSpec>(&layer.ffn);
    if (!own) continue;
    own->expert.activation = Activation::clipped_swiglu;
    own->routing.renormalise = true;  // as a softmax over the chosen is
  }
  return spec;
}

constexpr Alias kNames[] = {{"num_experts", "num_local_experts"}, {"moe_intermediate_size", "intermediate_size"}};
constexpr RoleName kTensors[] = {{TensorRole::ffn_norm, "post_attention_norm"}};

constexpr ModelType kTypes[] = {
    {"gpt_oss",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"head_dim":64,"num_key_value_heads":8,
         "num_local_experts":128,"num_experts_per_tok":4,"sliding_window":128,"rope_theta":150000.0,
         "attention_bias":true,"rope_scaling":{"rope_type":"yarn","factor":32.0,"beta_fast":32.0,"beta_slow":1.0,
         "original_max_position_embeddings":4096}})",
     kNames}};

/// Rows of gate and up take turns. Where they are no blocks, they have a column for each output.
Gather take_turns(const Asked& asked) {
  const std::int64_t up = asked.tensor.id.role == TensorRole::expert_up ? 1 : 0;
  return {.rows = 2 * asked.shape().rows,
          .row = [up](std::int64_t r) { return 2 * r + up; },
          .turned = !asked.blocks && !asked.tensor.id.bias};
}
Gather take_down(const Asked& asked) { return {.turned = !asked.blocks && !asked.tensor.id.bias}; }

constexpr Place kPlaces[] = {
    {TensorRole::router, "mlp.router"},
    {TensorRole::expert_gate, "mlp.experts.gate_up_proj", take_turns, Suffix::underscore},
    {TensorRole::expert_up, "mlp.experts.gate_up_proj", take_turns, Suffix::underscore},
    {TensorRole::expert_down, "mlp.experts.down_proj", take_down, Suffix::underscore},
};

constexpr Family kFamilies[] = {{.architecture = "gpt-oss",
                                 .models = "gpt-oss",
                                 .read = read_gpt_oss,
                                 .types = kTypes,
                                 .names = kTensors,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace gpt_oss

std::span<const Family> gpt_oss_families() { return gpt_oss::kFamilies; }

}  // namespace plumb::family
