#include "plumb/quantize/recipe.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "src/quantize/named_recipe.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// * stands for any number of characters, ? for one. Remembers the last *, so the time is at most the product of the
/// lengths.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

/// A computed type by name.
std::optional<DType> plain_type(std::string_view name) {
  const std::optional<DType> type = dtype_from_name(name);
  return type && dtype_info(*type).computed ? type : std::nullopt;
}

std::string all_names() {
  std::string text;
  for (const std::string_view name : Recipe::names()) text += (text.empty() ? "" : " ") + std::string(name);
  return text;
}

/// Matrices that quantizers leave as they are: small beside the others and read by every token, or there to choose
/// alone.
constexpr bool is_kept_as_it_is(TensorRole role) {
  switch (role) {
    case TensorRole::per_layer_inputs:
    case TensorRole::altup_spread:
    case TensorRole::altup_merge:
    case TensorRole::laurel_down:
    case TensorRole::laurel_up:
    case TensorRole::mix_decay_down:
    case TensorRole::mix_decay_up:
    case TensorRole::mix_rate_down:
    case TensorRole::mix_rate_up:
    case TensorRole::mix_first_down:
    case TensorRole::mix_first_up:
    case TensorRole::mix_gate_down:
    case TensorRole::mix_gate_up:
    case TensorRole::indexer_q:
    case TensorRole::indexer_k: return true;
    default: return false;
  }
}

/// What the name of a recipe gives a quantizable tensor. In a rule the name of a type is exactly that type.
DType type_of(std::string_view target, bool in_rule, detail::RecipePart part, int layer, const Shape& shape,
              const RecipeFacts& facts) {
  if (in_rule)
    if (const std::optional<DType> type = plain_type(target)) return *type;
  return detail::named_recipe_type(*detail::find_named_recipe(target), part, layer, shape, facts);
}

}  // namespace

void RecipeFacts::add(std::string_view tensor) {
  const GgufName name = split_gguf_name(tensor);
  n_layers = std::max(n_layers, name.layer + 1);
  if (name.layer < 0 || name.suffix != ".weight") return;
  const auto note = [&](std::vector<int>& layers) {
    if (layers.empty() || layers.back() < name.layer) return layers.push_back(name.layer);
    const auto at = std::lower_bound(layers.begin(), layers.end(), name.layer);
    if (*at != name.layer) layers.insert(at, name.layer);
  };
  if (name.base == "attn_v" || name.base == "attn_qkv" || name.base == "attn_kv_b") note(value_layers);
  if (name.base.starts_with("ffn_down")) note(down_layers);
}

RecipeFacts recipe_facts(const ModelFile& file) {
  RecipeFacts facts;
  facts.architecture = file.string_or("general.architecture", "");
  const std::string prefix = facts.architecture + ".";
  constexpr std::int64_t kMost = 1 << 20;
  for (const GgufTensor& tensor : file.tensors()) facts.add(tensor.name);
  facts.n_experts = static_cast<int>(file.int_or(prefix + "expert_count", 0, 0, kMost));
  // Head counts may be one number or one a layer: then the first counts.
  const auto heads = [&](const char* key, std::int64_t fallback) {
    const GgufValue* value = file.find(prefix + key);
    if (value == nullptr) return fallback;
    if (!value->is_array()) return file.get_int(prefix + key, 0, kMost);
    const std::vector<std::int32_t> all = file.get_ints(prefix + key);
    return all.empty() ? fallback : static_cast<std::int64_t>(all.front());
  };
  const std::int64_t n_heads = heads("attention.head_count", 0), n_kv = heads("attention.head_count_kv", n_heads);
  facts.group_size = n_kv > 0 ? static_cast<int>(std::max<std::int64_t>(n_heads, 0) / n_kv) : 0;
  facts.tied_head = file.find_tensor("output.weight") == nullptr;
  return facts;
}

bool is_quantizable(const TensorId& tensor, const Shape& shape) {
  if (is_kept_as_it_is(tensor.role)) return false;
  return shape.rank() >= 2 && !tensor.bias && is_matrix_role(tensor.role) && shape.rows() > 1 && shape.cols() > 1;
}

bool is_quantizable(std::string_view tensor, const Shape& shape) {
  if (shape.rank() < 2 || !tensor.ends_with("weight")) return false;
  if (const std::optional<TensorId> id = tensor_id_of_gguf_name(tensor)) return is_quantizable(*id, shape);
  static constexpr std::array<std::string_view, 13> kNever = {
      "_norm.weight",   "ffn_gate_inp", "position_embd",  "token_types",      "ssm_conv1d",
      "shortconv.conv", "attn_rel_b",   "time_mix_first", "time_mix_decay_w", "time_mix_lerp",
      ".rel_pos",       ".patch_embd",  "indexer."};
  if (std::any_of(kNever.begin(), kNever.end(),
                  [&](std::string_view part) { return tensor.find(part) != std::string_view::npos; }))
    return false;
  return shape.rows() > 1 && shape.cols() > 1;
}

std::vector<std::string_view> Recipe::names() {
  std::vector<std::string_view> names;
  for (const detail::NamedRecipe& recipe : detail::named_recipes()) names.push_back(recipe.name);
  return names;
}

std::vector<std::string_view> Recipe::file_names() {
  std::vector<std::string_view> names;
  for (const detail::NamedRecipe& recipe : detail::named_recipes())
    if (recipe.file_type >= 0) names.push_back(recipe.name);
  return names;
}

Recipe Recipe::parse(std::string_view text) {
  Recipe recipe;
  recipe.text_ = lower(trimmed(text));
  if (recipe.text_.find('=') == std::string::npos) {
    if (!detail::find_named_recipe(recipe.text_))
      refuse("weight type " + quote(text) + " is not known; expected rules (ROLE=TYPE,...) or one of: " + all_names());
    return recipe;
  }
  std::string_view rest = recipe.text_;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view rule = trimmed(rest.substr(0, comma));
    const std::size_t equals = rule.find('=');
    if (equals == std::string_view::npos || equals == 0)
      refuse("rule " + quote(rule) + " of weight types is not of the form ROLE=TYPE");
    const std::string_view pattern = trimmed(rule.substr(0, equals)), target = trimmed(rule.substr(equals + 1));
    if (!plain_type(target) && !detail::find_named_recipe(target))
      refuse("rule " + quote(rule) + " of weight types: type " + quote(target) +
             " is not known; expected one of: " + all_names());
    recipe.rules_.push_back({std::string(pattern), std::string(target)});
    if (comma == std::string_view::npos) return recipe;
    rest.remove_prefix(comma + 1);
  }
}

DType Recipe::wanted(const TensorId& tensor, DType from, const Shape& shape, const RecipeFacts& facts) const {
  if (!is_quantizable(tensor, shape)) return from;
  const std::optional<std::string_view> target = target_of(gguf_tensor_name(tensor));
  return target ? type_of(*target, !rules_.empty(), detail::recipe_part(tensor.role), tensor.layer, shape, facts)
                : from;
}

DType Recipe::wanted(std::string_view tensor, DType from, const Shape& shape, const RecipeFacts& facts) const {
  if (!is_quantizable(tensor, shape)) return from;
  if (const std::optional<TensorId> id = tensor_id_of_gguf_name(tensor)) return wanted(*id, from, shape, facts);
  const std::optional<std::string_view> target = target_of(tensor);
  const GgufName name = split_gguf_name(tensor);
  return target ? type_of(*target, !rules_.empty(), detail::recipe_part(name.base), name.layer, shape, facts) : from;
}

std::optional<std::string_view> Recipe::target_of(std::string_view tensor) const {
  if (rules_.empty()) return text_;
  const std::string name = lower(tensor);
  const std::string_view role = split_gguf_name(name).base;
  for (const Rule& rule : rules_)
    if (matches(rule.pattern, role) || matches(rule.pattern, name)) return rule.target;
  return std::nullopt;
}

std::optional<DType> Recipe::base() const {
  if (!rules_.empty()) return std::nullopt;
  return detail::find_named_recipe(text_)->base;
}

int Recipe::file_type() const {
  const auto refuse_in_memory = [](std::string_view name) {
    const detail::NamedRecipe* recipe = detail::find_named_recipe(name);
    if (recipe && recipe->file_type < 0)
      throw Error(ErrorCode::unsupported_type,
                  "type " + quote(name) +
                      " exists in memory only, no file format has it; give it to a command that runs "
                      "models, such as bench or generate");
  };
  for (const Rule& rule : rules_) refuse_in_memory(rule.target);
  if (!rules_.empty()) return -1;
  refuse_in_memory(text_);
  return detail::find_named_recipe(text_)->file_type;
}

}  // namespace plumb
