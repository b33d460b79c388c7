#include "plumb/perf/fallbacks.hpp"

#include "../core/format.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/quant/fitting_type.hpp"

namespace plumb::inline PLUMB_ABI {

void Fallbacks::add(DType wanted, DType has, std::int64_t cols) {
  ++matrices;
  if (has != wanted && has == fitting_type(wanted, cols)) ++instead[has];
}

int Fallbacks::count() const {
  int sum = 0;
  for (const auto& [type, tensors] : instead) sum += tensors;
  return sum;
}

std::string Fallbacks::beside(std::string_view type) const {
  std::string text(type);
  if (!any()) return text;
  if (instead.size() == 1)
    return text + formatted(" ({} of {} tensors {})", count(), matrices, dtype_name(instead.begin()->first));
  text += formatted(" ({} of {} tensors not:", count(), matrices);
  const char* before = " ";
  for (const auto& [has, tensors] : instead) {
    text += formatted("{}{} {}", before, tensors, dtype_name(has));
    before = ", ";
  }
  return text + ')';
}

Fallbacks fallbacks_of(std::string_view type, const ModelSpec& spec) {
  Fallbacks found;
  const Recipe recipe = Recipe::parse(type);
  const RecipeFacts facts = recipe_facts(spec);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (!tensor.is_matrix()) return;
    const DType wanted = recipe.wanted(name_in_file(spec, tensor), DType::f32, tensor.shape, facts);
    if (dtype_info(wanted).quantized())
      found.add(wanted, fitting_type(wanted, tensor.shape.cols()), tensor.shape.cols());
  });
  return found;
}

}  // namespace plumb
