// SmallThinker: the router reads the stream as it is before the layer; experts with a ReLU gate in every layer. Where
// the model has windows, the first of each four layers has none and does not rotate.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace smallthinker {
namespace {

/// Constants of the engine that GGUF files are made for, which config.json has fields for.
constexpr int kWindow = 4096;
constexpr int kPeriod = 4;

void read_layers_of_gguf(const Keys& keys, ModelSpec& spec) {
  if (keys.natural_or({"attention.sliding_window", ""}, 0, SpecLimits::kContext) == 0) return;
  const int n = spec.n_layers();
  const Field pattern{"attention.sliding_window_pattern", ""};
  const int period = keys.flags(pattern, n) ? kPeriod : keys.natural_or(pattern, kPeriod, SpecLimits::kLayers);
  for (int l = 0; l < n; ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    if (period == 0 || l % period != 0) attention.window = kWindow;
    if (n != kPeriod && l % kPeriod == 0) attention.rope = -1;
  }
  read_base_of_windows(keys, spec);
}

/// A number for each layer: 1 with a window, 1 with rotation.
void read_layers_of_json(const Keys& keys, ModelSpec& spec) {
  const int window = keys.natural_or({"", "sliding_window_size"}, 0, SpecLimits::kContext);
  for (const Field& field : {Field{"", "sliding_window_layout"}, Field{"", "rope_layout"}}) {
    const std::vector<int> layout = keys.numbers(field);
    if (layout.empty()) continue;
    if (layout.size() != spec.layers.size())
      keys.fail(ErrorCode::bad_value, field,
                "has " + std::to_string(layout.size()) + " entries, expected one for each of the " +
                    std::to_string(spec.n_layers()) + " layers");
    for (std::size_t l = 0; l < layout.size(); ++l) {
      auto& attention = std::get<AttentionSpec>(spec.layers[l].mixer);
      if (field.json == "rope_layout" && layout[l] == 0) attention.rope = -1;
      if (field.json != "rope_layout" && layout[l] != 0) attention.window = window;
    }
  }
}

ModelSpec read_smallthinker(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.activation = Activation::relu;
  ModelSpec spec = read_decoder(keys, style);
  if (keys.is_gguf())
    read_layers_of_gguf(keys, spec);
  else
    read_layers_of_json(keys, spec);
  ExpertStyle experts;
  experts.sigmoid = !keys.is_gguf() && !keys.flag_or({"", "moe_primary_router_apply_softmax"}, false);
  read_experts(keys, spec, experts);
  plain_expert_weights(spec, first_experts(spec)->routing.sigmoid);
  for_each_experts(spec, [](ExpertsSpec& own) {
    own.choice_bias = false;
    own.shared.inner = 0;
    own.route_early = true;
  });
  return spec;
}

constexpr Alias kNames[] = {{"num_experts", "moe_num_primary_experts"},
                            {"num_experts_per_tok", "moe_num_active_primary_experts"},
                            {"moe_intermediate_size", "moe_ffn_hidden_size"},
                            {"intermediate_size", "moe_ffn_hidden_size"},
                            {"hidden_act", ""}};
constexpr ModelType kTypes[] = {{"smallthinker", R"({"max_position_embeddings":4096,"rms_norm_eps":1e-6})", kNames}};

constexpr Place kPlaces[] = {
    {TensorRole::router, "block_sparse_moe.primary_router"},
    {TensorRole::expert_gate, "block_sparse_moe.experts.{}.gate"},
    {TensorRole::expert_up, "block_sparse_moe.experts.{}.up"},
    {TensorRole::expert_down, "block_sparse_moe.experts.{}.down"},
};

constexpr Family kFamilies[] = {{.architecture = "smallthinker",
                                 .models = "SmallThinker",
                                 .read = read_smallthinker,
                                 .types = kTypes,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace smallthinker

std::span<const Family> smallthinker_families() { return smallthinker::kFamilies; }

}  // namespace plumb::family
