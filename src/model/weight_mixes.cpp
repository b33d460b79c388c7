#include "plumb/model/weight_mixes.hpp"

#include <algorithm>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

const WeightMix& find_mix(std::string_view name) {
  const std::string wanted = lower(name);
  for (const WeightMix& mix : weight_mixes())
    if (mix.name == wanted) return mix;
  std::string known;
  for (const WeightMix& mix : weight_mixes()) known += (known.empty() ? "" : ", ") + std::string(mix.name);
  throw Error(ErrorCode::invalid_argument, "no weight type named " + quote(name) + "; known: " + known);
}

/// Layers whose value and down projections have more bits in the _M mixes.
bool has_more_bits(int layer, int n_layers) {
  const int eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

/// Types that change from layer to layer: of the value projection, of the down projection.
void set_layers(WeightTypes& types, std::string_view name, int n_layers) {
  const auto set = [&](TensorRole role, int layer, DType type) { types.set(role, layer, type); };
  const auto set_down = [&](int layer, DType type) {
    for (const TensorRole role : {TensorRole::ffn_down, TensorRole::expert_down, TensorRole::shared_down})
      set(role, layer, type);
  };
  for (int l = 0; l < n_layers; ++l) {
    if (name == "q4_k_m" || name == "q5_k_m") {
      if (!has_more_bits(l, n_layers)) continue;
      set(TensorRole::attn_v, l, DType::q6_k);
      set_down(l, DType::q6_k);
    } else if (name == "q4_k_s") {
      if (l < 4) set(TensorRole::attn_v, l, DType::q5_k);
      if (l < n_layers / 8) set_down(l, DType::q5_k);
    } else if (name == "q3_k_m") {
      set(TensorRole::attn_v, l, l < 2 ? DType::q5_k : DType::q4_k);
      set(TensorRole::attn_out, l, DType::q4_k);
      set_down(l, l < n_layers / 16 ? DType::q5_k : DType::q4_k);
    }
  }
}

/// Beside the eight experts of a Mixtral attention is small: its matrices get more bits.
void set_beside_eight_experts(WeightTypes& types, DType matrices) {
  types.set(TensorRole::attn_k, DType::q8_0).set(TensorRole::attn_v, DType::q8_0);
  if (matrices != DType::q5_k) types.set(TensorRole::attn_out, DType::q5_k);
}

}  // namespace

const std::vector<WeightMix>& weight_mixes() {
  static const std::vector<WeightMix> mixes = {
      {"f32", DType::f32, 0},
      {"f16", DType::f16, 1},
      {"bf16", DType::bf16, 32},
      {"q4_0", DType::q4_0, 2},
      {"q4_1", DType::q4_1, 3},
      {"q5_0", DType::q5_0, 8},
      {"q5_1", DType::q5_1, 9},
      {"q8_0", DType::q8_0, 7},
      {"q2_k", DType::q2_k, 10},
      {"q3_k", DType::q3_k, 11},
      {"q4_k", DType::q4_k, 14},
      {"q5_k", DType::q5_k, 16},
      {"q6_k", DType::q6_k, 18},
      {"iq4_nl", DType::iq4_nl, 25},
      {"iq4_xs", DType::iq4_xs, 30},
      {"mxfp4", DType::mxfp4, 38},
      {"q3_k_m", DType::q3_k, 12},
      {"q4_k_s", DType::q4_k, 14},
      {"q4_k_m", DType::q4_k, 15},
      {"q5_k_s", DType::q5_k, 16},
      {"q5_k_m", DType::q5_k, 17},
      {"int4g32", DType::int4g32, kNoFileType},
      {"int4g64", DType::int4g64, kNoFileType},
      {"int4g128", DType::int4g128, kNoFileType},
      {"int4row", DType::int4row, kNoFileType},
      {"int4g32z", DType::int4g32z, kNoFileType},
      {"int4g64z", DType::int4g64z, kNoFileType},
      {"int4g128z", DType::int4g128z, kNoFileType},
      {"int4rowz", DType::int4rowz, kNoFileType},
      {"int8g32", DType::int8g32, kNoFileType},
      {"int8g64", DType::int8g64, kNoFileType},
      {"int8g128", DType::int8g128, kNoFileType},
      {"int8row", DType::int8row, kNoFileType},
      {"int8g32z", DType::int8g32z, kNoFileType},
      {"int8g64z", DType::int8g64z, kNoFileType},
      {"int8g128z", DType::int8g128z, kNoFileType},
      {"int8rowz", DType::int8rowz, kNoFileType},
  };
  return mixes;
}

WeightTypes weight_types_by_name(std::string_view name, const ModelSpec& spec) {
  const WeightMix& mix = find_mix(name);
  WeightTypes types(mix.matrices);
  if (!mix.name.ends_with("_s") && !mix.name.ends_with("_m")) return types;
  types.set(spec.tied_head ? TensorRole::token_embedding : TensorRole::head, DType::q6_k);
  set_layers(types, mix.name, spec.n_layers);
  if (spec.moe.count == 8) set_beside_eight_experts(types, mix.matrices);
  return types;
}

std::int32_t gguf_file_type(std::string_view name) {
  const WeightMix& mix = find_mix(name);
  if (mix.gguf_file_type == kNoFileType)
    throw Error(ErrorCode::unsupported_type,
                "type " + quote(name) +
                    " exists in memory only, no file format has it; give it to a command that runs "
                    "models, such as bench or generate");
  return mix.gguf_file_type;
}

}  // namespace plumb
