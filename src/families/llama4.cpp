// Llama 4, text: three layers of four attend within chunks of the text and rotate, and norm the heads of q and k behind
// the rotation, without weights; the fourth sees everything, and its queries grow with the position. Some layers have
// experts, of which a row visits the best with its input multiplied by the sigmoid of its score, beside one that all
// rows visit.

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace llama4 {
namespace {

/// Constants of the engine that GGUF files are made for, which config.json has fields for.
constexpr int kChunk = 8192;
constexpr int kPeriod = 4;
constexpr int kFloor = 8192;
constexpr int kExpertsWithoutNorm = 128;
constexpr float kGrowth = 0.1f;

/// What tells the layers apart.
struct Kinds {
  std::vector<bool> rotates, chunks;
  int chunk = kChunk;
  TemperatureSpec temperature = {kGrowth, kFloor, 1};
  bool norms = true;
};

Kinds read_kinds_of_gguf(const Keys& keys, int layers) {
  Kinds kinds;
  const Field window{"attention.sliding_window", ""};
  const bool all_alike = keys.has(window) && keys.natural_or(window, 0, SpecLimits::kContext) == 0;
  const Field pattern{"attention.sliding_window_pattern", ""};
  const int period = keys.flags(pattern, layers) ? kPeriod : keys.natural_or(pattern, kPeriod, SpecLimits::kLayers);
  for (int l = 0; l < layers; ++l) {
    kinds.rotates.push_back(all_alike || (l + 1) % kPeriod != 0);
    kinds.chunks.push_back(!all_alike && (period == 0 || (l + 1) % period != 0));
  }
  if (all_alike) kinds.temperature = {};
  kinds.norms = keys.natural_or({"expert_count", ""}, 0, SpecLimits::kExperts) != kExpertsWithoutNorm;
  return kinds;
}

Kinds read_kinds_of_json(const Keys& keys, int layers) {
  Kinds kinds;
  const Field rotating{"", "no_rope_layers"};  // 1 where a layer rotates, 0 where it has no rope
  const std::vector<int> rotates = keys.numbers(rotating);
  const int period = keys.count_or({"", "no_rope_layer_interval"}, kPeriod, SpecLimits::kLayers);
  if (!rotates.empty() && rotates.size() != static_cast<std::size_t>(layers))
    keys.fail(ErrorCode::bad_value, rotating,
              "has " + std::to_string(rotates.size()) + " entries, expected one for each of the " +
                  std::to_string(layers) + " layers");
  const Field types{"", "layer_types"};
  const std::vector<std::string> names = keys.texts(types);
  if (!names.empty() && names.size() != static_cast<std::size_t>(layers))
    keys.fail(ErrorCode::bad_value, types,
              "has " + std::to_string(names.size()) + " entries, expected one for each of the " +
                  std::to_string(layers) + " layers");
  kinds.chunk = keys.natural_or({"", "attention_chunk_size"}, kChunk, SpecLimits::kContext);
  for (int l = 0; l < layers; ++l) {
    const auto i = static_cast<std::size_t>(l);
    kinds.rotates.push_back(rotates.empty() ? (l + 1) % period != 0 : rotates[i] != 0);
    kinds.chunks.push_back(kinds.chunk > 0 && (names.empty() ? kinds.rotates[i] : names[i] == "chunked_attention"));
  }
  const Field growth{"", "attn_temperature_tuning"};  // true or false; of the first files 4 or 0
  const bool grows =
      keys.is_number(growth) ? keys.natural_or(growth, 0, SpecLimits::kLayers) > 0 : keys.flag_or(growth, true);
  kinds.temperature.scale = grows ? keys.real_or({"", "attn_scale"}, kGrowth) : 0.0f;
  kinds.temperature.floor = keys.count_or({"", "floor_scale"}, kFloor, SpecLimits::kContext);
  if (kinds.temperature.scale == 0) kinds.temperature = {};
  kinds.norms = keys.flag_or({"", "use_qk_norm"}, true);
  return kinds;
}

void read_llama4_experts(const Keys& keys, ModelSpec& spec) {
  const int step = keys.natural_or({"interleave_moe_layer_step", "interleave_moe_layer_step"}, 1, SpecLimits::kLayers);
  const std::vector<int> listed = keys.numbers({"", "moe_layers"});
  ExpertStyle style;
  style.sigmoid = true;
  style.sparse = [&](int layer) {
    if (!listed.empty()) return std::find(listed.begin(), listed.end(), layer) != listed.end();
    return step > 0 && (layer + 1) % step == 0;
  };
  read_experts(keys, spec, style);
  for_each_experts(spec, [](ExpertsSpec& experts) {
    experts.shared.inner = experts.expert.inner;
    experts.weigh_input = true;
    experts.choice_bias = false;
    experts.routing = {.sigmoid = true, .renormalise = false, .by_score = true};
  });
}

ModelSpec read_llama4(const Keys& keys) {
  ModelSpec spec = read_decoder(keys, {});
  const Kinds kinds =
      keys.is_gguf() ? read_kinds_of_gguf(keys, spec.n_layers()) : read_kinds_of_json(keys, spec.n_layers());
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[l].mixer);
    if (kinds.chunks[l]) attention.chunk = kinds.chunk;
    if (!kinds.rotates[l]) {
      attention.rope = -1;
      attention.temperature = kinds.temperature;
    } else if (kinds.norms) {
      attention.qk_norm_over = QkNormOver::head;
      attention.qk_norm = *spec.output.norm;
      attention.qk_norm.weight = false;
      attention.qk_norm_after_rope = true;
    }
  }
  read_base_of_windows(keys, spec);
  read_llama4_experts(keys, spec);
  return spec;
}

/// Which layers have experts is told by their tensors here; other engines ask for the period.
void write_llama4(GgufWriter& writer, const ModelSpec& spec) {
  std::uint32_t step = 0;
  for (int l = spec.n_layers() - 1; l >= 0; --l)
    if (std::holds_alternative<ExpertsSpec>(spec.layers[static_cast<std::size_t>(l)].ffn))
      step = static_cast<std::uint32_t>(l + 1);
  writer.set("llama4.interleave_moe_layer_step", step);
  std::vector<bool> chunks;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) chunks.push_back(attention->chunk > 0);
  const auto first = std::find(chunks.begin(), chunks.end(), false);
  if (first == chunks.begin() && std::find(chunks.begin(), chunks.end(), true) == chunks.end())
    writer.set("llama4.attention.sliding_window", std::uint32_t{0});
  else
    writer.set("llama4.attention.sliding_window_pattern",
               static_cast<std::uint32_t>(first == chunks.end() ? 0 : first - chunks.begin() + 1));
}

constexpr Alias kNames[] = {{"intermediate_size", "intermediate_size_mlp"},
                            {"moe_intermediate_size", "intermediate_size"},
                            {"num_experts", "num_local_experts"}};
constexpr ModelType kTypes[] = {
    {"llama4_text",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":8,"head_dim":128,
         "rope_theta":500000.0,"intermediate_size":8192,"intermediate_size_mlp":16384,"num_experts_per_tok":1,
         "num_local_experts":16})",
     kNames},
    {"llama4", "{}", {}, "llama4_text"}};

constexpr Place kPlaces[] = {
    {TensorRole::ffn_gate, "feed_forward.gate_proj"},
    {TensorRole::ffn_up, "feed_forward.up_proj"},
    {TensorRole::ffn_down, "feed_forward.down_proj"},
    {TensorRole::router, "feed_forward.router"},
    {TensorRole::expert_gate, "feed_forward.experts.gate_up_proj", take_turned_gate_up, Suffix::none},
    {TensorRole::expert_up, "feed_forward.experts.gate_up_proj", take_turned_gate_up, Suffix::none},
    {TensorRole::expert_down, "feed_forward.experts.down_proj", take_turned, Suffix::none},
    {TensorRole::shared_gate, "feed_forward.shared_expert.gate_proj"},
    {TensorRole::shared_up, "feed_forward.shared_expert.up_proj"},
    {TensorRole::shared_down, "feed_forward.shared_expert.down_proj"},
};

constexpr Family kFamilies[] = {{.architecture = "llama4",
                                 .models = "Llama 4, text",
                                 .read = read_llama4,
                                 .types = kTypes,
                                 .write = write_llama4,
                                 .folder = {.places = kPlaces}}};

}  // namespace
}  // namespace llama4

std::span<const Family> llama4_families() { return llama4::kFamilies; }

}  // namespace plumb::family
