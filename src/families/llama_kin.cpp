// Models of the Llama shape that other laboratories made, each with a little of its own: InternLM 2, EXAONE 3,
// ERNIE 4.5 (dense), SmolLM 3, Seed-OSS, GLM 4 (dense).

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace llama_kin {
namespace {

ModelSpec read_interleaved(const Keys& keys) { return read_decoder(keys, {}); }

ModelSpec read_halves(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  return read_decoder(keys, style);
}

/// Biases of the products that make q, k and v stand apart from that of the output in config.json.
void set_biases(const Keys& keys, ModelSpec& spec, bool out) {
  if (keys.is_gguf()) return;
  for_each_attention(spec, [&](AttentionSpec& attention) { attention.out_bias = out; });
}

ModelSpec read_seed_oss(const Keys& keys) {
  ModelSpec spec = read_halves(keys);
  set_biases(keys, spec, keys.flag_or({"", "attention_out_bias"}, false));
  return spec;
}

/// Every fourth layer has no rotation. GGUF files do not say so; config.json has a number for each layer, or a period.
ModelSpec read_smollm3(const Keys& keys) {
  ModelSpec spec = read_interleaved(keys);
  const Field array{"", "no_rope_layers"};
  const std::vector<int> rotates = keys.numbers(array);
  if (!rotates.empty() && rotates.size() != spec.layers.size())
    keys.fail(ErrorCode::bad_value, array,
              "has " + std::to_string(rotates.size()) + " entries, expected one for each of the " +
                  std::to_string(spec.n_layers()) + " layers");
  const int period = keys.count_or({"", "no_rope_layer_interval"}, 4, SpecLimits::kLayers);
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    const bool own = rotates.empty() ? (l + 1) % static_cast<std::size_t>(period) != 0 : rotates[l] != 0;
    if (!own) std::get<AttentionSpec>(spec.layers[l].mixer).rope = -1;
  }
  if (keys.flag_or({"", "use_sliding_window"}, false)) read_windows(keys, spec);
  return spec;
}

/// Norms before and after each part. The layers that guess the token after next stand last, and are not part of the
/// model. Models that see pictures have sections of rotated pairs, which for text are halves.
ModelSpec read_glm4(const Keys& keys) {
  Style style;
  const std::vector<int> sections = keys.numbers({"rope.dimension_sections", ""});
  if (sections.size() > 1 && sections[0] > 0 && sections[1] > 0) style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  set_biases(keys, spec, false);
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch}) branch->post_norm = branch->norm;
  drop_guessing_layers(keys, spec);
  return spec;
}

constexpr Alias kInternLmNames[] = {{"attention_bias", "bias"}};
constexpr Alias kExaoneNames[] = {
    {"num_hidden_layers", "num_layers"}, {"hidden_act", "activation_function"}, {"rms_norm_eps", "layer_norm_epsilon"}};
constexpr Alias kErnieNames[] = {{"attention_bias", "use_bias"}, {"mlp_bias", "use_bias"}};
constexpr RoleName kSeedTensors[] = {{TensorRole::ffn_norm, "post_attention_norm"}};

constexpr ModelType kInternLm[] = {
    {"internlm2", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-6,"bias":true})", kInternLmNames}};
constexpr ModelType kExaone[] = {{"exaone", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5})", kExaoneNames}};
constexpr ModelType kErnie[] = {
    {"ernie4_5",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1e-5,"num_key_value_heads":2,"head_dim":128,
         "rope_theta":500000.0,"tie_word_embeddings":true})",
     kErnieNames}};
constexpr ModelType kSmolLm3[] = {
    {"smollm3",
     R"({"max_position_embeddings":32768,"rms_norm_eps":1e-6,"num_key_value_heads":4,"rope_theta":2000000.0,
         "tie_word_embeddings":true})"}};
constexpr ModelType kSeed[] = {
    {"seed_oss",
     R"({"max_position_embeddings":524288,"rms_norm_eps":1e-6,"num_key_value_heads":8,"head_dim":128,
         "attention_bias":true})"}};
constexpr ModelType kGlm4[] = {
    {"glm4",
     R"({"max_position_embeddings":131072,"rms_norm_eps":1.5625e-7,"num_key_value_heads":2,"head_dim":128,
         "partial_rotary_factor":0.5})"}};

constexpr Place kInternLmPlaces[] = {
    {TensorRole::token_embedding, "tok_embeddings"},
    {TensorRole::head, "output"},
    {TensorRole::attn_norm, "attention_norm"},
    {TensorRole::attn_q, "attention.wqkv", take_grouped_qkv},
    {TensorRole::attn_k, "attention.wqkv", take_grouped_qkv},
    {TensorRole::attn_v, "attention.wqkv", take_grouped_qkv},
    {TensorRole::attn_out, "attention.wo"},
    {TensorRole::ffn_norm, "ffn_norm"},
    {TensorRole::ffn_gate, "feed_forward.w1"},
    {TensorRole::ffn_up, "feed_forward.w3"},
    {TensorRole::ffn_down, "feed_forward.w2"},
};
constexpr Place kExaonePlaces[] = {
    {TensorRole::token_embedding, "wte"},
    {TensorRole::output_norm, "ln_f"},
    {TensorRole::attn_norm, "ln_1"},
    {TensorRole::attn_q, "attn.attention.q_proj"},
    {TensorRole::attn_k, "attn.attention.k_proj"},
    {TensorRole::attn_v, "attn.attention.v_proj"},
    {TensorRole::attn_out, "attn.attention.out_proj"},
    {TensorRole::ffn_norm, "ln_2"},
    {TensorRole::ffn_gate, "mlp.c_fc_0"},
    {TensorRole::ffn_up, "mlp.c_fc_1"},
    {TensorRole::ffn_down, "mlp.c_proj"},
};
/// Files of before the architecture was part of transformers.
constexpr Place kErniePlaces[] = {
    {TensorRole::ffn_gate, "mlp.up_gate_proj", take_gate_up},
    {TensorRole::ffn_up, "mlp.up_gate_proj", take_gate_up},
};
constexpr Place kGlm4Places[] = {
    {TensorRole::attn_post_norm, "post_self_attn_layernorm"},
    {TensorRole::ffn_post_norm, "post_mlp_layernorm"},
};

constexpr Family kFamilies[] = {
    {.architecture = "internlm2",
     .models = "InternLM 2 and 2.5",
     .read = read_interleaved,
     .types = kInternLm,
     .folder = {.places = kInternLmPlaces, .halves = true}},
    {.architecture = "exaone",
     .models = "EXAONE 3 and 3.5",
     .read = read_halves,
     .types = kExaone,
     .folder = {.places = kExaonePlaces, .layers = "h."}},
    {.architecture = "ernie4_5",
     .models = "ERNIE 4.5, dense",
     .read = read_interleaved,
     .types = kErnie,
     .folder = {.places = kErniePlaces}},
    {.architecture = "smollm3",
     .models = "SmolLM 3",
     .read = read_smollm3,
     .types = kSmolLm3,
     .folder = {.halves = true}},
    {.architecture = "seed_oss", .models = "Seed-OSS", .read = read_seed_oss, .types = kSeed, .names = kSeedTensors},
    {.architecture = "glm4",
     .models = "GLM 4 and Z1, dense",
     .read = read_glm4,
     .types = kGlm4,
     .fused = {.gate_up = true},
     .folder = {.places = kGlm4Places}},
};

}  // namespace
}  // namespace llama_kin

std::span<const Family> llama_kin_families() { return llama_kin::kFamilies; }

}  // namespace plumb::family
