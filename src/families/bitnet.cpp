// BitNet b1.58: norms before the output projection of attention and before the down projection; the head is always the
// embedding. The weights of a matrix are -s, 0 and s, which files spell out.

#include <algorithm>
#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace bitnet {
namespace {

/// Files of other tools hold s in tensors of their own.
void refuse_scales(const Keys& keys, int layers) {
  for (int l = 0; l < layers; ++l)
    for (const char* base : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
      const std::string name = "blk." + std::to_string(l) + "." + base + ".scale";
      if (keys.name_exists(name))
        throw Error(ErrorCode::unsupported_architecture,
                    keys.where() + ": tensor '" + name + "': scales of matrices are not read; supported: matrices of " +
                        "-s, 0 and s themselves");
    }
}

ModelSpec read_bitnet(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  refuse_scales(keys, spec.n_layers());
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.out_norm = *spec.output.norm; });
  for (LayerSpec& layer : spec.layers) std::get<DenseSpec>(layer.ffn).down_norm = *spec.output.norm;
  spec.output.tied = true;
  return spec;
}

constexpr ModelType kTypes[] = {
    {"bitnet", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5,"num_key_value_heads":5})"}};

/// Weights that training rounds in every pass: to -s, 0 and s, where s is the mean of their magnitudes.
Gather take_ternary(const Asked&) {
  return {.change_by_all = [](const std::vector<float>& all) -> std::function<float(float)> {
    double sum = 0;
    for (const float weight : all) sum += static_cast<double>(std::abs(weight));
    const float mean = std::max(static_cast<float>(sum / static_cast<double>(all.size())), 1e-5f);
    const float inverse = 1.0f / mean;
    return [inverse](float weight) { return std::clamp(std::nearbyint(weight * inverse), -1.0f, 1.0f) / inverse; };
  }};
}

constexpr Place kPlaces[] = {
    {TensorRole::attn_q, "self_attn.q_proj", take_ternary}, {TensorRole::attn_k, "self_attn.k_proj", take_ternary},
    {TensorRole::attn_v, "self_attn.v_proj", take_ternary}, {TensorRole::attn_out, "self_attn.o_proj", take_ternary},
    {TensorRole::ffn_gate, "mlp.gate_proj", take_ternary},  {TensorRole::ffn_up, "mlp.up_proj", take_ternary},
    {TensorRole::ffn_down, "mlp.down_proj", take_ternary},  {TensorRole::attn_out_norm, "self_attn.attn_sub_norm"},
    {TensorRole::attn_out_norm, "self_attn.inner_attn_ln"}, {TensorRole::ffn_down_norm, "mlp.ffn_sub_norm"},
    {TensorRole::ffn_down_norm, "mlp.ffn_layernorm"},
};

constexpr Family kFamilies[] = {{.architecture = "bitnet",
                                 .models = "BitNet b1.58",
                                 .read = read_bitnet,
                                 .types = kTypes,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace bitnet

std::span<const Family> bitnet_families() { return bitnet::kFamilies; }

}  // namespace plumb::family
