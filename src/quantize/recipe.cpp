#include "plumb/quantize/recipe.hpp"

#include <algorithm>
#include <array>
#include <charconv>
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

}  // namespace

NamedRole tensor_role(std::string_view name) {
  NamedRole role;
  if (name.starts_with("blk.")) {
    const std::string_view rest = name.substr(4);
    int layer = -1;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    if (error == std::errc() && layer >= 0 && end != rest.data() + rest.size() && *end == '.') {
      role.layer = layer;
      name = std::string_view(end + 1, static_cast<std::size_t>(rest.data() + rest.size() - end - 1));
    }
  }
  if (name.ends_with(".weight")) name.remove_suffix(7);
  role.role = name;
  return role;
}

RecipeFacts recipe_facts(const ModelFile& file) {
  RecipeFacts facts;
  facts.architecture = file.string_or("general.architecture", "");
  const std::string prefix = facts.architecture + ".";
  constexpr std::int64_t kMost = 1 << 20;
  for (const GgufTensor& tensor : file.tensors())
    facts.n_layers = std::max(facts.n_layers, tensor_role(tensor.name).layer + 1);
  facts.n_experts = static_cast<int>(file.int_or(prefix + "expert_count", 0, 0, kMost));
  // Head counts may be one number or one a layer; recipes only ask whether many query heads share a key/value head.
  const auto heads = [&](const char* key, std::int64_t fallback) {
    const GgufValue* value = file.find(prefix + key);
    if (value == nullptr) return fallback;
    if (!value->is_array()) return file.get_int(prefix + key, 0, kMost);
    const std::vector<std::int32_t> all = file.get_ints(prefix + key);
    return all.empty() ? fallback : static_cast<std::int64_t>(*std::max_element(all.begin(), all.end()));
  };
  const std::int64_t n_heads = heads("attention.head_count", 0), n_kv = heads("attention.head_count_kv", n_heads);
  facts.group_size = n_kv > 0 && n_heads > 0 ? static_cast<int>(n_heads / n_kv) : 1;
  facts.tied_head = file.find_tensor("output.weight") == nullptr;
  return facts;
}

bool is_quantizable(std::string_view tensor, const Shape& shape) {
  if (shape.rank() < 2 || !tensor.ends_with("weight")) return false;
  static constexpr std::array<std::string_view, 20> kNever = {
      "_norm.weight",     "ffn_gate_inp",  "position_embd", "token_types", "ssm_conv1d",
      "shortconv.conv",   "attn_rel_b",    "altup",         "laurel",      "per_layer_model_proj",
      "time_mix_first",   "time_mix_w",    "time_mix_v",    "time_mix_a",  "time_mix_g",
      "time_mix_decay_w", "time_mix_lerp", ".rel_pos",      ".patch_embd", "indexer."};
  if (std::any_of(kNever.begin(), kNever.end(),
                  [&](std::string_view part) { return tensor.find(part) != std::string_view::npos; }))
    return false;
  return shape.rows() > 1 && shape.cols() > 1;
}

DType fitting_type(DType wanted, std::int64_t columns) {
  const auto divides = [&](DType type) { return columns % dtype_info(type).block_elements == 0; };
  if (divides(wanted)) return wanted;
  DType near = DType::f16;
  switch (wanted) {
    case DType::iq4_xs: near = DType::iq4_nl; break;
    case DType::q2_k:
    case DType::q3_k: near = DType::q4_0; break;
    case DType::q4_k: near = DType::q5_0; break;
    case DType::q5_k: near = DType::q5_1; break;
    case DType::q6_k: near = DType::q8_0; break;
    default: break;
  }
  return divides(near) ? near : DType::f16;
}

std::vector<std::string_view> Recipe::names() { return detail::named_recipes(); }

Recipe Recipe::parse(std::string_view text) {
  Recipe recipe;
  recipe.text_ = lower(trimmed(text));
  if (recipe.text_.find('=') == std::string::npos) {
    if (!detail::is_named_recipe(recipe.text_))
      refuse("quantization type " + quote(text) +
             " is not known; expected rules (ROLE=TYPE,...) or one of: " + all_names());
    return recipe;
  }
  std::string_view rest = recipe.text_;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view rule = trimmed(rest.substr(0, comma));
    const std::size_t equals = rule.find('=');
    if (equals == std::string_view::npos || equals == 0)
      refuse("quantization rule " + quote(rule) + " is not of the form ROLE=TYPE");
    const std::string_view pattern = trimmed(rule.substr(0, equals)), target = trimmed(rule.substr(equals + 1));
    if (!plain_type(target) && !detail::is_named_recipe(target))
      refuse("quantization rule " + quote(rule) + ": type " + quote(target) +
             " is not known; expected one of: " + all_names());
    recipe.rules_.push_back({std::string(pattern), std::string(target)});
    if (comma == std::string_view::npos) return recipe;
    rest.remove_prefix(comma + 1);
  }
}

DType Recipe::wanted(std::string_view tensor, DType from, const Shape& shape, const RecipeFacts& facts) const {
  if (!is_quantizable(tensor, shape)) return from;
  const NamedRole role = tensor_role(tensor);
  if (rules_.empty()) return detail::named_recipe_type(text_, role, shape, facts);
  const std::string name = lower(tensor), role_name = lower(role.role);
  for (const Rule& rule : rules_) {
    if (!matches(rule.pattern, role_name) && !matches(rule.pattern, name)) continue;
    const std::optional<DType> type = plain_type(rule.target);
    return type ? *type : detail::named_recipe_type(rule.target, role, shape, facts);
  }
  return from;
}

int Recipe::file_type() const { return rules_.empty() ? detail::named_recipe_file_type(text_) : -1; }

}  // namespace plumb
