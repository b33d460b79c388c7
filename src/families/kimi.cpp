// Kimi Linear: most layers have a delta net whose key channels decay each by itself, the others latent attention that
// rotates nothing. Decays and gates are made by two narrow matrices each, of the rank of a head. Leading dense layers,
// then experts. GGUF files tell the kinds of layers by their KV heads, config.json by lists that count from 1.

#include <optional>
#include <string>
#include <vector>

#include "decoder.hpp"
#include "latent.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace kimi {
namespace {

using Limits = SpecLimits;

constexpr std::string_view kDeltaNets = "linear_attn_config";

/// Layers that config.json lists. Models that were cut short may list more than they have.
std::vector<bool> marked(const Keys& keys, const Field& field, int layers) {
  std::vector<bool> all(static_cast<std::size_t>(layers), false);
  for (const int number : keys.numbers(field)) {
    if (number < 1)
      keys.fail(ErrorCode::bad_value, field, "holds " + std::to_string(number) + ", expected layers counted from 1");
    if (number <= layers) all[static_cast<std::size_t>(number) - 1] = true;
  }
  return all;
}

/// By one list, or by two that name every layer once.
std::vector<bool> listed_delta_layers(const Keys& keys, int layers) {
  const Field nets{"", "kda_layers"}, full{"", "full_attn_layers"};
  std::vector<bool> others = marked(keys, full, layers);
  if (!keys.has(nets)) {
    if (!keys.has(full)) keys.fail(ErrorCode::missing_key, nets, "is missing, as is full_attn_layers");
    others.flip();
    return others;
  }
  std::vector<bool> delta = marked(keys, nets, layers);
  if (!keys.has(full)) return delta;
  for (std::size_t l = 0; l < delta.size(); ++l)
    if (delta[l] == others[l])
      keys.fail(ErrorCode::bad_value, nets,
                "and full_attn_layers name layer " + std::to_string(l + 1) + (delta[l] ? " both" : " neither") +
                    ", expected one of the two");
  return delta;
}

/// `nets`: what config.json says of the delta nets; nothing: there are none.
std::vector<bool> delta_layers(const Keys& keys, const std::optional<Keys>& nets, int layers) {
  const auto n = static_cast<std::size_t>(layers);
  if (!keys.is_gguf()) return nets ? listed_delta_layers(*nets, layers) : std::vector<bool>(n, false);
  const Field kv_heads{"attention.head_count_kv", ""};
  std::vector<bool> delta(n, false);
  if (!keys.has(kv_heads)) return delta;
  const std::vector<int> heads = keys.per_layer(kv_heads, layers, Limits::kHeads, 0);
  for (std::size_t l = 0; l < n; ++l) delta[l] = heads[l] == 0;
  return delta;
}

/// Queries, keys and values have the same heads.
DeltaNetSpec read_delta_net(const Keys& keys, const NormSpec& norm) {
  DeltaNetSpec delta;
  delta.k_heads = delta.v_heads = keys.count({"attention.head_count", "num_heads"}, Limits::kHeads);
  delta.k_dim = delta.v_dim = keys.count({"kda.head_dim", "head_dim"}, Limits::kStateDim);
  delta.decay_rank = delta.gate_rank = delta.k_dim;
  delta.kernel = keys.count({"ssm.conv_kernel", "short_conv_kernel_size"}, kMaxConvolution);
  delta.fused = false;
  delta.sigmoid_gate = true;
  delta.norm = norm;
  return delta;
}

/// The larger model of this model_type has blocks that this one has not.
void refuse_later_blocks(const Keys& keys, const std::optional<Keys>& nets) {
  const auto refuse = [](const Keys& own, const Field& field) {
    own.fail(ErrorCode::unsupported_architecture, field, "is set, which is not known here");
  };
  for (const Field field : {Field{"", "mla_use_output_gate"}, Field{"", "latent_moe_use_norm"}})
    if (keys.flag_or(field, false)) refuse(keys, field);
  for (const Field field : {Field{"", "attn_res_block_size"}, Field{"", "routed_expert_hidden_size"}})
    if (keys.has(field)) refuse(keys, field);
  const Field still{"", "mla_use_nope"};
  if (!keys.flag_or(still, true))
    keys.fail(ErrorCode::unsupported_architecture, still,
              "is false: latent attention of this model that rotates is not known here");
  if (!nets) return;
  const Field whole{"", "use_full_rank_gate"}, bound{"", "gate_lower_bound"};
  if (nets->flag_or(whole, false)) refuse(*nets, whole);
  if (nets->has(bound)) refuse(*nets, bound);
}

void read_kimi_experts(const Keys& keys, ModelSpec& spec) {
  const int first = keys.natural_or({"", "first_k_dense_replace"}, 0, Limits::kLayers);
  const int step = keys.count_or({"", "moe_layer_freq"}, 1, Limits::kLayers);
  ExpertStyle style;
  style.sigmoid = true;
  style.choice_bias = true;
  style.sparse = [=](int layer) { return layer >= first && layer % step == 0; };
  read_experts(keys, spec, style);
  // The engine that GGUF files are made for divides by the sum, whatever the keys say.
  if (keys.is_gguf()) for_each_experts(spec, [](ExpertsSpec& experts) { experts.routing.renormalise = true; });
}

ModelSpec read_kimi_linear(const Keys& keys) {
  Style style;
  style.attention = false;
  ModelSpec spec = read_decoder(keys, style);
  const NormSpec norm = *spec.output.norm;
  const std::optional<Keys> nets = keys.object(kDeltaNets);
  if (!keys.is_gguf()) refuse_later_blocks(keys, nets);
  const std::vector<bool> delta = delta_layers(keys, nets, spec.n_layers());
  std::optional<DeltaNetSpec> net;
  for (int l = 0; l < spec.n_layers(); ++l) {
    Mixer& mixer = spec.layers[static_cast<std::size_t>(l)].mixer;
    if (!delta[static_cast<std::size_t>(l)]) {
      mixer = read_latent(keys, norm, l);
      continue;
    }
    if (!net) net = read_delta_net(nets ? *nets : keys, norm);
    mixer = *net;
  }
  if (keys.natural_or({"expert_count", "num_experts"}, 0, Limits::kExperts) > 0) read_kimi_experts(keys, spec);
  drop_guessing_layers(keys, spec);
  return spec;
}

void write_kimi_linear(GgufWriter& writer, const ModelSpec& spec) {
  const auto count = [&](const char* key, int value) {
    writer.set(spec.family + "." + key, static_cast<std::uint32_t>(value));
  };
  const LatentAttentionSpec* latent = first_latent(spec);
  const DeltaNetSpec* net = nullptr;
  GgufArray kv_heads(GgufType::u32);
  for (const LayerSpec& layer : spec.layers) {
    const auto* own = std::get_if<DeltaNetSpec>(&layer.mixer);
    if (own && !net) net = own;
    kv_heads.add(std::uint32_t{own ? 0u : 1u});
  }
  writer.set(spec.family + ".attention.head_count_kv", kv_heads);
  if (latent) count("rope.dimension_count", latent->rope_dims);
  if (!net) return;
  if (!latent) count("attention.head_count", net->v_heads);
  count("ssm.conv_kernel", net->kernel);
  count("kda.head_dim", net->k_dim);
}

constexpr Alias kNames[] = {
    {"max_position_embeddings", "model_max_length"}, {"num_experts_per_tok", "num_experts_per_token"},
    {"n_shared_experts", "num_shared_experts"},      {"n_group", "num_expert_group"},
    {"norm_topk_prob", "moe_renormalize"},           {"scoring_func", "moe_router_activation_func"}};

constexpr ModelType kTypes[] = {
    {"kimi_linear",
     R"({"vocab_size":163840,"rms_norm_eps":1e-6,"num_attention_heads":32,"moe_renormalize":true,
         "moe_router_activation_func":"sigmoid","num_expert_group":1,"topk_group":1})",
     kNames}};

constexpr Place kOwnPlaces[] = {
    {TensorRole::router_choice_bias, "block_sparse_moe.gate.e_score_correction_bias", nullptr, Suffix::none},
    {TensorRole::shared_gate, "block_sparse_moe.shared_experts.gate_proj"},
    {TensorRole::shared_up, "block_sparse_moe.shared_experts.up_proj"},
    {TensorRole::shared_down, "block_sparse_moe.shared_experts.down_proj"},
    {TensorRole::ssm_conv_q, "self_attn.q_conv1d"},
    {TensorRole::ssm_conv_k, "self_attn.k_conv1d"},
    {TensorRole::ssm_conv_v, "self_attn.v_conv1d"},
    {TensorRole::ssm_decay_down, "self_attn.f_a_proj"},
    {TensorRole::ssm_decay_up, "self_attn.f_b_proj"},
    {TensorRole::ssm_gate_down, "self_attn.g_a_proj"},
    {TensorRole::ssm_gate_up, "self_attn.g_b_proj"},
    {TensorRole::ssm_beta, "self_attn.b_proj"},
    {TensorRole::ssm_a, "self_attn.A_log", take_minus_exp, Suffix::none},
    {TensorRole::ssm_dt, "self_attn.dt", nullptr, Suffix::underscore},
    {TensorRole::ssm_norm, "self_attn.o_norm"},
};
constexpr auto kPlaces = joined(kMixtralPlaces, kOwnPlaces);

constexpr Family kFamilies[] = {{.architecture = "kimi-linear",
                                 .models = "Kimi Linear",
                                 .read = read_kimi_linear,
                                 .types = kTypes,
                                 .write = write_kimi_linear,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace kimi

std::span<const Family> kimi_families() { return kimi::kFamilies; }

}  // namespace plumb::family
