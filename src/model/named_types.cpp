#include "plumb/model/named_types.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

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

}  // namespace

RecipeFacts recipe_facts(const ModelSpec& spec) {
  RecipeFacts facts;
  facts.architecture = spec.family;
  facts.n_layers = spec.n_layers();
  facts.tied_head = spec.output.tied;
  int heads = 0, kv_heads = 0;
  for (const LayerSpec& layer : spec.layers) {
    match(
        layer.mixer, [](const Nothing&) {},
        [&](const AttentionSpec& attention) {
          heads = std::max(heads, attention.n_heads);
          kv_heads = std::max(kv_heads, attention.n_kv_heads);
        },
        [&](const LatentAttentionSpec& attention) {  // all heads share one compressed vector
          heads = std::max(heads, attention.n_heads);
          kv_heads = std::max(kv_heads, 1);
        },
        [](const DeltaNetSpec&) {}, [](const ShortConvSpec&) {}, [](const StateSpaceSpec&) {}, [](const RwkvSpec&) {});
    if (const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn))
      facts.n_experts = std::max(facts.n_experts, experts->count);
  }
  facts.group_size = kv_heads > 0 ? heads / kv_heads : 1;
  return facts;
}

WeightTypes weight_types_by_name(std::string_view name, const ModelSpec& spec, const WeightTypes& kept) {
  const Recipe recipe = Recipe::parse(name);
  const RecipeFacts facts = recipe_facts(spec);
  const auto type_of = [&](const TensorSpec& tensor) {
    return recipe.wanted(tensor.id, kept.of(tensor), tensor.shape, facts);
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
