#include "plumb/perf/subject.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/hf_config.hpp"
#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using NamedRole = std::pair<std::string_view, TensorRole>;

/// Names inside "blk.N." and their roles (GGUF specification, "Standardized tensor names").
constexpr std::array kLayerRoles{
    NamedRole{"attn_q.weight", TensorRole::attn_q},
    NamedRole{"attn_k.weight", TensorRole::attn_k},
    NamedRole{"attn_v.weight", TensorRole::attn_v},
    NamedRole{"attn_output.weight", TensorRole::attn_out},
    NamedRole{"attn_q_a.weight", TensorRole::mla_q_down},
    NamedRole{"attn_q_b.weight", TensorRole::mla_q_up},
    NamedRole{"attn_kv_a_mqa.weight", TensorRole::mla_kv_down},
    NamedRole{"attn_k_b.weight", TensorRole::mla_k_up},
    NamedRole{"attn_v_b.weight", TensorRole::mla_v_up},
    NamedRole{"ffn_gate.weight", TensorRole::ffn_gate},
    NamedRole{"ffn_up.weight", TensorRole::ffn_up},
    NamedRole{"ffn_down.weight", TensorRole::ffn_down},
    NamedRole{"ffn_gate_exps.weight", TensorRole::expert_gate},
    NamedRole{"ffn_up_exps.weight", TensorRole::expert_up},
    NamedRole{"ffn_down_exps.weight", TensorRole::expert_down},
    NamedRole{"ffn_gate_shexp.weight", TensorRole::shared_gate},
    NamedRole{"ffn_up_shexp.weight", TensorRole::shared_up},
    NamedRole{"ffn_down_shexp.weight", TensorRole::shared_down},
};

/// "blk.12.attn_q.weight" -> {12, "attn_q.weight"}.
std::optional<std::pair<int, std::string_view>> split_layer_name(std::string_view name) {
  if (!name.starts_with("blk.")) return std::nullopt;
  name.remove_prefix(4);
  int layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const auto used = static_cast<std::size_t>(end - name.data());
  if (error != std::errc() || used >= name.size() || name[used] != '.') return std::nullopt;
  return std::pair{layer, name.substr(used + 1)};
}

}  // namespace

std::optional<TensorRole> role_of_tensor(std::string_view name) {
  if (name == "token_embd.weight") return TensorRole::token_embedding;
  if (name == "output.weight") return TensorRole::head;
  const auto layer = split_layer_name(name);
  if (!layer) return std::nullopt;
  if (layer->second == "attn_qkv.weight") return TensorRole::attn_q;
  if (layer->second == "attn_kv_b.weight") return TensorRole::mla_k_up;
  for (const auto& [known, role] : kLayerRoles)
    if (known == layer->second) return role;
  return std::nullopt;
}

WeightTypes weight_types_of(const ModelFile& file) {
  struct Found {
    std::string_view name;
    TensorRole role;
    DType type;
  };
  std::vector<Found> found;
  for (const GgufTensor& tensor : file.tensors())
    if (const auto role = role_of_tensor(tensor.name)) found.push_back({tensor.name, *role, tensor.view.dtype()});
  // The type of the first matrix inside a layer is the rule, whatever differs an exception.
  const auto in_layer = [](const Found& tensor) { return split_layer_name(tensor.name).has_value(); };
  const auto usual = std::find_if(found.begin(), found.end(), in_layer);
  WeightTypes types(usual == found.end() ? DType::f32 : usual->type);
  const bool gate_in_up = file.find_tensor("blk.0.ffn_gate.weight") == nullptr;  // phi3 stores both as one matrix
  for (const auto& [name, role, type] : found) {
    if (type == types.matrices()) continue;
    const auto layer = split_layer_name(name);
    const auto set = [&, type = type](TensorRole part) {
      layer ? types.set(part, layer->first, type) : types.set(part, type);
    };
    set(role);
    if (layer && layer->second == "attn_qkv.weight") set(TensorRole::attn_k), set(TensorRole::attn_v);
    if (layer && layer->second == "attn_kv_b.weight") set(TensorRole::mla_v_up);
    if (role == TensorRole::ffn_up && gate_in_up) set(TensorRole::ffn_gate);
  }
  return types;
}

Subject load_subject(const std::string& name_or_path) {
  const std::filesystem::path path(name_or_path);
  const Preset* preset = name_or_path.find('/') == std::string::npos ? find_preset(name_or_path) : nullptr;
  if (preset) return {std::string(preset->name), preset->config(), std::nullopt, std::nullopt};
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw Error(ErrorCode::invalid_argument,
                quote(name_or_path) + " is neither a preset nor a file; `plumb predict --list` shows the presets");
  if (path.extension() == ".json") {
    ModelConfig config = config_from_json_file(path);
    return {config.name, std::move(config), std::nullopt, std::nullopt};
  }
  const ModelFile file = open_model_file(path);
  return {printable(path.filename().string()), config_from_file(file), weight_types_of(file), path};
}

}  // namespace plumb
