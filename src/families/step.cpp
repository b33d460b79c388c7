// Step 3.5: layers with a window have head counts and a rotation of their own; a gate on each head's sum; dense layers,
// then experts beside one that all rows visit; some layers bound what their gates let through.

#include <algorithm>
#include <sstream>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace step {
namespace {

/// config.json tells the kinds of layers by name, and the head counts of those with a window in an object.
void read_layers_of_json(const Keys& keys, ModelSpec& spec) {
  const Field types{"", "layer_types"};
  std::vector<std::string> kinds = keys.texts(types);
  if (kinds.size() < spec.layers.size())
    keys.fail(ErrorCode::bad_value, types,
              "has " + std::to_string(kinds.size()) + " entries, expected one for each of the " +
                  std::to_string(spec.n_layers()) + " layers");
  const int window = keys.count({"", "sliding_window"}, SpecLimits::kContext);
  const Keys other = keys.within("attention_other_setting");
  const Field kv{"", "num_attention_groups"};
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[l].mixer);
    attention.qkv_bias = attention.out_bias = false;
    if (keys.flag_or({"", "use_head_wise_attn_gate"}, true)) attention.output_gate = OutputGate::head;
    attention.qk_norm_over = keys.flag_or({"", "use_qk_norm"}, true) ? QkNormOver::head : QkNormOver::none;
    if (kinds[l] != "sliding_attention") continue;
    attention.window = window;
    attention.n_heads = other.count({"", "num_attention_heads"}, SpecLimits::kHeads);
    attention.n_kv_heads = other.count(kv, SpecLimits::kHeads);
    if (attention.n_heads % attention.n_kv_heads != 0)
      other.fail(ErrorCode::bad_value, kv,
                 "is " + std::to_string(attention.n_kv_heads) + ", expected a divisor of the " +
                     std::to_string(attention.n_heads) + " heads");
  }
}

void read_layers_of_gguf(const Keys& keys, ModelSpec& spec) {
  read_windows(keys, spec);
  for (int l = 0; l < spec.n_layers(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    if (keys.tensor_exists({TensorRole::attn_gate, l, false})) attention.output_gate = OutputGate::head;
    if (keys.tensor_exists({TensorRole::attn_q_norm, l, false})) attention.qk_norm_over = QkNormOver::head;
  }
}

/// Layers without a window rotate half of the dimensions that the others do, and only they are stretched.
void read_rotations(const Keys& keys, ModelSpec& spec) {
  RopeSpec& global = spec.ropes[0];
  const int full = global.dims;
  float base = keys.real_or({"rope.freq_base_swa", ""}, 10000.0f);
  const Field bases{"", "rope_theta"};  // one for each layer, the first of which has no window
  if (keys.is_array(bases) && keys.reals(bases).size() > 1) base = static_cast<float>(keys.reals(bases)[1]);
  if (keys.has_object("rope_parameters") && keys.within("rope_parameters").has_object("sliding_attention"))
    base = keys.within("rope_parameters").within("sliding_attention").real({"", "rope_theta"});
  RopeSpec local = plain_rope(global, base);
  local.dims = keys.count_or({"rope.dimension_count_swa", ""}, full, SpecLimits::kHeadDim);
  global.dims = full / 2;
  rotate_windows_by(spec, local);
}

/// Layers with experts are listed as numbers with commas between.
std::vector<int> read_sparse(const Keys& keys) {
  std::vector<int> layers;
  const Field field{"", "moe_layers_enum"};
  std::istringstream text(keys.text_or(field, ""));
  for (std::string part; std::getline(text, part, ',');) {
    const bool number = !part.empty() && part.size() < 9 && part.find_first_not_of("0123456789 ") == std::string::npos;
    if (!number || part.find_first_of("0123456789") == std::string::npos)
      keys.fail(ErrorCode::bad_value, field, "is no list of numbers with commas between");
    layers.push_back(std::stoi(part));
  }
  return layers;
}

void read_step_experts(const Keys& keys, ModelSpec& spec) {
  const std::vector<int> listed = read_sparse(keys);
  ExpertStyle style;
  style.sigmoid = true;
  style.choice_bias = keys.flag_or({"", "use_moe_router_bias"}, true);
  style.renormalise = false;
  style.sparse = [&](int layer) { return std::find(listed.begin(), listed.end(), layer) != listed.end(); };
  read_experts(keys, spec, style);
  const int n = spec.n_layers();
  const std::vector<float> limits = keys.reals_per_layer({"swiglu_clamp_exp", "swiglu_limits"}, 0.0f, n);
  const std::vector<float> shared = keys.reals_per_layer({"swiglu_clamp_shexp", "swiglu_limits_shared"}, 0.0f, n);
  constexpr float kNone = 1e-6f;  // up to there the engine that GGUF files are made for sees no limit
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const float own = limits[l] > kNone ? limits[l] : 0.0f, other = shared[l] > kNone ? shared[l] : 0.0f;
    if (auto* experts = std::get_if<ExpertsSpec>(&spec.layers[l].ffn)) {
      experts->expert.limit = own;
      experts->shared.limit = other;
    } else {
      std::get<DenseSpec>(spec.layers[l].ffn).limit = other;
    }
  }
}

ModelSpec read_step35(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.qk_norm = *spec.output.norm; });
  if (keys.is_gguf())
    read_layers_of_gguf(keys, spec);
  else
    read_layers_of_json(keys, spec);
  for_each_attention(spec, [](AttentionSpec& attention) {
    if (attention.qk_norm_over == QkNormOver::none) attention.qk_norm = {};
  });
  read_rotations(keys, spec);
  read_step_experts(keys, spec);
  drop_guessing_layers(keys, spec);
  return spec;
}

void write_step35(GgufWriter& writer, const ModelSpec& spec) {
  if (!spec.ropes.empty())
    writer.set("step35.rope.dimension_count", static_cast<std::uint32_t>(2 * spec.ropes[0].dims));
  if (spec.ropes.size() > 1)
    writer.set("step35.rope.dimension_count_swa", static_cast<std::uint32_t>(spec.ropes[1].dims));
  GgufArray experts(GgufType::f32), others(GgufType::f32);
  bool any = false;
  for (const LayerSpec& layer : spec.layers) {
    const auto* own = std::get_if<ExpertsSpec>(&layer.ffn);
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    const float limit = own ? own->expert.limit : 0.0f;
    const float other = own ? own->shared.limit : dense ? dense->limit : 0.0f;
    experts.add(limit);
    others.add(other);
    any |= limit > 0 || other > 0;
  }
  if (!any) return;
  writer.set("step35.swiglu_clamp_exp", experts);
  writer.set("step35.swiglu_clamp_shexp", others);
}

constexpr Alias kNames[] = {{"num_key_value_heads", "num_attention_groups"},
                            {"num_experts", "moe_num_experts"},
                            {"num_experts_per_tok", "moe_top_k"},
                            {"shared_expert_intermediate_size", "share_expert_dim"},
                            {"routed_scaling_factor", "moe_router_scaling_factor"},
                            {"norm_topk_prob", "norm_expert_weight"},
                            {"scoring_func", "moe_router_activation"}};
constexpr ModelType kTypes[] = {
    {"step3p5", R"({"max_position_embeddings":65536,"rms_norm_eps":1e-5,"norm_expert_weight":true})", kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::attn_gate, "self_attn.g_proj"},
    {TensorRole::router, "moe.gate"},
    {TensorRole::router_choice_bias, "moe.router_bias", nullptr, Suffix::none},
    {TensorRole::expert_gate, "moe.gate_proj"},
    {TensorRole::expert_up, "moe.up_proj"},
    {TensorRole::expert_down, "moe.down_proj"},
    {TensorRole::shared_gate, "share_expert.gate_proj"},
    {TensorRole::shared_up, "share_expert.up_proj"},
    {TensorRole::shared_down, "share_expert.down_proj"},
};

constexpr Family kFamilies[] = {{.architecture = "step35",
                                 .models = "Step 3.5",
                                 .read = read_step35,
                                 .types = kTypes,
                                 .write = write_step35,
                                 .folder = {.places = kPlaces, .norms_less_one = true}}};

}  // namespace
}  // namespace step

std::span<const Family> step_families() { return step::kFamilies; }

}  // namespace plumb::family
