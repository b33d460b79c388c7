// Phi-1 to Phi-4. Phi-2 and before: layer norms, biases everywhere, both parts of a layer read one norm, a part of each
// head is rotated.
//
// Phi-3 and Phi-4: the Llama shape with rotation of halves; files hold q, k and v in one matrix, and gate and up in
// another (tensors.cpp). Long-context models have long and short rope factors. Both kinds of files have a
// `sliding_window`. The engine that GGUF files are made for does not read it, and answers of long prompts would differ
// from its own, so windows are left out here too.
//
// Phi-3.5 with experts (phimoe) is that with matrices of their own and biases.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace phi {
namespace {

ModelSpec read_phi2(const Keys& keys) {
  const Field normed{"", "qk_layernorm"};
  if (keys.flag_or(normed, false))
    keys.fail(ErrorCode::unsupported_architecture, normed, "is true, expected queries and keys without norms");
  Style style;
  style.pairs = RopePairs::halves;
  style.norm = NormKind::layer;
  style.activation = Activation::gelu_tanh;
  style.gelu_is_tanh = true;
  style.gated = false;
  style.biases = true;
  style.inner_multiple = 4;
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers) {
    layer.parallel = layer.shared_norm = true;
    layer.ffn_branch.norm.reset();
  }
  spec.output.bias = true;
  return spec;
}

ModelSpec read_phi3(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  return read_decoder(keys, style);
}

/// Experts in every layer; norms and products have biases. The engine that GGUF files are made for norms without taking
/// off the mean, where the model's own code does, and divides the weights of a row by their sum; so it is done here.
ModelSpec read_phimoe(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers) layer.mixer_branch.norm->bias = layer.ffn_branch.norm->bias = true;
  spec.output.norm->bias = true;
  if (!keys.is_gguf()) spec.output.bias = keys.flag_or({"", "lm_head_bias"}, false);
  const int inner = dense_inner(spec);
  ExpertStyle experts;
  experts.fallback_inner = inner;
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, false);
  for_each_experts(spec, [&](ExpertsSpec& own) {
    own.expert.inner = inner;
    own.shared.inner = 0;
    own.choice_bias = false;
  });
  return spec;
}

constexpr Alias kMoeNames[] = {{"num_experts", "num_local_experts"}, {"moe_intermediate_size", "intermediate_size"}};
constexpr ModelType kPhiMoe[] = {
    {"phimoe",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":8,"rope_theta":1000000.0,
         "num_experts_per_tok":2,"num_local_experts":16})",
     kMoeNames}};
constexpr ModelType kPhi2[] = {
    {"phi", R"({"max_position_embeddings":2048,"layer_norm_eps":1e-5,"partial_rotary_factor":0.5})"}};
constexpr ModelType kPhi3[] = {
    {"phi3", R"({"max_position_embeddings":4096,"original_max_position_embeddings":4096,"rms_norm_eps":1e-5})"}};

constexpr Place kPhi2Places[] = {
    {TensorRole::output_norm, "final_layernorm"},
    {TensorRole::attn_out, "self_attn.dense"},
    {TensorRole::ffn_up, "mlp.fc1"},
    {TensorRole::ffn_down, "mlp.fc2"},
};

constexpr Family kFamilies[] = {
    {.architecture = "phi2",
     .models = "Phi-1, Phi-1.5 and Phi-2",
     .read = read_phi2,
     .types = kPhi2,
     .folder = {.places = kPhi2Places}},
    {.architecture = "phi3",
     .models = "Phi-3, Phi-3.5 and Phi-4, text",
     .read = read_phi3,
     .types = kPhi3,
     .fused = {.qkv = true, .gate_up = true}},
    {.architecture = "phimoe",
     .models = "Phi-3.5 with experts",
     .read = read_phimoe,
     .types = kPhiMoe,
     .folder = {.places = kMixtralPlaces}},
};

}  // namespace
}  // namespace phi

std::span<const Family> phi_families() { return phi::kFamilies; }

}  // namespace plumb::family
