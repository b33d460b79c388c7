// MiMo-V2: values shorter than keys, scaled; layers with a window have sinks, a base of their own and more KV heads;
// dense layers, then experts that are chosen by sigmoids with a bias of the choice.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace mimo {
namespace {

/// config.json tells the kinds of layers by a number for each, and what each kind has by fields.
void read_layers_of_json(const Keys& keys, ModelSpec& spec) {
  const Field pattern{"", "hybrid_layer_pattern"};
  const std::vector<int> windowed = keys.numbers(pattern);
  if (windowed.size() != spec.layers.size())
    keys.fail(ErrorCode::bad_value, pattern,
              "has " + std::to_string(windowed.size()) + " entries, expected one for each of the " +
                  std::to_string(spec.n_layers()) + " layers");
  const int window = keys.count({"", "sliding_window"}, SpecLimits::kContext);
  for (const auto& [own, usual] : {std::pair{"swa_head_dim", "head_dim"}, std::pair{"swa_v_head_dim", "v_head_dim"}}) {
    const Field field{"", own};
    if (keys.has(field) &&
        keys.count(field, SpecLimits::kHeadDim) != keys.count_or({"", usual}, 0, SpecLimits::kHeadDim))
      keys.fail(ErrorCode::unsupported_architecture, field,
                "differs from " + std::string(usual) + ", expected the same");
  }
  const Field heads{"", "swa_num_key_value_heads"};
  const int values = keys.count_or({"", "v_head_dim"}, first_attention(spec)->head_dim, SpecLimits::kHeadDim);
  for (std::size_t l = 0; l < windowed.size(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[l].mixer);
    attention.value_dim = values == attention.head_dim ? 0 : values;
    attention.out_bias = false;
    attention.sinks = keys.flag_or(
        {"", windowed[l] != 0 ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias"}, windowed[l] != 0);
    if (windowed[l] == 0) continue;
    attention.window = window;
    attention.n_heads = keys.count_or({"", "swa_num_attention_heads"}, attention.n_heads, SpecLimits::kHeads);
    attention.n_kv_heads = keys.count_or(heads, attention.n_kv_heads, SpecLimits::kHeads);
    if (attention.n_heads % attention.n_kv_heads != 0)
      keys.fail(ErrorCode::bad_value, heads,
                "is " + std::to_string(attention.n_kv_heads) + ", expected a divisor of the " +
                    std::to_string(attention.n_heads) + " heads");
  }
}

ModelSpec read_mimo2(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  if (keys.is_gguf()) {
    read_windows(keys, spec);
    for (int l = 0; l < spec.n_layers(); ++l)
      std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer).sinks =
          keys.tensor_exists({TensorRole::attn_sinks, l, false});
  } else {
    read_layers_of_json(keys, spec);
  }
  rotate_windows_by(spec, plain_rope(spec.ropes[0], keys.real_or({"rope.freq_base_swa", "swa_rope_theta"}, 10000.0f)));
  const float scale = keys.real_or({"attention.value_scale", "attention_value_scale"}, 1.0f);
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.value_scale = scale; });
  const std::vector<int> sparse = keys.numbers({"", "moe_layer_freq"});
  ExpertStyle experts;
  experts.choice_bias = true;
  experts.sparse = [&](int layer) {
    const auto l = static_cast<std::size_t>(layer);
    return sparse.empty() || (l < sparse.size() && sparse[l] != 0);
  };
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, true);
  drop_guessing_layers(keys, spec);
  return spec;
}

void write_mimo2(GgufWriter& writer, const ModelSpec& spec) {
  const AttentionSpec* attention = first_attention(spec);
  if (attention && attention->value_scale != 1.0f) writer.set("mimo2.attention.value_scale", attention->value_scale);
}

constexpr Alias kNames[] = {{"num_experts", "n_routed_experts"}, {"rms_norm_eps", "layernorm_epsilon"}};
constexpr ModelType kTypes[] = {
    {"mimo_v2_flash", R"({"max_position_embeddings":32768,"layernorm_epsilon":1e-5,"partial_rotary_factor":0.334})",
     kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::attn_sinks, "self_attn.attention_sink_bias", nullptr, Suffix::none},
};

constexpr Family kFamilies[] = {{.architecture = "mimo2",
                                 .models = "MiMo-V2",
                                 .read = read_mimo2,
                                 .types = kTypes,
                                 .write = write_mimo2,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace mimo

std::span<const Family> mimo_families() { return mimo::kFamilies; }

}  // namespace plumb::family
