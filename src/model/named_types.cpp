#include "plumb/model/named_types.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The type that occurs most often; the first of them where several do.
DType most_common(const std::vector<std::pair<int, DType>>& types) {
  std::map<DType, int> counts;
  for (const auto& [layer, type] : types) ++counts[type];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// Query heads for each key/value head as the keys of files say it: one number for all layers, so that it holds for
/// the first one too, or numbers for every layer, 0 for those without attention.
int group_size(const ModelSpec& spec) {
  const auto of = [](const AttentionSpec& attention) {
    return attention.n_kv_heads > 0 ? attention.n_heads / attention.n_kv_heads : 0;
  };
  if (spec.layers.empty()) return 0;
  const LayerSpec& first = spec.layers.front();
  for (const Mixer* mixer : {&first.mixer, &first.beside}) {
    if (const auto* attention = std::get_if<AttentionSpec>(mixer)) return of(*attention);
    if (const auto* latent = std::get_if<LatentAttentionSpec>(mixer)) return latent->n_heads;  // one vector for all
  }
  // Hybrids of delta nets and attention of keys and values have one number; those with latent attention one a layer.
  const AttentionSpec* attention = std::holds_alternative<DeltaNetSpec>(first.mixer) ? first_attention(spec) : nullptr;
  return attention ? of(*attention) : 0;
}

}  // namespace

RecipeFacts recipe_facts(const ModelSpec& spec) {
  RecipeFacts facts;
  facts.architecture = spec.family;
  facts.n_layers = spec.n_layers();
  facts.tied_head = spec.output.tied || !spec.output.head;
  facts.group_size = group_size(spec);
  for (const LayerSpec& layer : spec.layers)
    if (const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn))
      facts.n_experts = std::max(facts.n_experts, experts->count);
  for_each_tensor(spec, [&](const TensorSpec& tensor) { facts.add(name_in_file(spec, tensor)); });
  return facts;
}

WeightTypes weight_types_by_name(std::string_view name, const ModelSpec& spec, const WeightTypes& kept) {
  const Recipe recipe = Recipe::parse(name);
  const RecipeFacts facts = recipe_facts(spec);
  const auto type_of = [&](const TensorSpec& tensor) {
    return recipe.wanted(name_in_file(spec, tensor), kept.of(tensor), tensor.shape, facts);
  };
  return gather_weight_types(spec, type_of, recipe.base());
}

WeightTypes gather_weight_types(const ModelSpec& spec, const std::function<DType(const TensorSpec&)>& type_of,
                                std::optional<DType> usual) {
  std::map<TensorRole, std::vector<std::pair<int, DType>>> roles;  // of each: layer and type
  std::vector<std::pair<int, DType>> all;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (!tensor.is_matrix()) return;
    all.emplace_back(tensor.id.layer, type_of(tensor));
    roles[tensor.id.role].push_back(all.back());
  });
  if (!usual && !all.empty()) usual = most_common(all);
  WeightTypes types = usual ? WeightTypes(*usual) : WeightTypes();
  // A role's usual type first, then the layers that differ: look-ups go through few exceptions.
  for (const auto& [role, layers] : roles) {
    const DType most = most_common(layers);
    if (most != types.matrices()) types.set(role, most);
    for (const auto& [layer, type] : layers)
      if (type != most) types.set(role, layer, type);
  }
  return types;
}

WeightTypes stored_types(const ModelSpec& spec, const Weights& weights) {
  std::map<std::pair<TensorRole, int>, DType> types;
  for_each_matrix(spec, weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
    types[{tensor.id.role, tensor.id.layer}] = w.type;
  });
  return gather_weight_types(spec, [&](const TensorSpec& tensor) {
    return types.at({tensor.id.role, tensor.id.layer});
  });
}

}  // namespace plumb
