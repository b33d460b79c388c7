#include "plumb/model/config_from_gguf.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/check.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();

/// Reads `architecture.key` values of one file.
class Keys {
 public:
  Keys(const ModelFile& file, std::string_view architecture) : file_(file), prefix_(std::string(architecture) + ".") {}

  std::string full(std::string_view key) const { return prefix_ + std::string(key); }
  bool has(std::string_view key) const { return file_.find(full(key)) != nullptr; }
  int positive(std::string_view key) const { return static_cast<int>(file_.get_int(full(key), 1, kMaxInt)); }
  int positive_or(std::string_view key, int fallback) const {
    return static_cast<int>(file_.int_or(full(key), fallback, 1, kMaxInt));
  }
  int count_or(std::string_view key, int fallback) const {
    return static_cast<int>(file_.int_or(full(key), fallback, 0, kMaxInt));
  }
  float real(std::string_view key) const { return file_.get_float(full(key)); }
  float real_or(std::string_view key, float fallback) const { return file_.float_or(full(key), fallback); }
  std::string_view text_or(std::string_view key, std::string_view fallback) const {
    return file_.string_or(full(key), fallback);
  }
  /// One number for all layers; files may also give one per layer, which must then agree.
  int per_layer(std::string_view key, int n_layers) const {
    const GgufValue* value = file_.find(full(key));
    if (!value || !value->is_array()) return positive(key);
    const std::vector<std::int32_t> values = file_.get_ints(full(key));
    if (values.size() != static_cast<std::size_t>(n_layers))
      fail(ErrorCode::bad_value, key,
           std::to_string(values.size()) + " numbers for " + std::to_string(n_layers) + " layers");
    for (const std::int32_t v : values)
      if (v != values.front())
        fail(ErrorCode::unsupported_type, key, "layers of different shape, expected the same number for every layer");
    if (values.front() < 1) fail(ErrorCode::bad_value, key, std::to_string(values.front()) + ", expected at least 1");
    return values.front();
  }
  [[noreturn]] void fail(ErrorCode code, std::string_view key, const std::string& message) const {
    file_.fail_key(code, full(key), message);
  }
  const ModelFile& file() const { return file_; }

 private:
  const ModelFile& file_;
  std::string prefix_;
};

void read_heads(const Keys& keys, ModelConfig& config) {
  config.n_heads = keys.per_layer("attention.head_count", config.n_layers);
  config.n_kv_heads =
      keys.has("attention.head_count_kv") ? keys.per_layer("attention.head_count_kv", config.n_layers) : config.n_heads;
  if (config.n_heads % config.n_kv_heads != 0)
    keys.fail(ErrorCode::bad_value, "attention.head_count_kv",
              std::to_string(config.n_kv_heads) + " does not divide the " + std::to_string(config.n_heads) + " heads");
  if (keys.has("attention.key_length"))
    config.head_dim = keys.positive("attention.key_length");
  else if (config.width % config.n_heads == 0)
    config.head_dim = config.width / config.n_heads;
  else
    keys.fail(ErrorCode::bad_value, "attention.head_count",
              std::to_string(config.n_heads) + " does not divide the width " + std::to_string(config.width));
  if (keys.positive_or("attention.value_length", config.head_dim) != config.head_dim)
    keys.fail(ErrorCode::unsupported_type, "attention.value_length", "differs from the key length");
}

void read_rope(const Keys& keys, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  rope.dims = keys.positive_or("rope.dimension_count", config.head_dim);
  rope.base = keys.real_or("rope.freq_base", 10000.0f);
  rope.attn_factor = keys.real_or("rope.scaling.attn_factor", 1.0f);
  rope.original_context = keys.positive_or("rope.scaling.original_context_length", config.context);
  const std::string_view scaling = keys.text_or("rope.scaling.type", "");
  // Before there were types, `scale_linear` alone meant linear scaling.
  rope.factor = keys.real_or("rope.scaling.factor", keys.real_or("rope.scale_linear", 1.0f));
  if (scaling == "yarn")
    rope.scaling = RopeScaling::yarn;
  else if (scaling == "linear" || (scaling.empty() && rope.factor != 1.0f))
    rope.scaling = RopeScaling::linear;
  else if (!scaling.empty() && scaling != "none")
    keys.fail(ErrorCode::bad_value, "rope.scaling.type", "'" + printable(scaling) + "', expected none, linear or yarn");
  if (rope.scaling == RopeScaling::none) rope.factor = 1.0f;
  rope.yarn_ext_factor = keys.real_or("rope.scaling.yarn_ext_factor", 1.0f);
  rope.yarn_beta_fast = keys.real_or("rope.scaling.yarn_beta_fast", 32.0f);
  rope.yarn_beta_slow = keys.real_or("rope.scaling.yarn_beta_slow", 1.0f);
}

/// Experts of every layer. Without a key for it their inner width is that of the model: `each` its own, or all that a
/// token visits together.
void read_experts(const Keys& keys, ModelConfig& config, bool each) {
  config.moe.count = keys.positive("expert_count");
  config.moe.used = keys.positive("expert_used_count");
  if (config.moe.used > config.moe.count)
    keys.fail(
        ErrorCode::bad_value, "expert_used_count",
        std::to_string(config.moe.used) + ", expected at most the expert_count, " + std::to_string(config.moe.count));
  config.moe.ffn_dim =
      keys.positive_or("expert_feed_forward_length", each ? config.ffn_dim : config.ffn_dim / config.moe.used);
}

/// llama: RMS norms, gated SiLU, rotation of interleaved pairs. Biases are present where their tensors are.
void read_llama(const Keys& keys, ModelConfig& config) {
  config.rope.pairs = RopePairs::interleaved;
  config.qkv_bias = keys.file().find_tensor("blk.0.attn_q.bias") != nullptr;
  config.attn_out_bias = keys.file().find_tensor("blk.0.attn_output.bias") != nullptr;
  config.ffn_bias = keys.file().find_tensor("blk.0.ffn_down.bias") != nullptr;
  if (keys.count_or("expert_count", 0) > 0) read_experts(keys, config, true);
}

/// qwen2moe: the rotation pairs the halves of a head, q, k and v have biases, and all tokens share one more expert.
void read_qwen2_moe(const Keys& keys, ModelConfig& config) {
  config.rope.pairs = RopePairs::halves;
  config.qkv_bias = keys.file().find_tensor("blk.0.attn_q.bias") != nullptr;
  read_experts(keys, config, false);
  config.moe.shared_ffn_dim = keys.positive_or("expert_shared_feed_forward_length", config.ffn_dim);
  config.moe.shared_gate = true;
  config.moe.renormalise = false;
}

/// qwen3moe: the rotation pairs the halves of a head, heads of q and k are normed first.
void read_qwen3_moe(const Keys& keys, ModelConfig& config) {
  config.rope.pairs = RopePairs::halves;
  config.qk_norm = true;
  read_experts(keys, config, false);
}

/// The architectures with a forward pass, and what each reads beyond the common keys.
struct Architecture {
  std::string_view name;
  void (*read)(const Keys&, ModelConfig&);
};
constexpr std::array kArchitectures = {Architecture{"llama", read_llama}, Architecture{"qwen2moe", read_qwen2_moe},
                                       Architecture{"qwen3moe", read_qwen3_moe}};

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& known : kArchitectures)
    if (known.name == name) return &known;
  return nullptr;
}

/// The choice of experts that the forward pass knows: of all, by a softmax.
void check_experts_runnable(const MoeConfig& moe, const detail::ConfigChecker& check) {
  const auto refuse = [&](bool present, const char* what) {
    if (present) check.fail(ErrorCode::unsupported_architecture, std::string(what) + " has no forward pass here");
  };
  refuse(moe.sigmoid_scores, "a choice of experts by sigmoids");
  refuse(moe.router_bias, "a choice of experts with a bias");
  refuse(moe.groups > 0, "a choice of experts within groups");
  refuse(moe.leading_dense_layers > 0, "a mixture of experts with dense layers");
  refuse(moe.weight_scale != 1.0f, "a scale of the experts' weights");
}

}  // namespace

ModelConfig config_from_file(const ModelFile& file) {
  const std::string_view name = file.get_string("general.architecture");
  const Architecture* architecture = find_architecture(name);
  if (!architecture)
    file.fail_key(ErrorCode::unsupported_architecture, "general.architecture",
                  "'" + printable(name) + "' has no forward pass here");
  const Keys keys(file, name);
  ModelConfig config;
  config.architecture = name;
  config.name = printable(file.string_or("general.name", ""));
  config.context = keys.positive("context_length");
  config.width = keys.positive("embedding_length");
  config.n_layers = keys.positive("block_count");
  config.ffn_dim = keys.per_layer("feed_forward_length", config.n_layers);
  read_heads(keys, config);
  read_rope(keys, config);
  config.norm_eps = keys.real("attention.layer_norm_rms_epsilon");
  // The embedding's rows are the vocabulary; a key or a token list that says otherwise is an error.
  const GgufTensor& embedding = file.get_tensor("token_embd.weight");
  const std::int64_t rows = embedding.view.rows();
  const bool listed = file.find("tokenizer.ggml.tokens") != nullptr;
  const std::int64_t tokens =
      listed ? static_cast<std::int64_t>(file.array_size("tokenizer.ggml.tokens", GgufType::string)) : rows;
  config.vocab_size = keys.positive_or("vocab_size", static_cast<int>(std::min(tokens, kMaxInt)));
  if (config.vocab_size != rows)
    file.fail_tensor(ErrorCode::bad_shape, "token_embd.weight",
                     std::to_string(rows) + " rows for a vocabulary of " + std::to_string(config.vocab_size));
  config.tied_head = file.find_tensor("output.weight") == nullptr;
  config.head_bias = file.find_tensor("output.bias") != nullptr;
  config.rope_factors = file.find_tensor("rope_freqs.weight") != nullptr;
  architecture->read(keys, config);
  check_runnable(config, file.path());
  return config;
}

void check_runnable(const ModelConfig& config, const std::string& source) {
  check_config(config, source);
  const detail::ConfigChecker check{source};
  if (!find_architecture(config.architecture))
    check.fail(ErrorCode::unsupported_architecture,
               "architecture '" + printable(config.architecture) + "' has no forward pass here");
  check.in_range("ffn_dim", config.ffn_dim, 1, ConfigLimits::kFfn);
  if (config.is_moe()) check_experts_runnable(config.moe, check);
  check.finite("norm_eps", config.norm_eps, true);
  check.finite("rope.attn_factor", config.rope.attn_factor, true);
  if (config.rope.scaling == RopeScaling::yarn) {
    check.in_range("rope.original_context", config.rope.original_context, 1, ConfigLimits::kContext);
    check.finite("rope.yarn_ext_factor", config.rope.yarn_ext_factor, false);
    check.finite("rope.yarn_beta_fast", config.rope.yarn_beta_fast, true);
    check.finite("rope.yarn_beta_slow", config.rope.yarn_beta_slow, true);
    if (config.rope.base == 1.0f) check.fail(ErrorCode::bad_value, "rope.base is 1, expected another with yarn");
  }
  checked_mul(config.n_heads, config.head_dim, source + ": n_heads * head_dim");
  // The largest KV cache (f32, one sequence) must have a size.
  const std::string what = source + ": bytes of the KV cache, context * layers * KV heads * head_dim * 8";
  const std::int64_t rows = checked_mul<std::int64_t>(config.context, config.n_layers, what);
  checked_mul<std::int64_t>(checked_mul<std::int64_t>(rows, config.kv_dim(), what), 2 * sizeof(float), what);
}

}  // namespace plumb
