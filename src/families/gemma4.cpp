// Gemma 3n and 4: as Gemma 3, with scores that are not scaled, values that are normed, later layers that read the keys
// and values of earlier ones, and values of their own for every layer (per-layer embeddings). Gemma 3n has four streams
// and a low-rank branch beside attention; Gemma 4 has heads of another size in layers without a window.

#include <algorithm>
#include <cmath>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace gemma4 {
namespace {

using Limits = SpecLimits;

const Field kShared{"attention.shared_kv_layers", "num_kv_shared_layers"};
const Field kPerLayer{"embedding_length_per_layer_input", "hidden_size_per_layer_input"};

// -- what both have ---------------------------------------------------------------------------------------------------

ModelSpec read_common(const Keys& keys, const Style& style) {
  ModelSpec spec = read_decoder(keys, style);
  for (LayerSpec& layer : spec.layers) {
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    attention.scale = 1.0f;
    attention.qk_norm_over = QkNormOver::head;
    attention.qk_norm = *spec.output.norm;
    attention.value_norm = true;
    attention.value_norm_eps = spec.output.norm->eps;
    layer.mixer_branch.post_norm = layer.ffn_branch.post_norm = *spec.output.norm;
  }
  return spec;
}

/// Layers from `first` on read what the last earlier layer of their kind, windowed or not, has stored. The engine that
/// GGUF files are made for takes the last but one for those with a window, which is the same where the last has none.
void share_keys(const Keys& keys, ModelSpec& spec, int first) {
  for (int l = first; l < spec.n_layers(); ++l) {
    auto& own = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    const auto alike = [&](int other) {
      const auto& source = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(other)].mixer);
      return (source.window > 0) == (own.window > 0);
    };
    own.kv_from = first - 1;
    if (keys.is_gguf() && own.window > 0 && first > 1 && alike(first - 2)) own.kv_from = first - 2;
    while (own.kv_from >= 0 && !alike(own.kv_from)) --own.kv_from;
    if (own.kv_from < 0)
      keys.fail(ErrorCode::bad_value, kShared,
                "makes layer " + std::to_string(l) + " read the keys of an earlier layer " +
                    (own.window > 0 ? "with" : "without") + " a window, expected one before layer " +
                    std::to_string(first));
  }
}

/// Values of their own for every layer; `usual` wide where no key says so.
void read_per_layer(const Keys& keys, ModelSpec& spec, int usual) {
  const int width = keys.natural_or(kPerLayer, usual, Limits::kWidth);
  if (width == 0) return;
  PerLayerEmbeddingSpec per_layer;
  per_layer.width = width;
  per_layer.activation = std::get<DenseSpec>(spec.layers.front().ffn).activation;
  per_layer.norm = *spec.output.norm;
  const std::int64_t rows = keys.rows_of({TensorRole::per_layer_table, -1, false}).value_or(spec.vocab_size);
  const int vocab = keys.is_gguf() ? static_cast<int>(std::min<std::int64_t>(rows, Limits::kVocab))
                                   : keys.count_or({"", "vocab_size_per_layer_input"}, spec.vocab_size, Limits::kVocab);
  per_layer.vocab = vocab == spec.vocab_size ? 0 : vocab;
  spec.embedding.per_layer = per_layer;
}

void write_common(GgufWriter& writer, const ModelSpec& spec, const std::string& prefix) {
  int shared = 0;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* own = std::get_if<AttentionSpec>(&layer.mixer)) shared += own->own_kv() ? 0 : 1;
  const int width = spec.embedding.per_layer ? spec.embedding.per_layer->width : 0;
  writer.set(prefix + "attention.shared_kv_layers", static_cast<std::uint32_t>(shared));
  writer.set(prefix + "embedding_length_per_layer_input", static_cast<std::uint32_t>(width));
}

// -- Gemma 3n ---------------------------------------------------------------------------------------------------------

/// What GGUF files have no keys for, or keys that other engines do not read.
constexpr int kNanoPeriod = 5, kNanoFirstShared = 20, kNanoSparseLayers = 10;
constexpr float kUsualSoftcap = 30.0f;  // Gemma 4: of files without the key
/// So many deviations above its mean lie 5% of a normal distribution. In single precision, as converters compute it.
constexpr float kDeviations95 = 1.6448533535003662f;

/// Deviations above the mean of a normal distribution below which lies `share` of it.
float deviations_of(double share) {
  if (static_cast<float>(share) == 0.95f) return kDeviations95;
  double low = 0, high = 40;
  while (high - low > 1e-9) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < share ? low : high) = middle;
  }
  return static_cast<float>(low);
}

void read_sparsity(const Keys& keys, ModelSpec& spec) {
  const Field field{"", "activation_sparsity_pattern"};
  const std::vector<double> shares = keys.reals(field);
  const std::size_t n = spec.layers.size();
  if (!shares.empty() && shares.size() != n)
    keys.fail(ErrorCode::bad_value, field,
              "has " + std::to_string(shares.size()) + " entries, expected one for each of the " + std::to_string(n) +
                  " layers");
  const bool by_count = keys.is_gguf() || (shares.empty() && n > kNanoSparseLayers);
  for (std::size_t l = 0; l < n; ++l) {
    auto& dense = std::get<DenseSpec>(spec.layers[l].ffn);
    if (by_count) {
      dense.sparsity = l < kNanoSparseLayers ? kDeviations95 : 0.0f;
    } else if (!shares.empty() && shares[l] != 0) {
      if (!(shares[l] > 0.5 && shares[l] < 1))
        keys.fail(ErrorCode::bad_value, field, "holds a share that is neither 0 nor between 0.5 and 1");
      dense.sparsity = deviations_of(shares[l]);
    }
  }
}

void read_streams(const Keys& keys, ModelSpec& spec) {
  AltupSpec altup;
  altup.streams = keys.count_or({"altup.num_inputs", "altup_num_inputs"}, 4, kMaxStreams);
  altup.active = keys.natural_or({"altup.active_idx", "altup_active_idx"}, 0, altup.streams - 1);
  altup.norm = *spec.output.norm;
  spec.altup = altup;
  const Field scaled{"", "altup_correct_scale"};
  if (!keys.flag_or(scaled, true))
    keys.fail(ErrorCode::unsupported_architecture, scaled, "is false, expected a scale of the corrected stream");
  for (int l = 0; l < spec.n_layers(); ++l) {
    const TensorId down{TensorRole::laurel_down, l, false};
    const auto rows = keys.rows_of(down);
    if (keys.is_gguf() && !rows) keys.fail_tensor(ErrorCode::missing_key, down, "is missing");
    LaurelSpec laurel;
    laurel.rank = rows ? static_cast<int>(std::min<std::int64_t>(*rows, Limits::kFfn))
                       : keys.count({"", "laurel_rank"}, Limits::kFfn);
    laurel.norm = *spec.output.norm;
    spec.layers[static_cast<std::size_t>(l)].laurel = laurel;
  }
}

ModelSpec read_gemma3n(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.activation = Activation::gelu_tanh;
  style.scaled_embedding = true;
  ModelSpec spec = read_common(keys, style);
  WindowStyle windows;
  windows.period = kNanoPeriod;
  windows.flags = false;
  read_windows(keys, spec, windows);
  rotate_windows_by(spec, read_local_rope(keys, spec.ropes[0], spec.context, "rope_local_base_freq"));
  const int n = spec.n_layers();
  share_keys(keys, spec, keys.is_gguf() ? std::min(n, kNanoFirstShared) : n - keys.natural_or(kShared, 15, n));
  read_per_layer(keys, spec, 256);
  read_streams(keys, spec);
  read_sparsity(keys, spec);
  if (keys.is_gguf()) spec.output.softcap = kUsualSoftcap;
  return spec;
}

void write_gemma3n(GgufWriter& writer, const ModelSpec& spec) {
  write_common(writer, spec, "gemma3n.");
  if (!spec.altup) return;
  writer.set("gemma3n.altup.num_inputs", static_cast<std::uint32_t>(spec.altup->streams));
  writer.set("gemma3n.altup.active_idx", static_cast<std::uint32_t>(spec.altup->active));
}

// -- Gemma 4 ----------------------------------------------------------------------------------------------------------

/// Layers with a window: by flags, by type, or all but every sixth. config.json: the last one never has one.
void read_gemma4_windows(const Keys& keys, ModelSpec& spec) {
  WindowStyle windows;
  windows.period = 6;
  read_windows(keys, spec, windows);
  if (!keys.is_gguf()) std::get<AttentionSpec>(spec.layers.back().mixer).window = 0;
}

/// Sizes of heads, which layers without a window have of their own, and whether these have a value projection.
void read_gemma4_heads(const Keys& keys, ModelSpec& spec) {
  const bool gguf = keys.is_gguf(), keys_for_values = keys.flag_or({"", "attention_k_eq_v"}, false);
  const Field kv_heads{"", "num_global_key_value_heads"};
  for (int l = 0; l < spec.n_layers(); ++l) {
    auto& attention = std::get<AttentionSpec>(spec.layers[static_cast<std::size_t>(l)].mixer);
    const bool global = attention.window == 0;
    // GGUF files name the heads of layers without a window first, config.json those of the others.
    const Field k = gguf ? Field{"attention.key_length_swa", ""} : Field{"", "global_head_dim"};
    const Field v = gguf ? Field{"attention.value_length_swa", ""} : k;
    if (global != gguf) {
      const int v_dim = keys.count_or(v, attention.v_dim(), Limits::kHeadDim);
      attention.head_dim = keys.count_or(k, attention.head_dim, Limits::kHeadDim);
      attention.value_dim = v_dim == attention.head_dim ? 0 : v_dim;
    }
    if (global && keys_for_values && keys.has(kv_heads)) {
      attention.n_kv_heads = keys.count(kv_heads, Limits::kHeads);
      if (attention.n_heads % attention.n_kv_heads != 0)
        keys.fail(ErrorCode::bad_value, kv_heads,
                  "is " + std::to_string(attention.n_kv_heads) + ", expected a divisor of the " +
                      std::to_string(attention.n_heads) + " heads");
    }
    attention.values_are_keys = gguf ? !keys.tensor_exists({TensorRole::attn_v, l, false}) : global && keys_for_values;
  }
}

/// The table of layers without a window turns all pairs of a head, but most of them not at all: a tensor of factors
/// says which.
RopeSpec read_gemma4_global_rope(const Keys& keys, const ModelSpec& spec, int head_dim) {
  RopeSpec rope;
  if (keys.is_gguf()) {
    rope = read_rope(keys, RopePairs::halves, head_dim, spec.context);
  } else {
    const Keys own = keys.within("rope_parameters").within("full_attention");
    const Field type{"", "rope_type"};
    if (own.text_or(type, "proportional") != "proportional")
      own.fail(ErrorCode::bad_value, type, "is not 'proportional'");
    rope.pairs = RopePairs::halves;
    rope.dims = head_dim;
    rope.base = own.real_or({"", "rope_theta"}, 1e6f);
  }
  rope.factors = RopeFactors::one;
  return rope;
}

void read_gemma4_ropes(const Keys& keys, ModelSpec& spec) {
  const AttentionSpec *global = nullptr, *local = nullptr;
  for (const LayerSpec& layer : spec.layers) {
    const auto& attention = std::get<AttentionSpec>(layer.mixer);
    (attention.window == 0 ? global : local) = &attention;
  }
  if (global) spec.ropes.push_back(read_gemma4_global_rope(keys, spec, global->head_dim));
  if (local) {
    RopeSpec rope;
    rope.pairs = RopePairs::halves;
    rope.dims = keys.count_or({"rope.dimension_count_swa", ""}, local->head_dim, Limits::kHeadDim);
    rope.base = keys.real_or({"rope.freq_base_swa", ""}, 10000.0f);
    if (!keys.is_gguf()) rope = read_rope(keys, RopePairs::halves, local->head_dim, spec.context, "sliding_attention");
    spec.ropes.push_back(rope);
  }
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.rope = attention.window > 0 && global ? 1 : 0; });
}

/// Experts beside the dense block, which takes the place of a shared one. Each of the two has norms of its own, and
/// what an expert puts out is scaled.
void read_gemma4_experts(const Keys& keys, ModelSpec& spec) {
  if (!keys.is_gguf() && !keys.flag_or({"", "enable_moe_block"}, false)) return;
  for (int l = 0; l < spec.n_layers(); ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    if (keys.is_gguf() && !keys.tensor_exists({TensorRole::router, l, false})) continue;
    const auto& dense = std::get<DenseSpec>(layer.ffn);
    ExpertsSpec experts;
    experts.count = keys.count({"expert_count", "num_experts"}, Limits::kExperts);
    experts.used = keys.count({"expert_used_count", "top_k_experts"}, experts.count);
    experts.expert = experts.shared = dense;
    experts.expert.inner = keys.count({"expert_feed_forward_length", "moe_intermediate_size"}, Limits::kFfn);
    experts.expert_scale = !keys.is_gguf() || keys.tensor_exists({TensorRole::expert_scale, l, false});
    experts.apart = *spec.output.norm;
    layer.ffn = experts;
  }
}

ModelSpec read_gemma4(const Keys& keys) {
  const Field bidirectional{"", "use_bidirectional_attention"};
  if (keys.text_or(bidirectional, "") == "all")
    keys.fail(ErrorCode::unsupported_architecture, bidirectional, "is 'all', expected attention to earlier positions");
  Style style;
  style.pairs = RopePairs::none;  // two tables, below
  style.activation = Activation::gelu_tanh;
  style.scaled_embedding = true;
  ModelSpec spec = read_common(keys, style);
  if (keys.is_gguf()) spec.output.softcap = keys.real_or({"final_logit_softcapping", ""}, kUsualSoftcap);
  read_gemma4_windows(keys, spec);
  read_gemma4_heads(keys, spec);
  read_gemma4_ropes(keys, spec);
  const int n = spec.n_layers(), first = n - keys.natural_or(kShared, 0, n);
  share_keys(keys, spec, first);
  for (int l = 0; l < n; ++l) {
    LayerSpec& layer = spec.layers[static_cast<std::size_t>(l)];
    if (l >= first) std::get<AttentionSpec>(layer.mixer).values_are_keys = false;
    if (!keys.is_gguf() && l >= first && keys.flag_or({"", "use_double_wide_mlp"}, false))
      std::get<DenseSpec>(layer.ffn).inner *= 2;
    layer.layer_scale = !keys.is_gguf() || keys.tensor_exists({TensorRole::layer_scale, l, false});
  }
  read_per_layer(keys, spec, 0);
  read_gemma4_experts(keys, spec);
  return spec;
}

/// Layers with a window have keys of their own, and are always told by flags. The length of a feed-forward block is
/// that of the one beside the experts.
void write_gemma4(GgufWriter& writer, const ModelSpec& spec) {
  write_common(writer, spec, "gemma4.");
  writer.set("gemma4.final_logit_softcapping", spec.output.softcap);  // 0 is none here
  const auto lengths = [&](const AttentionSpec& attention, const std::string& suffix) {
    const auto set = [&](const std::string& key, int value) {
      writer.set("gemma4." + key + suffix, static_cast<std::uint32_t>(value));
    };
    set("attention.key_length", attention.head_dim);
    set("attention.value_length", attention.v_dim());
    if (attention.rope < 0) return;
    const RopeSpec& rope = spec.ropes[static_cast<std::size_t>(attention.rope)];
    set("rope.dimension_count", rope.dims);
    writer.set("gemma4.rope.freq_base" + suffix, rope.base);
  };
  GgufArray flags(GgufType::boolean), inner(GgufType::u32);
  int window = 0;
  for (const LayerSpec& layer : spec.layers) {
    const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    inner.add(static_cast<std::uint32_t>(experts ? experts->shared.inner : dense ? dense->inner : 0));
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    if (!attention) continue;
    flags.add(attention->window > 0);
    window = std::max(window, attention->window);
    lengths(*attention, attention->window > 0 ? "_swa" : "");
  }
  writer.set("gemma4.attention.sliding_window", static_cast<std::uint32_t>(window));
  writer.set("gemma4.attention.sliding_window_pattern", flags);
  writer.set("gemma4.feed_forward_length", inner);
}

/// The block beside the experts is named like one alone.
constexpr RoleName kShared4[] = {
    {TensorRole::shared_gate, "ffn_gate"}, {TensorRole::shared_up, "ffn_up"}, {TensorRole::shared_down, "ffn_down"}};

constexpr Alias kNames[] = {{"hidden_act", "hidden_activation"}};

constexpr ModelType kGemma3n[] = {
    {"gemma3n_text",
     R"({"vocab_size":262400,"hidden_size":2048,"intermediate_size":16384,"num_hidden_layers":35,
         "num_attention_heads":8,"num_key_value_heads":2,"head_dim":256,"max_position_embeddings":32768,
         "rms_norm_eps":1e-6,"rope_theta":1e6,"rope_local_base_freq":10000.0,"sliding_window":512,
         "final_logit_softcapping":30.0,"vocab_size_per_layer_input":262144,"hidden_size_per_layer_input":256,
         "num_kv_shared_layers":15,"laurel_rank":64,"tie_word_embeddings":true})",
     kNames},
    {"gemma3n", "{}", {}, "gemma3n_text"}};

constexpr ModelType kGemma4[] = {
    {"gemma4_text",
     R"({"vocab_size":262144,"hidden_size":2304,"intermediate_size":9216,"num_hidden_layers":30,
         "num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"global_head_dim":512,
         "max_position_embeddings":131072,"rms_norm_eps":1e-6,"sliding_window":512,
         "vocab_size_per_layer_input":262144,"hidden_size_per_layer_input":256,"tie_word_embeddings":true})",
     kNames},
    {"gemma4", "{}", {}, "gemma4_text"}};

constexpr Place kPlaces3n[] = {
    {TensorRole::ffn_norm, "pre_feedforward_layernorm"},
    {TensorRole::per_layer_table, "embed_tokens_per_layer"},
    {TensorRole::per_layer_inputs, "per_layer_model_projection"},
    {TensorRole::per_layer_norm, "per_layer_projection_norm"},
    {TensorRole::per_layer_gate, "per_layer_input_gate"},
    {TensorRole::per_layer_out, "per_layer_projection"},
    {TensorRole::per_layer_post_norm, "post_per_layer_input_norm"},
    {TensorRole::altup_spread, "altup_projections.{}"},
    {TensorRole::altup_merge, "altup_unembed_projections.{}"},
    {TensorRole::altup_router_norm, "altup.router_norm"},
    {TensorRole::altup_router, "altup.modality_router"},
    {TensorRole::altup_predict, "altup.prediction_coefs"},
    {TensorRole::altup_correct, "altup.correction_coefs"},
    {TensorRole::altup_scale, "altup.correct_output_scale", nullptr, Suffix::none},
    {TensorRole::laurel_down, "laurel.linear_left"},
    {TensorRole::laurel_up, "laurel.linear_right"},
    {TensorRole::laurel_norm, "laurel.post_laurel_norm"},
};
constexpr Place kPlaces4[] = {
    {TensorRole::ffn_norm, "pre_feedforward_layernorm"},
    {TensorRole::per_layer_table, "embed_tokens_per_layer"},
    {TensorRole::per_layer_inputs, "per_layer_model_projection"},
    {TensorRole::per_layer_norm, "per_layer_projection_norm"},
    {TensorRole::per_layer_gate, "per_layer_input_gate"},
    {TensorRole::per_layer_out, "per_layer_projection"},
    {TensorRole::per_layer_post_norm, "post_per_layer_input_norm"},
    {TensorRole::layer_scale, "layer_scalar", nullptr, Suffix::none},
    {TensorRole::router_norm, "router.scale", nullptr, Suffix::none},
    {TensorRole::router, "router.proj"},
    {TensorRole::expert_scale, "router.per_expert_scale", nullptr, Suffix::none},
    {TensorRole::expert_scale, "experts.per_expert_scale", nullptr, Suffix::none},
    {TensorRole::expert_gate, "experts.gate_up_proj", take_gate_up, Suffix::none},
    {TensorRole::expert_up, "experts.gate_up_proj", take_gate_up, Suffix::none},
    {TensorRole::expert_down, "experts.down_proj", nullptr, Suffix::none},
    {TensorRole::experts_norm, "pre_feedforward_layernorm_2"},
    {TensorRole::shared_post_norm, "post_feedforward_layernorm_1"},
    {TensorRole::experts_post_norm, "post_feedforward_layernorm_2"},
    {TensorRole::shared_gate, "mlp.gate_proj"},
    {TensorRole::shared_up, "mlp.up_proj"},
    {TensorRole::shared_down, "mlp.down_proj"},
};

constexpr Family kFamilies[] = {
    {.architecture = "gemma3n",
     .models = "Gemma 3n, text",
     .read = read_gemma3n,
     .types = kGemma3n,
     .write = write_gemma3n,
     .folder = {.places = kPlaces3n}},
    {.architecture = "gemma4",
     .models = "Gemma 4, text",
     .read = read_gemma4,
     .types = kGemma4,
     .write = write_gemma4,
     .names = kShared4,
     .folder = {.places = kPlaces4}},
};

}  // namespace
}  // namespace gemma4

std::span<const Family> gemma4_families() { return gemma4::kFamilies; }

}  // namespace plumb::family
