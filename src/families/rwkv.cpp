// RWKV 7: time mixing with a state of fixed size, channel mixing, both with token shift, layer norms with biases, one
// of them behind the embedding. The values of the first layer are mixed into those of the others; files hold low-rank
// matrices for that of the first layer too, which nobody reads.

#include <algorithm>
#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace rwkv {
namespace {

using Limits = SpecLimits;

/// Any distance is seen; files say 2^20 positions, whatever config.json says.
constexpr int kContext = 1 << 20;

/// A field of config.json by the one of its two names that is there; the second where none is.
Field either(const Keys& keys, std::string_view gguf, std::string_view name, std::string_view other) {
  return {gguf, keys.has({"", name}) ? name : other};
}

/// The rank of a low-rank product. A config.json without it means one that follows from the width, in steps of 32.
int read_rank(const Keys& keys, const Field& field, int width, double exponent, double factor) {
  if (keys.is_gguf() || keys.has(field)) return keys.count(field, Limits::kWidth);
  const double steps = std::nearbyint(std::pow(static_cast<double>(width), exponent) * factor / 32);
  return 32 * std::max(1, static_cast<int>(steps));
}

RwkvSpec read_mixing(const Keys& keys, int width) {
  const Field head = either(keys, "wkv.head_size", "head_size", "head_dim");
  RwkvSpec mixing;
  mixing.head_dim = keys.count(head, Limits::kStateDim);
  if (width % mixing.head_dim != 0 || width / mixing.head_dim > Limits::kHeads)
    keys.fail(ErrorCode::bad_value, head,
              "is " + std::to_string(mixing.head_dim) + ", expected a divisor of the width, " + std::to_string(width) +
                  ", for at most " + std::to_string(Limits::kHeads) + " heads");
  mixing.heads = width / mixing.head_dim;
  const auto rank = [&](std::string_view gguf, std::string_view name, std::string_view other, double exponent,
                        double factor) {
    return read_rank(keys, either(keys, gguf, name, other), width, exponent, factor);
  };
  mixing.decay_rank = rank("attention.decay_lora_rank", "lora_rank_decay", "decay_low_rank_dim", 0.5, 1.8);
  mixing.rate_rank = rank("attention.iclr_lora_rank", "lora_rank_iclr", "a_low_rank_dim", 0.5, 1.8);
  mixing.first_rank =
      rank("attention.value_residual_mix_lora_rank", "lora_rank_value_residual_mix", "v_low_rank_dim", 0.5, 1.3);
  mixing.gate_rank = rank("attention.gate_lora_rank", "lora_rank_gate", "gate_low_rank_dim", 0.8, 0.6);
  return mixing;
}

ModelSpec read_rwkv7(const Keys& keys) {
  Style style;
  style.norm = NormKind::layer;
  style.activation = Activation::relu2;
  style.gated = false;
  style.inner_multiple = 4;
  style.attention = false;
  ModelSpec spec = read_decoder(keys, style);
  if (!keys.is_gguf()) spec.context = kContext;
  const Field shifts{"token_shift_count", ""};
  if (keys.natural_or(shifts, 2, Limits::kLayers) != 2)
    keys.fail(ErrorCode::unsupported_type, shifts,
              "is not 2: token shift of the time mixing or of the channel mixing alone is not known here");
  for (const Field& field : {Field{"", "norm_bias"}, Field{"", "wkv_has_gate"}})
    if (!keys.flag_or(field, true))
      keys.fail(ErrorCode::unsupported_type, field, "is false: layers without biases or gates are not known here");
  NormSpec norm = *spec.output.norm;
  norm.eps = keys.real(either(keys, "attention.layer_norm_epsilon", "layer_norm_epsilon", "norm_eps"));
  spec.output.norm = norm;
  const bool first = keys.is_gguf() ? keys.tensor_exists({TensorRole::embedding_norm, -1, false})
                                    : keys.flag_or({"", "norm_first"}, true);
  if (first) spec.embedding.norm = norm;
  RwkvSpec mixing = read_mixing(keys, spec.width);
  const int first_rank = mixing.first_rank;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    LayerSpec& layer = spec.layers[l];
    mixing.first_rank = l == 0 ? 0 : first_rank;
    layer.mixer = mixing;
    layer.mixer_branch.norm = layer.ffn_branch.norm = norm;
    std::get<DenseSpec>(layer.ffn).shift = true;
  }
  return spec;
}

void write_rwkv7(GgufWriter& writer, const ModelSpec& spec) {
  const auto* first = std::get_if<RwkvSpec>(&spec.layers.front().mixer);
  const auto* last = std::get_if<RwkvSpec>(&spec.layers.back().mixer);
  if (!first || !last) return;
  const auto count = [&](const char* key, int value) {
    writer.set(spec.family + "." + key, static_cast<std::uint32_t>(value));
  };
  count("attention.head_count", 0);
  count("wkv.head_size", first->head_dim);
  count("attention.decay_lora_rank", first->decay_rank);
  count("attention.iclr_lora_rank", first->rate_rank);
  // A model of one layer has none, but readers ask for one.
  count("attention.value_residual_mix_lora_rank", std::max(1, last->first_rank));
  count("attention.gate_lora_rank", first->gate_rank);
}

constexpr RoleName kTensors[] = {{TensorRole::ffn_norm, "attn_norm_2"},
                                 {TensorRole::ffn_up, "channel_mix_key"},
                                 {TensorRole::ffn_down, "channel_mix_value"}};
// The activation has no other name than "sqrelu" there; the width inside is four widths where it is null.
constexpr Alias kAliases[] = {{"layer_norm_eps", "norm_eps"}, {"hidden_act", ""}};
constexpr ModelType kRwkv7[] = {
    {"rwkv7", R"({"max_position_embeddings":1048576,"norm_eps":1e-5,"head_dim":64})", kAliases}};

/// The names of the flash-linear-attention library, whose class the models are saved by.
constexpr Place kPlaces[] = {
    {TensorRole::token_embedding, "embeddings"},
    {TensorRole::embedding_norm, "layers.0.pre_norm"},
    {TensorRole::attn_norm, "attn_norm"},
    {TensorRole::ffn_norm, "ffn_norm"},
    {TensorRole::mix_lerp, "attn.x_{}", nullptr, Suffix::none, "rwkvag"},
    {TensorRole::mix_lerp, "attn.x_x", nullptr, Suffix::none},
    {TensorRole::mix_receptance, "attn.r_proj"},
    {TensorRole::mix_key, "attn.k_proj"},
    {TensorRole::mix_value, "attn.v_proj"},
    {TensorRole::mix_decay, "attn.w_lora.lora.2.bias", nullptr, Suffix::none},
    {TensorRole::mix_decay_down, "attn.w_lora.lora.0"},
    {TensorRole::mix_decay_up, "attn.w_lora.lora.2"},
    {TensorRole::mix_rate, "attn.a_lora.lora.2.bias", nullptr, Suffix::none},
    {TensorRole::mix_rate_down, "attn.a_lora.lora.0"},
    {TensorRole::mix_rate_up, "attn.a_lora.lora.2"},
    {TensorRole::mix_first, "attn.v_lora.lora.2.bias", nullptr, Suffix::none},
    {TensorRole::mix_first_down, "attn.v_lora.lora.0"},
    {TensorRole::mix_first_up, "attn.v_lora.lora.2"},
    {TensorRole::mix_gate_down, "attn.g_lora.lora.0"},
    {TensorRole::mix_gate_up, "attn.g_lora.lora.2"},
    {TensorRole::mix_key_scale, "attn.k_k", nullptr, Suffix::none},
    {TensorRole::mix_key_rate, "attn.k_a", nullptr, Suffix::none},
    {TensorRole::mix_bonus, "attn.r_k", nullptr, Suffix::none},
    {TensorRole::mix_norm, "attn.g_norm"},
    {TensorRole::mix_out, "attn.o_proj"},
    {TensorRole::ffn_shift, "ffn.x_k", nullptr, Suffix::none},
    {TensorRole::ffn_up, "ffn.key"},
    {TensorRole::ffn_down, "ffn.value"},
};

constexpr Family kFamilies[] = {{.architecture = "rwkv7",
                                 .models = "RWKV 7",
                                 .read = read_rwkv7,
                                 .types = kRwkv7,
                                 .write = write_rwkv7,
                                 .names = kTensors,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace rwkv

std::span<const Family> rwkv_families() { return rwkv::kFamilies; }

}  // namespace plumb::family
