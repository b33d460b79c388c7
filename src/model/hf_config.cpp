// Hugging Face config.json -> ModelConfig: one function per family, shared parts first.

#include "plumb/model/hf_config.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "../io/json_reader.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/check.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Limits = ConfigLimits;

float real_or(const JsonFields& json, std::string_view key, double fallback) {
  return static_cast<float>(json.number_or(key, fallback));
}

Activation read_activation(const JsonFields& json, std::string_view key, std::string_view fallback) {
  const std::string name = json.string_or(key, fallback);
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  if (name == "gelu") return Activation::gelu;
  if (name == "relu") return Activation::relu;
  if (name == "relu2") return Activation::relu2;
  json.refuse(key, "is " + quote(name) + ", expected silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2");
}

/// Stretching of the rotation. The kind stands under `rope_type`, in older files under `type`.
void read_rope_scaling(const JsonFields& scaling, ModelConfig& config) {
  const std::string kind = scaling.string_or("rope_type", scaling.string_or("type", "default"));
  if (kind == "default" || kind == "dynamic") return;
  if (kind == "linear" || kind == "yarn") {
    config.rope.scaling = kind == "linear" ? RopeScaling::linear : RopeScaling::yarn;
    config.rope.factor = static_cast<float>(scaling.get_number("factor"));
  } else if (kind == "llama3" || kind == "longrope" || kind == "su") {
    config.rope_factors = true;
    config.rope.factor = 1.0f;
  } else {
    scaling.refuse("rope_type", "is " + quote(kind) + ", expected default, dynamic, linear, yarn, llama3 or longrope");
  }
  config.rope.original_context =
      scaling.int_or("original_max_position_embeddings", config.rope.original_context, 1, Limits::kContext);
  config.rope.yarn_beta_fast = real_or(scaling, "beta_fast", config.rope.yarn_beta_fast);
  config.rope.yarn_beta_slow = real_or(scaling, "beta_slow", config.rope.yarn_beta_slow);
}

void read_rope(const JsonFields& json, double default_base, ModelConfig& config) {
  config.rope.base = real_or(json, "rope_theta", default_base);
  if (const auto scaling = json.object("rope_scaling")) read_rope_scaling(*scaling, config);
  if (const auto parameters = json.object("rope_parameters")) {  // transformers 5 moved both here
    config.rope.base = real_or(*parameters, "rope_theta", config.rope.base);
    read_rope_scaling(*parameters, config);
  }
}

int read_head_dim(const JsonFields& json, const ModelConfig& config) {
  if (json.has("head_dim")) return json.get_int("head_dim", 1, Limits::kHeadDim);
  if (config.width % config.n_heads != 0)
    json.refuse("num_attention_heads", "is " + std::to_string(config.n_heads) +
                                           ", expected a divisor of hidden_size, " + std::to_string(config.width) +
                                           ", or a head_dim");
  return config.width / config.n_heads;
}

/// Everything that the families from llama to deepseek call by the same names.
ModelConfig read_llama(const JsonFields& json) {
  ModelConfig config;
  config.vocab_size = json.get_int("vocab_size", 1, Limits::kVocab);
  config.width = json.get_int("hidden_size", 1, Limits::kWidth);
  config.n_layers = json.get_int("num_hidden_layers", 1, Limits::kLayers);
  config.n_heads = json.get_int("num_attention_heads", 1, Limits::kHeads);
  config.n_kv_heads = json.int_or("num_key_value_heads", config.n_heads, 1, Limits::kHeads);
  config.head_dim = read_head_dim(json, config);
  config.ffn_dim = json.get_int("intermediate_size", 1, Limits::kFfn);
  config.context = json.int_or("max_position_embeddings", 2048, 1, Limits::kContext);
  config.norm_eps = real_or(json, "rms_norm_eps", 1e-6);
  config.tied_head = json.bool_or("tie_word_embeddings", false);
  config.activation = read_activation(json, "hidden_act", "silu");
  config.qkv_bias = config.attn_out_bias = json.bool_or("attention_bias", false);
  config.ffn_bias = json.bool_or("mlp_bias", false);
  read_rope(json, 10000.0, config);
  return config;
}

void read_window(const JsonFields& json, ModelConfig& config) {
  config.sliding_window = json.int_or("sliding_window", 0, 1, Limits::kContext);
}

ModelConfig read_mistral(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  read_window(json, config);
  return config;
}

ModelConfig read_mixtral(const JsonFields& json) {
  ModelConfig config = read_mistral(json);
  config.moe.count = json.get_int("num_local_experts", 1, Limits::kExperts);
  config.moe.used = json.get_int("num_experts_per_tok", 1, config.moe.count);
  config.moe.ffn_dim = config.ffn_dim;
  return config;
}

ModelConfig read_qwen2(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "qwen2";
  config.rope.pairs = RopePairs::halves;
  config.qkv_bias = json.bool_or("qkv_bias", true);
  config.attn_out_bias = false;
  if (json.bool_or("use_sliding_window", false)) {
    read_window(json, config);
    if (json.int_or("max_window_layers", 0, 0, Limits::kLayers) > 0)
      json.refuse("max_window_layers", "is above zero: windows on only some of the layers are not supported");
  }
  return config;
}

/// Experts as qwen2_moe and qwen3_moe name them. Layers without experts in between are not representable.
void read_qwen_experts(const JsonFields& json, ModelConfig& config) {
  config.moe.count = json.get_int("num_experts", 1, Limits::kExperts);
  config.moe.used = json.get_int("num_experts_per_tok", 1, config.moe.count);
  config.moe.ffn_dim = json.get_int("moe_intermediate_size", 1, Limits::kFfn);
  config.moe.renormalise = json.bool_or("norm_topk_prob", false);
  if (json.int_or("decoder_sparse_step", 1, 1, Limits::kLayers) != 1)
    json.refuse("decoder_sparse_step", "is not 1: alternating dense and expert layers are not supported");
  if (!json.numbers_or_empty("mlp_only_layers").empty())
    json.refuse("mlp_only_layers", "is not empty: dense layers among expert layers are not supported");
}

ModelConfig read_qwen2_moe(const JsonFields& json) {
  ModelConfig config = read_qwen2(json);
  config.architecture = "qwen2moe";
  read_qwen_experts(json, config);
  config.moe.shared_ffn_dim = json.get_int("shared_expert_intermediate_size", 0, Limits::kFfn);
  config.moe.shared_gate = config.moe.shared_ffn_dim > 0;
  return config;
}

ModelConfig read_qwen3(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "qwen3";
  config.rope.pairs = RopePairs::halves;
  if (!json.has("head_dim")) config.head_dim = 128;
  config.qk_norm = true;
  if (json.bool_or("use_sliding_window", false)) read_window(json, config);
  return config;
}

ModelConfig read_qwen3_moe(const JsonFields& json) {
  ModelConfig config = read_qwen3(json);
  config.architecture = "qwen3moe";
  if (!json.has("head_dim")) config.head_dim = read_head_dim(json, config);
  read_qwen_experts(json, config);
  return config;
}

void finish_gemma(const JsonFields& json, ModelConfig& config) {
  config.rope.pairs = RopePairs::halves;
  config.post_norms = true;
  config.tied_head = json.bool_or("tie_word_embeddings", true);
  config.activation = read_activation(json, "hidden_activation", "gelu_pytorch_tanh");
  config.embedding_scale = std::sqrt(static_cast<float>(config.width));
  const double query_scalar = json.number_or("query_pre_attn_scalar", 256.0);
  if (query_scalar <= 0.0) json.refuse("query_pre_attn_scalar", "is not above zero");
  config.attn_scale = static_cast<float>(1.0 / std::sqrt(query_scalar));
  config.attn_softcap = real_or(json, "attn_logit_softcapping", 0.0);
  config.logit_softcap = real_or(json, "final_logit_softcapping", 0.0);
}

ModelConfig read_gemma2(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "gemma2";
  if (!json.has("head_dim")) config.head_dim = 256;
  finish_gemma(json, config);
  config.sliding_window = json.int_or("sliding_window", 4096, 1, Limits::kContext);
  config.window_pattern = 2;
  return config;
}

/// The text part of a multimodal gemma3 file leaves out whatever equals the defaults of its class.
ModelConfig read_gemma3(const JsonFields& json) {
  ModelConfig config;
  config.architecture = "gemma3";
  config.vocab_size = json.int_or("vocab_size", 262208, 1, Limits::kVocab);
  config.width = json.int_or("hidden_size", 2304, 1, Limits::kWidth);
  config.n_layers = json.int_or("num_hidden_layers", 26, 1, Limits::kLayers);
  config.n_heads = json.int_or("num_attention_heads", 8, 1, Limits::kHeads);
  config.n_kv_heads = json.int_or("num_key_value_heads", 4, 1, Limits::kHeads);
  config.head_dim = json.int_or("head_dim", 256, 1, Limits::kHeadDim);
  config.ffn_dim = json.int_or("intermediate_size", 9216, 1, Limits::kFfn);
  config.context = json.int_or("max_position_embeddings", 131072, 1, Limits::kContext);
  config.norm_eps = real_or(json, "rms_norm_eps", 1e-6);
  config.qk_norm = true;
  read_rope(json, 1e6, config);
  finish_gemma(json, config);
  config.rope_base_local = real_or(json, "rope_local_base_freq", 10000.0);
  config.sliding_window = json.int_or("sliding_window", 4096, 1, Limits::kContext);
  config.window_pattern = json.int_or("sliding_window_pattern", 6, 1, Limits::kLayers);
  return config;
}

ModelConfig read_phi3(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "phi3";
  config.rope.pairs = RopePairs::halves;
  config.norm_eps = real_or(json, "rms_norm_eps", 1e-5);
  const double rotated = json.number_or("partial_rotary_factor", 1.0);
  if (rotated <= 0.0 || rotated > 1.0) json.refuse("partial_rotary_factor", "is outside 0 to 1");
  if (rotated < 1.0) config.rope.dims = static_cast<int>(rotated * config.head_dim);
  config.rope.original_context = json.int_or("original_max_position_embeddings", 0, 1, Limits::kContext);
  read_window(json, config);
  return config;
}

/// LayerNorm and every bias, plain feed-forward.
void finish_gpt(ModelConfig& config) {
  config.norm = NormKind::layer;
  config.norm_bias = config.qkv_bias = config.attn_out_bias = config.ffn_bias = true;
  config.gated_ffn = false;
}

ModelConfig read_gpt2(const JsonFields& json) {
  ModelConfig config;
  config.architecture = "gpt2";
  config.rope.pairs = RopePairs::none;
  config.learned_positions = true;
  config.vocab_size = json.int_or("vocab_size", 50257, 1, Limits::kVocab);
  config.width = json.get_int("n_embd", 1, Limits::kFfn / 4);
  config.n_layers = json.get_int("n_layer", 1, Limits::kLayers);
  config.n_heads = config.n_kv_heads = json.get_int("n_head", 1, Limits::kHeads);
  if (config.width % config.n_heads != 0)
    json.refuse("n_head", "is " + std::to_string(config.n_heads) + ", expected a divisor of n_embd, " +
                              std::to_string(config.width));
  config.head_dim = config.width / config.n_heads;
  config.ffn_dim = json.int_or("n_inner", 4 * config.width, 1, Limits::kFfn);
  config.context = json.int_or("n_positions", 1024, 1, Limits::kContext);
  config.norm_eps = real_or(json, "layer_norm_epsilon", 1e-5);
  config.activation = read_activation(json, "activation_function", "gelu_new");
  config.tied_head = json.bool_or("tie_word_embeddings", true);
  finish_gpt(config);
  return config;
}

ModelConfig read_gpt_neox(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "gptneox";
  config.rope.pairs = RopePairs::halves;
  config.norm_eps = real_or(json, "layer_norm_eps", 1e-5);
  config.activation = read_activation(json, "hidden_act", "gelu");
  config.parallel_residual = json.bool_or("use_parallel_residual", true);
  finish_gpt(config);
  config.qkv_bias = config.attn_out_bias = json.bool_or("attention_bias", true);
  config.rope.base = real_or(json, "rotary_emb_base", config.rope.base);
  const double rotated = json.number_or("rotary_pct", 0.25);
  if (rotated <= 0.0 || rotated > 1.0) json.refuse("rotary_pct", "is outside 0 to 1");
  config.rope.dims = static_cast<int>(rotated * config.head_dim);
  return config;
}

ModelConfig read_deepseek(const JsonFields& json) {
  ModelConfig config = read_llama(json);
  config.architecture = "deepseek2";
  config.mla.q_rank = json.int_or("q_lora_rank", 0, 1, Limits::kWidth);
  config.mla.kv_rank = json.get_int("kv_lora_rank", 1, Limits::kWidth);
  config.mla.rope_dims = json.get_int("qk_rope_head_dim", 0, Limits::kHeadDim);
  config.mla.nope_dims = json.get_int("qk_nope_head_dim", 1, Limits::kHeadDim);
  config.mla.v_dims = json.get_int("v_head_dim", 1, Limits::kHeadDim);
  config.head_dim = config.mla.nope_dims + config.mla.rope_dims;
  if (!json.has("n_routed_experts")) return config;
  config.moe.count = json.get_int("n_routed_experts", 1, Limits::kExperts);
  config.moe.used = json.get_int("num_experts_per_tok", 1, config.moe.count);
  config.moe.ffn_dim = json.get_int("moe_intermediate_size", 1, Limits::kFfn);
  const int shared = json.int_or("n_shared_experts", 0, 0, Limits::kFfn / config.moe.ffn_dim);
  config.moe.shared_ffn_dim = shared * config.moe.ffn_dim;
  config.moe.leading_dense_layers = json.int_or("first_k_dense_replace", 0, 0, config.n_layers);
  if (json.int_or("moe_layer_freq", 1, 1, Limits::kLayers) != 1)
    json.refuse("moe_layer_freq", "is not 1: alternating dense and expert layers are not supported");
  config.moe.renormalise = json.bool_or("norm_topk_prob", false);
  config.moe.weight_scale = real_or(json, "routed_scaling_factor", 1.0);
  config.moe.sigmoid_scores = json.string_or("scoring_func", "softmax") == "sigmoid";
  config.moe.router_bias = json.string_or("topk_method", "greedy") == "noaux_tc";
  if (json.int_or("n_group", 1, 1, config.moe.count) > 1) {
    config.moe.groups = json.get_int("n_group", 1, config.moe.count);
    config.moe.groups_used = json.get_int("topk_group", 1, config.moe.groups);
  }
  return config;
}

struct Family {
  std::string_view model_type;
  ModelConfig (*read)(const JsonFields&);
};
constexpr Family kFamilies[] = {
    {"llama", read_llama},
    {"mistral", read_mistral},
    {"mixtral", read_mixtral},
    {"qwen2", read_qwen2},
    {"qwen2_moe", read_qwen2_moe},
    {"qwen3", read_qwen3},
    {"qwen3_moe", read_qwen3_moe},
    {"gemma2", read_gemma2},
    {"gemma3_text", read_gemma3},
    {"phi3", read_phi3},
    {"gpt2", read_gpt2},
    {"gpt_neox", read_gpt_neox},
    {"deepseek_v2", read_deepseek},
    {"deepseek_v3", read_deepseek},
};

const Family& find_family(const JsonFields& json) {
  const std::string type = json.get_string("model_type");
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw Error(ErrorCode::unsupported_architecture,
              json.where() + ": field 'model_type' is " + quote(type) + ", expected one of " + known);
}

}  // namespace

ModelConfig config_from_json(std::string_view text, std::string_view where) {
  const nlohmann::json root = parse_json_object(text, where);
  JsonFields json(root, std::string(where));
  std::string name = json.string_or("_name_or_path", "");
  if (json.string_or("model_type", "") == "gemma3") {
    const auto text_part = json.object("text_config");
    if (!text_part) throw Error(ErrorCode::missing_key, std::string(where) + ": field 'text_config' is missing");
    json = *text_part;
  }
  ModelConfig config = find_family(json).read(json);
  config.name = name.empty() ? json.get_string("model_type") : printable(name);
  check_config(config, where);
  return config;
}

ModelConfig config_from_json_file(const std::filesystem::path& path) {
  return config_from_json(read_json_text(path), quote(path.string()));
}

}  // namespace plumb
