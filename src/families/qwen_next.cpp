// Qwen 3 Next, 3.5 and 3.6: gated delta nets in most layers, attention with gates on its output in the others; a part
// of each head is rotated. Files hold the norms' weights plus one already, and A as -exp(A).

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace qwen_next {
namespace {

using Limits = SpecLimits;

const Field kInterval{"full_attention_interval", "full_attention_interval"};
const Field kValueHeads{"ssm.time_step_rank", "linear_num_value_heads"};

/// Layers with a delta net: by a list, or all but the last of each group of so many.
std::vector<bool> delta_layers(const Keys& keys, int layers) {
  if (const auto listed = keys.flags({"attention.recurrent_layers", ""}, layers)) return *listed;
  const Field types{"", "layer_types"};
  const std::vector<std::string> kinds = keys.texts(types);
  const int interval = keys.count_or(kInterval, 4, Limits::kLayers);
  std::vector<bool> delta;
  for (int l = 0; l < layers; ++l) delta.push_back((l + 1) % interval != 0);
  if (kinds.empty()) return delta;
  if (kinds.size() != delta.size())
    keys.fail(ErrorCode::bad_value, types,
              "has " + std::to_string(kinds.size()) + " entries, expected one for each of the " +
                  std::to_string(layers) + " layers");
  for (std::size_t l = 0; l < kinds.size(); ++l) {
    if (kinds[l] != "linear_attention" && kinds[l] != "full_attention")
      keys.fail(ErrorCode::bad_value, types, "holds neither linear_attention nor full_attention");
    delta[l] = kinds[l] == "linear_attention";
  }
  return delta;
}

DeltaNetSpec read_delta(const Keys& keys, const NormSpec& norm) {
  DeltaNetSpec delta;
  delta.k_heads = keys.count({"ssm.group_count", "linear_num_key_heads"}, Limits::kHeads);
  delta.v_heads = keys.count(kValueHeads, Limits::kHeads);
  delta.k_dim = keys.count({"ssm.state_size", "linear_key_head_dim"}, Limits::kStateDim);
  delta.kernel = keys.count({"ssm.conv_kernel", "linear_conv_kernel_dim"}, kMaxConvolution);
  delta.norm = norm;
  if (delta.v_heads % delta.k_heads != 0)
    keys.fail(ErrorCode::bad_value, kValueHeads,
              "is " + std::to_string(delta.v_heads) + ", expected a multiple of the " + std::to_string(delta.k_heads) +
                  " key heads");
  if (!keys.is_gguf()) {
    delta.v_dim = keys.count({"", "linear_value_head_dim"}, Limits::kStateDim);
    return delta;
  }
  const Field inner{"ssm.inner_size", ""};
  const int values = keys.count(inner, Limits::kFfn);
  if (values % delta.v_heads != 0 || values / delta.v_heads > Limits::kStateDim)
    keys.fail(ErrorCode::bad_value, inner,
              "is " + std::to_string(values) + ", expected a multiple of the " + std::to_string(delta.v_heads) +
                  " value heads, of at most " + std::to_string(Limits::kStateDim) + " each");
  delta.v_dim = values / delta.v_heads;
  return delta;
}

/// What all of them have in common. `change`: what a family's delta nets have of their own.
template <class Change>
ModelSpec read_hybrid(const Keys& keys, const Change& change) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  for_each_attention(spec, [](AttentionSpec& attention) { attention.output_gate = OutputGate::in_queries; });
  norm_queries_and_keys(spec, QkNormOver::head);
  const std::vector<bool> layers = delta_layers(keys, spec.n_layers());
  if (std::find(layers.begin(), layers.end(), true) != layers.end()) {
    DeltaNetSpec delta = read_delta(keys, *spec.output.norm);
    change(delta);
    for (std::size_t l = 0; l < spec.layers.size(); ++l)
      if (layers[l]) spec.layers[l].mixer = delta;
  }
  return spec;
}

ModelSpec read_qwen35(const Keys& keys) {
  ModelSpec spec = read_hybrid(keys, [](DeltaNetSpec& delta) { delta.tiled = true; });
  drop_guessing_layers(keys, spec);
  return spec;
}

/// Experts in every layer that is not listed as dense, and one that all rows visit, with a gate.
void read_hybrid_experts(const Keys& keys, ModelSpec& spec) {
  ExpertStyle style;
  style.shared_gate = true;
  if (keys.is_gguf()) {
    const int visited = keys.count({"expert_used_count", ""}, Limits::kExperts);
    style.shared_inner = dense_inner(spec);
    style.fallback_inner = std::max(1, dense_inner(spec) / visited);
  }
  const int step = keys.count_or({"", "decoder_sparse_step"}, 1, Limits::kLayers);
  const std::vector<int> dense = keys.numbers({"", "mlp_only_layers"});
  style.sparse = [&](int layer) {
    return (layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
  };
  read_experts(keys, spec, style);
  drop_guessing_layers(keys, spec);
}

ModelSpec read_qwen35_moe(const Keys& keys) {
  ModelSpec spec = read_hybrid(keys, [](DeltaNetSpec& delta) { delta.tiled = true; });
  read_hybrid_experts(keys, spec);
  plain_expert_weights(spec, false);
  return spec;
}

ModelSpec read_qwen3_next(const Keys& keys) {
  ModelSpec spec = read_hybrid(keys, [](DeltaNetSpec& delta) { delta.steps_by_group = true; });
  read_hybrid_experts(keys, spec);
  if (keys.is_gguf()) plain_expert_weights(spec, false);
  return spec;
}

void write_hybrid(GgufWriter& writer, const ModelSpec& spec) {
  const std::string prefix = spec.family + ".";
  const DeltaNetSpec* delta = nullptr;
  std::vector<bool> layers;
  for (const LayerSpec& layer : spec.layers) {
    const auto* own = std::get_if<DeltaNetSpec>(&layer.mixer);
    layers.push_back(own != nullptr);
    if (own && !delta) delta = own;
  }
  const auto first_full = std::find(layers.begin(), layers.end(), false);
  const std::size_t interval = static_cast<std::size_t>(first_full - layers.begin()) + 1;
  bool regular = true;
  for (std::size_t l = 0; l < layers.size(); ++l) regular = regular && layers[l] == ((l + 1) % interval != 0);
  writer.set(prefix + "full_attention_interval", static_cast<std::uint32_t>(interval));
  if (!regular) {
    GgufArray flags(GgufType::boolean);
    for (const bool own : layers) flags.add(own);
    writer.set(prefix + "attention.recurrent_layers", flags);
  }
  if (spec.family != "qwen3next") write_rope_sections(writer, spec);
  if (!delta) return;
  const auto count = [&](const char* key, int value) { writer.set(prefix + key, static_cast<std::uint32_t>(value)); };
  count("ssm.conv_kernel", delta->kernel);
  count("ssm.state_size", delta->k_dim);
  count("ssm.group_count", delta->k_heads);
  count("ssm.time_step_rank", delta->v_heads);
  count("ssm.inner_size", delta->v_cols());
}

constexpr RoleName kTensors[] = {{TensorRole::ffn_norm, "post_attention_norm"}};

// partial_rotary_factor: theirs is a quarter where nothing is said.
constexpr ModelType kQwen35[] = {
    {"qwen3_5_text",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":4,"head_dim":256,
         "partial_rotary_factor":0.25,"linear_conv_kernel_dim":4,"linear_key_head_dim":128,
         "linear_value_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32})"},
    {"qwen3_5", "{}", {}, "qwen3_5_text"}};
constexpr ModelType kQwen35Moe[] = {
    {"qwen3_5_moe_text",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":2,"head_dim":256,
         "intermediate_size":5632,"partial_rotary_factor":0.25,"linear_conv_kernel_dim":4,"linear_key_head_dim":128,
         "linear_value_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32,
         "shared_expert_intermediate_size":512})"},
    {"qwen3_5_moe", "{}", {}, "qwen3_5_moe_text"}};
constexpr ModelType kQwen3Next[] = {
    {"qwen3_next",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":2,"head_dim":256,
         "intermediate_size":5632,"partial_rotary_factor":0.25,"linear_conv_kernel_dim":4,"linear_key_head_dim":128,
         "linear_value_head_dim":128,"linear_num_key_heads":16,"linear_num_value_heads":32,"norm_topk_prob":true,
         "shared_expert_intermediate_size":512})"}};

// -- folders ----------------------------------------------------------------------------------------------------------

const DeltaNetSpec& delta_of(const Asked& asked) { return std::get<DeltaNetSpec>(asked.layer().mixer); }

/// Qwen 3.5's folders have the value heads of a key head together; files for which ours are made have the first of each
/// key head, then the second of each. `each`: rows, or columns, of a head; `before`: those before the first head.
std::function<std::int64_t(std::int64_t)> tiled(const DeltaNetSpec& delta, std::int64_t each, std::int64_t before = 0) {
  const std::int64_t keys = delta.k_heads, values = delta.v_heads / delta.k_heads;
  return [=](std::int64_t i) {
    if (i < before) return i;
    const std::int64_t head = (i - before) / each;
    return before + (head % keys * values + head / keys) * each + (i - before) % each;
  };
}
Gather take_tiled_channels(const Asked& asked) {
  const DeltaNetSpec& delta = delta_of(asked);
  return {.row = tiled(delta, delta.v_dim, 2 * std::int64_t{delta.q_cols()})};
}
Gather take_tiled_values(const Asked& asked) { return {.row = tiled(delta_of(asked), delta_of(asked).v_dim)}; }
Gather take_tiled_heads(const Asked& asked) { return {.row = tiled(delta_of(asked), 1)}; }
Gather take_tiled_rates(const Asked& asked) {
  Gather gather = take_minus_exp(asked);
  gather.row = tiled(delta_of(asked), 1);
  return gather;
}
Gather take_tiled_inputs(const Asked& asked) {
  const DeltaNetSpec& delta = delta_of(asked);
  if (delta.v_heads == delta.k_heads) return {};  // in their order already, so that they need no copy
  return {.col = tiled(delta, delta.v_dim)};
}

/// Qwen 3 Next's folders have q, k, v and z of each key head together.
Gather take_group_channels(const Asked& asked) {
  const DeltaNetSpec& delta = delta_of(asked);
  const std::int64_t k = delta.k_dim, v = std::int64_t{delta.v_heads / delta.k_heads} * delta.v_dim;
  const std::int64_t group = 2 * k + 2 * v, keys = delta.k_heads * k;
  return {.rows = delta.k_heads * group, .row = [=](std::int64_t r) {
            if (r < keys) return r / k * group + r % k;
            if (r < 2 * keys) return (r - keys) / k * group + k + (r - keys) % k;
            return (r - 2 * keys) / v * group + 2 * k + (r - 2 * keys) % v;
          }};
}
Gather take_group_gates(const Asked& asked) {
  const DeltaNetSpec& delta = delta_of(asked);
  const std::int64_t k = delta.k_dim, v = std::int64_t{delta.v_heads / delta.k_heads} * delta.v_dim;
  const std::int64_t group = 2 * k + 2 * v;
  return {.rows = delta.k_heads * group, .row = [=](std::int64_t r) { return r / v * group + 2 * k + v + r % v; }};
}

constexpr Place kTiledPlaces[] = {
    {TensorRole::attn_qkv, "linear_attn.in_proj_qkv", take_tiled_channels},
    {TensorRole::attn_gate, "linear_attn.in_proj_z", take_tiled_values},
    {TensorRole::ssm_conv, "linear_attn.conv1d", take_tiled_channels},
    {TensorRole::ssm_beta, "linear_attn.in_proj_b", take_tiled_heads},
    {TensorRole::ssm_alpha, "linear_attn.in_proj_a", take_tiled_heads},
    {TensorRole::ssm_a, "linear_attn.A_log", take_tiled_rates, Suffix::none},
    {TensorRole::ssm_dt, "linear_attn.dt", take_tiled_heads, Suffix::underscore},
    {TensorRole::ssm_norm, "linear_attn.norm"},
    {TensorRole::ssm_out, "linear_attn.out_proj", take_tiled_inputs},
};
constexpr Place kGroupPlaces[] = {
    {TensorRole::attn_qkv, "linear_attn.in_proj_qkvz", take_group_channels},
    {TensorRole::attn_gate, "linear_attn.in_proj_qkvz", take_group_gates},
    {TensorRole::ssm_conv, "linear_attn.conv1d"},
    {TensorRole::ssm_beta_alpha, "linear_attn.in_proj_ba"},
    {TensorRole::ssm_a, "linear_attn.A_log", take_minus_exp, Suffix::none},
    {TensorRole::ssm_dt, "linear_attn.dt", nullptr, Suffix::underscore},
    {TensorRole::ssm_norm, "linear_attn.norm"},
    {TensorRole::ssm_out, "linear_attn.out_proj"},
};

constexpr Family kFamilies[] = {
    {.architecture = "qwen35",
     .models = "Qwen 3.5 and 3.6",
     .read = read_qwen35,
     .types = kQwen35,
     .write = write_hybrid,
     .names = kTensors,
     .folder = {.places = kTiledPlaces, .norms_less_one = true}},
    {.architecture = "qwen35moe",
     .models = "Qwen 3.5 and 3.6 with experts",
     .read = read_qwen35_moe,
     .types = kQwen35Moe,
     .write = write_hybrid,
     .names = kTensors,
     .folder = {.places = kTiledPlaces, .norms_less_one = true}},
    {.architecture = "qwen3next",
     .models = "Qwen 3 Next",
     .read = read_qwen3_next,
     .types = kQwen3Next,
     .write = write_hybrid,
     .names = kTensors,
     .folder = {.places = kGroupPlaces, .norms_less_one = true}},
};

}  // namespace
}  // namespace qwen_next

std::span<const Family> qwen_next_families() { return qwen_next::kFamilies; }

}  // namespace plumb::family
