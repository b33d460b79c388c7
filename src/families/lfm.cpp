// LFM 2: gated short convolutions in most layers, attention with normed heads of q and k in the others; the norm before
// the head is called as one after the embedding would be. GGUF files tell the kinds of layers by their KV heads.

#include <algorithm>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace lfm {
namespace {

using Limits = SpecLimits;

/// config.json: layers with attention, by the kinds of all or by a list of numbers.
void read_kinds(const Keys& keys, ModelSpec& spec) {
  const Field types{"", "layer_types"}, full{"", "full_attn_idxs"};
  const std::vector<std::string> kinds = keys.texts(types);
  const std::vector<int> listed = keys.numbers(full);
  if (kinds.empty() && listed.empty()) return;
  if (!kinds.empty() && kinds.size() != spec.layers.size())
    keys.fail(ErrorCode::bad_value, types,
              "has " + std::to_string(kinds.size()) + " entries, expected one for each of the " +
                  std::to_string(spec.n_layers()) + " layers");
  for (int l = 0; l < spec.n_layers(); ++l) {
    const auto i = static_cast<std::size_t>(l);
    if (!kinds.empty() && kinds[i] != "conv" && kinds[i] != "full_attention")
      keys.fail(ErrorCode::bad_value, types, "holds neither conv nor full_attention");
    const bool attends =
        kinds.empty() ? std::find(listed.begin(), listed.end(), l) != listed.end() : kinds[i] == "full_attention";
    if (!attends) spec.layers[i].mixer = Nothing{};
  }
}

ModelSpec read_lfm2(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.other_mixers = true;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::head);
  if (keys.is_gguf())
    read_windows(keys, spec);
  else
    read_kinds(keys, spec);
  const Field bias{"", "conv_bias"};
  if (keys.flag_or(bias, false))
    keys.fail(ErrorCode::unsupported_type, bias, "is true: short convolutions with biases are not known here");
  for (int l = 0; l < spec.n_layers(); ++l) {
    Mixer& mixer = spec.layers[static_cast<std::size_t>(l)].mixer;
    if (!std::holds_alternative<Nothing>(mixer)) continue;
    const int kernel = keys.count({"shortconv.l_cache", "conv_L_cache"}, kMaxConvolution);
    mixer = ShortConvSpec{.channels = spec.width, .kernel = kernel};
    for (const TensorRole role : {TensorRole::shortconv_in, TensorRole::shortconv_conv, TensorRole::shortconv_out})
      if (keys.tensor_exists({role, l, true}))
        keys.fail_tensor(ErrorCode::unsupported_type, {role, l, true},
                         "is there: short convolutions with biases are not known here");
  }
  return spec;
}

/// config.json gives the inner width before it is cut to two thirds and rounded up.
void adjust_inner(const Keys& keys, ModelSpec& spec) {
  const Field multiple{"", "block_multiple_of"}, share{"", "block_ffn_dim_multiplier"};
  const int given = keys.count_or({"", "block_ff_dim"}, dense_inner(spec), Limits::kFfn);
  int inner = given;
  if (keys.flag_or({"", "block_auto_adjust_ff_dim"}, true)) {
    const int step = keys.count(multiple, Limits::kFfn);
    const double part = static_cast<double>(keys.real_or(share, 1.0f)) * (2 * given / 3);
    if (!(part >= 1 && part <= Limits::kFfn))
      keys.fail(ErrorCode::bad_value, share, "leaves no inner width from 1 to " + std::to_string(Limits::kFfn));
    inner = ceil_div(static_cast<int>(part), step) * step;
  }
  for (LayerSpec& layer : spec.layers) std::get<DenseSpec>(layer.ffn).inner = inner;
}

ModelSpec read_lfm2_dense(const Keys& keys) {
  ModelSpec spec = read_lfm2(keys);
  if (!keys.is_gguf()) adjust_inner(keys, spec);
  return spec;
}

ModelSpec read_lfm2_moe(const Keys& keys) {
  ModelSpec spec = read_lfm2(keys);
  const int leading = keys.natural_or({"leading_dense_block_count", "first_k_dense_replace"}, 0, spec.n_layers());
  ExpertStyle style;
  style.sigmoid = true;
  style.choice_bias = keys.flag_or({"", "use_expert_bias"}, true);
  style.sparse = [&](int layer) { return layer >= leading; };
  read_experts(keys, spec, style);
  // The engine that GGUF files are made for divides by the sum, whatever the keys say.
  if (keys.is_gguf()) for_each_experts(spec, [](ExpertsSpec& experts) { experts.routing.renormalise = true; });
  return spec;
}

void write_lfm2(GgufWriter& writer, const ModelSpec& spec) {
  const std::string prefix = spec.family + ".";
  const AttentionSpec* first = first_attention(spec);
  GgufArray kv_heads(GgufType::u32);
  const ShortConvSpec* convolution = nullptr;
  for (const LayerSpec& layer : spec.layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    kv_heads.add(static_cast<std::uint32_t>(attention ? attention->n_kv_heads : 0));
    if (const auto* own = std::get_if<ShortConvSpec>(&layer.mixer)) convolution = own;
  }
  writer.set(prefix + "attention.head_count", static_cast<std::uint32_t>(first ? first->n_heads : 1));
  writer.set(prefix + "attention.head_count_kv", kv_heads);
  if (convolution) writer.set(prefix + "shortconv.l_cache", static_cast<std::uint32_t>(convolution->kernel));
}

constexpr RoleName kTensors[] = {{TensorRole::output_norm, "token_embd_norm"}};
constexpr Alias kAliases[] = {{"rms_norm_eps", "norm_eps"}};
constexpr Alias kMoeAliases[] = {{"rms_norm_eps", "norm_eps"}, {"first_k_dense_replace", "num_dense_layers"}};

constexpr ModelType kLfm2[] = {
    {"lfm2",
     R"({"max_position_embeddings":128000,"norm_eps":1e-5,"num_attention_heads":32,"num_key_value_heads":8,
         "intermediate_size":12288,"conv_L_cache":3,"block_multiple_of":256,"rope_theta":1000000.0,
         "tie_word_embeddings":true})",
     kAliases}};
constexpr ModelType kLfm2Moe[] = {
    {"lfm2_moe",
     R"({"max_position_embeddings":128000,"norm_eps":1e-5,"num_attention_heads":32,"num_key_value_heads":8,
         "intermediate_size":7168,"moe_intermediate_size":1792,"num_dense_layers":2,"num_experts":32,
         "num_experts_per_tok":4,"norm_topk_prob":true,"routed_scaling_factor":1.0,"conv_L_cache":3,
         "rope_theta":1000000.0,"tie_word_embeddings":true})",
     kMoeAliases}};

constexpr Place kPlaces[] = {
    {TensorRole::output_norm, "embedding_norm"},
    {TensorRole::attn_norm, "operator_norm"},
    {TensorRole::ffn_norm, "ffn_norm"},
    {TensorRole::attn_out, "self_attn.out_proj"},
    {TensorRole::attn_q_norm, "self_attn.q_layernorm"},
    {TensorRole::attn_k_norm, "self_attn.k_layernorm"},
    {TensorRole::shortconv_in, "conv.in_proj"},
    {TensorRole::shortconv_conv, "conv.conv"},
    {TensorRole::shortconv_out, "conv.out_proj"},
    {TensorRole::ffn_gate, "feed_forward.w1"},
    {TensorRole::ffn_up, "feed_forward.w3"},
    {TensorRole::ffn_down, "feed_forward.w2"},
    {TensorRole::router, "feed_forward.gate"},
    {TensorRole::router_choice_bias, "feed_forward.expert_bias", nullptr, Suffix::none},
    {TensorRole::expert_gate, "feed_forward.experts.{}.w1"},
    {TensorRole::expert_up, "feed_forward.experts.{}.w3"},
    {TensorRole::expert_down, "feed_forward.experts.{}.w2"},
    {TensorRole::expert_gate, "feed_forward.experts.gate_up_proj", take_gate_up, Suffix::none},
    {TensorRole::expert_up, "feed_forward.experts.gate_up_proj", take_gate_up, Suffix::none},
    {TensorRole::expert_down, "feed_forward.experts.down_proj", nullptr, Suffix::none},
};

constexpr Family kFamilies[] = {
    {.architecture = "lfm2",
     .models = "LFM 2",
     .read = read_lfm2_dense,
     .types = kLfm2,
     .write = write_lfm2,
     .names = kTensors,
     .folder = {.places = kPlaces}},
    {.architecture = "lfm2moe",
     .models = "LFM 2 with experts",
     .read = read_lfm2_moe,
     .types = kLfm2Moe,
     .write = write_lfm2,
     .names = kTensors,
     .folder = {.places = kPlaces}},
};

}  // namespace
}  // namespace lfm

std::span<const Family> lfm_families() { return lfm::kFamilies; }

}  // namespace plumb::family
