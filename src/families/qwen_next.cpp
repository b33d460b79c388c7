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

constexpr Family kFamilies[] = {
    {"qwen35", "Qwen 3.5 and 3.6", read_qwen35, kQwen35, write_hybrid, kTensors},
    {"qwen35moe", "Qwen 3.5 and 3.6 with experts", read_qwen35_moe, kQwen35Moe, write_hybrid, kTensors},
    {"qwen3next", "Qwen 3 Next", read_qwen3_next, kQwen3Next, write_hybrid, kTensors},
};

}  // namespace
}  // namespace qwen_next

std::span<const Family> qwen_next_families() { return qwen_next::kFamilies; }

}  // namespace plumb::family
