#include "src/quantize/named_recipe.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "plumb/core/dtype.hpp"

namespace plumb::inline PLUMB_ABI::detail {
namespace {

constexpr NamedRecipe kFileRecipes[] = {
    {"f32", Mix::plain, DType::f32, 0},
    {"f16", Mix::plain, DType::f16, 1},
    {"bf16", Mix::plain, DType::bf16, 32},
    {"q8_0", Mix::q8_0, DType::q8_0, 7},
    {"q6_k", Mix::q6_k, DType::q6_k, 18},
    {"q5_k_m", Mix::q5_k_m, DType::q5_k, 17},
    {"q5_k_s", Mix::q5_k_s, DType::q5_k, 16},
    {"q5_1", Mix::q5_1, DType::q5_1, 9},
    {"q5_0", Mix::q5_0, DType::q5_0, 8},
    {"q4_k_m", Mix::q4_k_m, DType::q4_k, 15},
    {"q4_k_s", Mix::q4_k_s, DType::q4_k, 14},
    {"q4_1", Mix::q4_1, DType::q4_1, 3},
    {"q4_0", Mix::q4_0, DType::q4_0, 2},
    {"iq4_nl", Mix::iq4_nl, DType::iq4_nl, 25},
    {"iq4_xs", Mix::iq4_xs, DType::iq4_xs, 30},
    {"mxfp4", Mix::mxfp4, DType::mxfp4, 38},  // for models without experts; the format has no number of its own
    {"mxfp4_moe", Mix::mxfp4_moe, DType::mxfp4, 38},
    {"q3_k_l", Mix::q3_k_l, DType::q3_k, 13},
    {"q3_k_m", Mix::q3_k_m, DType::q3_k, 12},
    {"q3_k_s", Mix::q3_k_s, DType::q3_k, 11},
    {"q2_k", Mix::q2_k, DType::q2_k, 10},
    {"q2_k_s", Mix::q2_k_s, DType::q2_k, 21},
    // Short names mean the medium mix.
    {"q5_k", Mix::q5_k_m, DType::q5_k, 17},
    {"q4_k", Mix::q4_k_m, DType::q4_k, 15},
    {"q3_k", Mix::q3_k_m, DType::q3_k, 12},
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// Names of the types that exist in memory only, in lower case.
const std::vector<std::string>& memory_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const DTypeInfo& info : kDTypes)
      if (info.in_memory() && info.computed) all.push_back(lower(info.name));
    return all;
  }();
  return names;
}

/// The first and last eighth of the layers and every third between: where the medium mixes spend more bits.
bool is_sensitive_layer(int layer, int n_layers) {
  return layer < n_layers / 8 || layer >= 7 * n_layers / 8 || (layer - n_layers / 8) % 3 == 2;
}

/// Which one of its kind a layer's matrix is: mixes count those that there are, not layers.
int number_of(int layer, const std::vector<int>& layers) {
  if (layers.empty()) return layer;
  return static_cast<int>(std::lower_bound(layers.begin(), layers.end(), layer) - layers.begin());
}

/// The 70B llamas and the models that are treated like these: their value matrices are an eighth of the query matrices.
bool is_seventy_billion(const RecipeFacts& facts) {
  if (facts.n_layers != 80) return false;
  if (facts.architecture == "llama") return facts.group_size > 1;
  return facts.architecture == "qwen2" || facts.architecture == "deci" || facts.architecture == "olmo";
}

/// Values see no averaging over keys, and with grouped heads the matrix is small: cheap to keep precise.
DType attention_value(Mix mix, DType base, int layer, const RecipeFacts& facts) {
  DType type = base;
  const int number = number_of(layer, facts.value_layers);
  const int count = facts.value_layers.empty() ? facts.n_layers : static_cast<int>(facts.value_layers.size());
  const bool shared = facts.group_size >= 4;
  switch (mix) {
    case Mix::q2_k: type = shared ? DType::q4_k : DType::q3_k; break;
    case Mix::q2_k_s: type = shared ? DType::q4_k : base; break;
    case Mix::q3_k_m: type = number < 2 ? DType::q5_k : DType::q4_k; break;
    case Mix::q3_k_l: type = DType::q5_k; break;
    case Mix::iq4_nl:
    case Mix::iq4_xs: type = shared ? DType::q5_k : base; break;
    case Mix::q4_k_m:
    case Mix::q5_k_m: type = is_sensitive_layer(number, count) ? DType::q6_k : base; break;
    case Mix::q4_k_s: type = number < 4 ? DType::q5_k : base; break;
    default: break;
  }
  if (is_seventy_billion(facts) && (type == DType::q3_k || type == DType::q4_k)) type = DType::q5_k;
  return facts.n_experts == 8 ? DType::q8_0 : type;
}

DType ffn_down(Mix mix, DType base, int layer, const RecipeFacts& facts) {
  const bool falcon = facts.architecture == "falcon";
  if (facts.n_experts <= 1) layer = number_of(layer, facts.down_layers);  // with experts, layers count
  const bool first_eighth = layer < facts.n_layers / 8, sensitive = is_sensitive_layer(layer, facts.n_layers);
  switch (mix) {
    case Mix::q2_k: return DType::q3_k;
    case Mix::q2_k_s: return first_eighth ? DType::q4_k : base;
    case Mix::q3_k_m:
      if (layer < facts.n_layers / 16) return DType::q5_k;
      return !falcon || sensitive ? DType::q4_k : base;
    case Mix::q3_k_l: return falcon ? DType::q4_k : DType::q5_k;
    case Mix::q4_k_m:
      if (falcon) return layer < facts.n_layers / 16 ? DType::q6_k : sensitive ? DType::q5_k : base;
      return sensitive ? DType::q6_k : base;
    case Mix::iq4_nl:
    case Mix::iq4_xs: return first_eighth && !facts.has_importance ? DType::q5_k : base;
    case Mix::q5_k_m: return sensitive ? DType::q6_k : base;
    case Mix::q4_k_s: return !falcon && first_eighth ? DType::q5_k : base;
    case Mix::q4_0: return facts.has_importance && first_eighth ? DType::q4_1 : base;
    case Mix::q5_0: return facts.has_importance && first_eighth ? DType::q5_1 : base;
    default: return base;
  }
}

DType attention_output(Mix mix, DType base, const RecipeFacts& facts) {
  if (facts.architecture == "falcon") return mix == Mix::q3_k_l ? DType::q4_k : base;
  if (facts.n_experts == 8) {
    switch (mix) {
      case Mix::q2_k:
      case Mix::q3_k_s:
      case Mix::q3_k_m:
      case Mix::q4_k_s:
      case Mix::q4_k_m:
      case Mix::iq4_nl:
      case Mix::iq4_xs: return DType::q5_k;
      default: return base;
    }
  }
  switch (mix) {
    case Mix::q2_k: return DType::q3_k;
    case Mix::q3_k_m: return DType::q4_k;
    case Mix::q3_k_l: return DType::q5_k;
    default: return base;
  }
}

}  // namespace

RecipePart recipe_part(TensorRole role) {
  switch (role) {
    case TensorRole::token_embedding:
    case TensorRole::per_layer_table: return RecipePart::embedding;
    case TensorRole::head: return RecipePart::head;
    case TensorRole::attn_k: return RecipePart::attn_key;
    case TensorRole::attn_qkv:  // values are among them
    case TensorRole::attn_v: return RecipePart::attn_value;
    case TensorRole::attn_out: return RecipePart::attn_output;
    case TensorRole::ffn_down:
    case TensorRole::expert_down:
    case TensorRole::shared_down: return RecipePart::ffn_down;
    default: return RecipePart::other;
  }
}

RecipePart recipe_part(std::string_view base) {
  if (base == "attn_qkv" || base == "attn_kv_b") return RecipePart::attn_value;  // values are among them
  return base.starts_with("ffn_down") ? RecipePart::ffn_down : RecipePart::other;
}

const std::vector<NamedRecipe>& named_recipes() {
  static const std::vector<NamedRecipe> recipes = [] {
    std::vector<NamedRecipe> all(std::begin(kFileRecipes), std::end(kFileRecipes));
    for (const std::string& name : memory_names()) all.push_back({name, Mix::plain, *dtype_from_name(name), -1});
    return all;
  }();
  return recipes;
}

const NamedRecipe* find_named_recipe(std::string_view name) {
  for (const NamedRecipe& recipe : named_recipes())
    if (recipe.name == name) return &recipe;
  return nullptr;
}

int file_type_of(DType type) {
  constexpr std::pair<DType, int> kWithoutRecipe[] = {{DType::iq2_xxs, 19}, {DType::iq2_xs, 20}, {DType::iq3_xxs, 23},
                                                      {DType::iq1_s, 24},   {DType::iq3_s, 26},  {DType::iq2_s, 28},
                                                      {DType::iq1_m, 31},   {DType::tq1_0, 36},  {DType::tq2_0, 37}};
  for (const auto& [of, number] : kWithoutRecipe)
    if (of == type) return number;
  int least = -1;  // mixes of a type are numbered from the one that has most of it
  for (const NamedRecipe& recipe : kFileRecipes)
    if (recipe.base == type && (least < 0 || recipe.file_type < least)) least = recipe.file_type;
  return least;
}

DType named_recipe_type(const NamedRecipe& recipe, RecipePart part, int layer, const Shape& shape,
                        const RecipeFacts& facts) {
  const DType base = recipe.base;
  if (recipe.mix == Mix::plain) return base;
  if (part == RecipePart::head || (facts.tied_head && part == RecipePart::embedding)) {
    // Every token goes through it, and its errors are those of the logits.
    if (recipe.mix == Mix::mxfp4_moe || facts.architecture == "falcon") return DType::q8_0;
    if (shape.cols() % dtype_info(base).block_elements != 0) return DType::q8_0;
    return base == DType::q8_0 ? DType::q8_0 : DType::q6_k;
  }
  if (recipe.mix == Mix::mxfp4_moe) return shape.rank() > 2 && shape[0] > 1 ? DType::mxfp4 : DType::q8_0;
  switch (part) {
    case RecipePart::attn_value: return attention_value(recipe.mix, base, layer, facts);
    case RecipePart::attn_key: return facts.n_experts == 8 ? DType::q8_0 : base;
    case RecipePart::attn_output: return attention_output(recipe.mix, base, facts);
    case RecipePart::ffn_down: return ffn_down(recipe.mix, base, layer, facts);
    default: return base;
  }
}

}  // namespace plumb::detail
