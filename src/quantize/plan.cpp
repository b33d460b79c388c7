#include "src/quantize/plan.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "plumb/core/printable.hpp"
#include "plumb/quant/fitting_type.hpp"
#include "plumb/quantize/importance.hpp"
#include "src/quantize/named_recipe.hpp"

namespace plumb::inline PLUMB_ABI {

std::vector<QuantizedTensor> plan_quantization(const ModelFile& file, const QuantizeOptions& options) {
  RecipeFacts facts = recipe_facts(file);
  std::vector<QuantizedTensor> plan;
  for (const GgufTensor& tensor : file.tensors()) {
    QuantizedTensor t;
    t.name = tensor.name;
    t.shape = tensor.view.shape();
    t.from = t.wanted = t.to = tensor.view.dtype();
    t.bytes_before = tensor.view.bytes();
    if (dtype_info(t.from).computed) {  // what cannot be read is copied
      facts.has_importance = options.importance && options.importance->knows(tensor.name, t.shape);
      t.wanted = options.recipe.wanted(tensor.name, t.from, t.shape, facts);
      t.to = fitting_type(t.wanted, t.shape.cols());
    }
    t.bytes_after = tensor_bytes(t.to, t.shape);
    plan.push_back(std::move(t));
  }
  return plan;
}

namespace detail {

void log_choices(const std::vector<QuantizedTensor>& plan, const QuantizeOptions& options) {
  if (!options.log) return;
  std::size_t again = 0;
  for (const QuantizedTensor& t : plan) {
    if (t.to != t.wanted)
      options.log("tensor " + quote(t.name) + ": rows of " + std::to_string(t.shape.cols()) +
                  " weights are no multiple of the " + std::string(dtype_name(t.wanted)) + " block of " +
                  std::to_string(dtype_info(t.wanted).block_elements) + "; " + std::string(dtype_name(t.to)) +
                  " instead");
    again += !t.copied() && dtype_info(t.from).quantized() ? 1 : 0;
  }
  if (again > 0)
    options.log(std::to_string(again) +
                " tensors were quantized before; errors add up: start from F32, F16 or BF16 where you can");
}

void check_importance(const ModelFile& file, const ImportanceMatrix& importance) {
  std::string problem = "none of its " + std::to_string(importance.entries().size()) + " tensors is one of the model's";
  for (const GgufTensor& tensor : file.tensors()) {
    if (importance.knows(tensor.name, tensor.view.shape())) return;
    if (const auto found = importance.entries().find(tensor.name);
        found != importance.entries().end() && found->second.columns != tensor.view.cols())
      problem = "tensor " + quote(tensor.name) + " has " + std::to_string(found->second.columns) +
                " columns there and " + std::to_string(tensor.view.cols()) + " in the model, and no other tensor fits";
  }
  throw Error(ErrorCode::invalid_argument, file.path() + ": the importance is that of another model: " + problem);
}

int file_type_of_rules(const ModelFile& file, const std::vector<QuantizedTensor>& plan) {
  std::map<DType, std::int64_t> weights;
  for (const QuantizedTensor& t : plan)
    if (is_quantizable(t.name, t.shape)) weights[t.to] += t.shape.elements();
  if (weights.empty()) return -1;
  const auto most = std::max_element(weights.begin(), weights.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::int64_t before = file.int_or("general.file_type", -1);
  for (const NamedRecipe& recipe : named_recipes())
    if (recipe.base == most->first && recipe.file_type >= 0 && recipe.file_type == before) return recipe.file_type;
  return file_type_of(most->first);
}

}  // namespace detail
}  // namespace plumb
