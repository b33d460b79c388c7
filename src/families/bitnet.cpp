// BitNet b1.58: norms before the output projection of attention and before the down projection; the head is always the
// embedding. The weights of a matrix are -s, 0 and s, which files spell out.

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

constexpr Family kFamilies[] = {{"bitnet", "BitNet b1.58", read_bitnet, kTypes}};

}  // namespace
}  // namespace bitnet

std::span<const Family> bitnet_families() { return bitnet::kFamilies; }

}  // namespace plumb::family
