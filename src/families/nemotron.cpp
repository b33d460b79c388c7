// Nemotron, Nemotron-H and Arcee: feed-forward blocks of two matrices with a squared ReLU between them. Layers of
// Nemotron-H have one part each: Mamba 2, attention without rotation, or a feed-forward block, perhaps of experts.

#include "decoder.hpp"
#include "plumb/core/printable.hpp"
#include "registry.hpp"
#include "state_space.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace nemotron {
namespace {

using Limits = SpecLimits;

/// Norm weights stand in GGUF files as they are multiplied with.
ModelSpec read_nemotron(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.norm = NormKind::layer;
  style.activation = Activation::relu2;
  style.gated = false;
  return read_decoder(keys, style);
}

ModelSpec read_arcee(const Keys& keys) {
  Style style;
  style.activation = Activation::relu2;
  style.gated = false;
  return read_decoder(keys, style);
}

/// Kinds of layers by config.json: M, * (attention), - (dense), E (experts), a letter or a word for each.
std::string read_pattern(const Keys& keys, int layers) {
  const Field letters{"", "hybrid_override_pattern"}, words{"", "layers_block_type"};
  const bool by_words = !keys.has(letters);
  std::string pattern = by_words ? std::string() : keys.text_or(letters, "");
  if (by_words)
    for (const std::string& word : keys.texts(words))
      pattern += word == "mamba" ? 'M' : word == "attention" ? '*' : word == "mlp" ? '-' : word == "moe" ? 'E' : '?';
  const Field& field = by_words ? words : letters;
  if (pattern.size() != static_cast<std::size_t>(layers))
    keys.fail(ErrorCode::bad_value, field,
              "names " + std::to_string(pattern.size()) + " layers, expected " + std::to_string(layers));
  if (pattern.find_first_not_of("M*-E") != std::string::npos)
    keys.fail(ErrorCode::bad_value, field, "names a kind of layer that is not known here, expected M, *, - and E");
  return pattern;
}

/// One part a layer. GGUF: by its inner width, then its KV heads.
void keep_one_part(LayerSpec& layer, bool attends, bool feeds) {
  if (!attends) layer.mixer = Nothing{};
  if (feeds) {
    layer.mixer_branch.norm.reset();
  } else {
    layer.ffn = Nothing{};
    layer.ffn_branch.norm.reset();
  }
}

ModelSpec read_nemotron_h(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::none;
  style.activation = Activation::relu2;
  style.gated = false;
  style.other_mixers = true;
  style.feed_forwards = FeedForwards::some;
  ModelSpec spec = read_decoder(keys, style);
  const std::string pattern = keys.is_gguf() ? std::string() : read_pattern(keys, spec.n_layers());
  std::vector<char> feeds;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    LayerSpec& layer = spec.layers[l];
    const bool feed =
        keys.is_gguf() ? std::holds_alternative<DenseSpec>(layer.ffn) : pattern[l] == '-' || pattern[l] == 'E';
    const bool attends =
        keys.is_gguf() ? !feed && std::holds_alternative<AttentionSpec>(layer.mixer) : pattern[l] == '*';
    keep_one_part(layer, attends, feed);
    feeds.push_back(feed ? 1 : 0);
  }
  std::optional<StateSpaceSpec> space;
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    Mixer& mixer = spec.layers[l].mixer;
    if (feeds[l] != 0 || !std::holds_alternative<Nothing>(mixer)) continue;
    if (!space) space = read_mamba2(keys, spec);
    mixer = state_space_of(keys, *space, static_cast<int>(l));
  }
  if (!keys.is_gguf() ? pattern.find('E') == std::string::npos : !keys.has({"expert_count", ""})) return spec;
  const Field latent{"moe_latent_size", "moe_latent_size"};
  if (keys.natural_or(latent, 0, Limits::kWidth) > 0)
    keys.fail(ErrorCode::unsupported_type, latent, "is there: experts of a compressed input are not known here");
  ExpertStyle experts;
  experts.sigmoid = experts.choice_bias = true;
  experts.renormalise = false;
  experts.sparse = [&](int layer) { return pattern[static_cast<std::size_t>(layer)] == 'E'; };
  read_experts(keys, spec, experts);
  return spec;
}

void write_nemotron_h(GgufWriter& writer, const ModelSpec& spec) {
  write_kv_heads(writer, spec);
  write_state_space(writer, spec);
  GgufArray inner(GgufType::u32);
  for (const LayerSpec& layer : spec.layers) {
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    inner.add(static_cast<std::uint32_t>(dense ? dense->inner : experts ? experts->expert.inner : 0));
  }
  writer.set(spec.family + ".feed_forward_length", inner);
}

/// There is one norm a layer.
constexpr RoleName kOneNorm[] = {{TensorRole::ffn_norm, "attn_norm"}};

constexpr Alias kNemotronHNames[] = {
    {"rms_norm_eps", "layer_norm_epsilon"}, {"hidden_act", "mlp_hidden_act"},
    {"head_dim", "attention_head_dim"},     {"state_size", "ssm_state_size"},
    {"num_heads", "mamba_num_heads"},       {"expand", ""},
    {"num_experts", "n_routed_experts"},    {"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"}};

constexpr std::string_view kNemotronHDefaults =
    R"({"max_position_embeddings":4096,"layer_norm_epsilon":1e-5,"mlp_hidden_act":"relu2","num_key_value_heads":8,
        "intermediate_size":21504,"conv_kernel":4,"ssm_state_size":128,"mamba_num_heads":128,"mamba_head_dim":64,
        "n_groups":8,"norm_topk_prob":true})";

constexpr ModelType kNemotronH[] = {{"nemotron_h", kNemotronHDefaults, kNemotronHNames}};
constexpr ModelType kNemotronHMoe[] = {{"nemotron_h", kNemotronHDefaults, kNemotronHNames, {}, "num_experts_per_tok"}};

constexpr Alias kNemotronNames[] = {{"layer_norm_eps", "norm_eps"}};

constexpr ModelType kNemotron[] = {
    {"nemotron", R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"partial_rotary_factor":0.5})",
     kNemotronNames}};
constexpr ModelType kArcee[] = {{"arcee", R"({"max_position_embeddings":4096,"rms_norm_eps":1e-5})"}};

constexpr Place kOwnHybridPlaces[] = {
    {TensorRole::token_embedding, "embeddings"},
    {TensorRole::output_norm, "norm_f"},
    {TensorRole::attn_norm, "norm"},
    {TensorRole::ffn_norm, "norm"},
    {TensorRole::attn_q, "mixer.q_proj"},
    {TensorRole::attn_k, "mixer.k_proj"},
    {TensorRole::attn_v, "mixer.v_proj"},
    {TensorRole::attn_out, "mixer.o_proj"},
    {TensorRole::ffn_up, "mixer.up_proj"},
    {TensorRole::ffn_down, "mixer.down_proj"},
    {TensorRole::router, "mixer.gate"},
    {TensorRole::router_choice_bias, "mixer.gate.e_score_correction_bias", nullptr, Suffix::none},
    {TensorRole::expert_up, "mixer.experts.{}.up_proj"},
    {TensorRole::expert_down, "mixer.experts.{}.down_proj"},
    {TensorRole::shared_up, "mixer.shared_experts.up_proj"},
    {TensorRole::shared_down, "mixer.shared_experts.down_proj"},
    {TensorRole::ssm_dt, "mixer.dt", nullptr, Suffix::underscore},
};
constexpr auto kHybridPlaces = joined(kOwnHybridPlaces, kMixerPlaces);

constexpr Family kFamilies[] = {
    {.architecture = "nemotron",
     .models = "Nemotron 4, Minitron",
     .read = read_nemotron,
     .types = kNemotron,
     .folder = {.norms_less_one = true}},
    {.architecture = "arcee", .models = "AFM", .read = read_arcee, .types = kArcee, .folder = {.halves = true}},
    {.architecture = "nemotron_h",
     .models = "Nemotron-H, Nemotron Nano 2",
     .read = read_nemotron_h,
     .types = kNemotronH,
     .write = write_nemotron_h,
     .names = kOneNorm,
     .folder = {.places = kHybridPlaces}},
    {.architecture = "nemotron_h_moe",
     .models = "Nemotron 3 Nano",
     .read = read_nemotron_h,
     .types = kNemotronHMoe,
     .write = write_nemotron_h,
     .names = kOneNorm,
     .folder = {.places = kHybridPlaces}},
};

}  // namespace
}  // namespace nemotron

std::span<const Family> nemotron_families() { return nemotron::kFamilies; }

}  // namespace plumb::family
