#include "plumb/perf/stored_model.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "../core/format.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/tensor_id.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Towers for pictures and sounds, by how names of their tensors begin (GGUF: llama.cpp, tools/mtmd/clip-impl.h).
struct Tower {
  std::string_view prefix, what;
};
constexpr std::array kTowers{Tower{"v.", "what sees pictures"},      Tower{"a.", "what hears sounds"},
                             Tower{"mm.", "what hands them over"},   Tower{"resampler.", "what hands them over"},
                             Tower{"vision_", "what sees pictures"}, Tower{"audio_", "what hears sounds"}};

const Tower* tower_of(std::string_view name) {
  for (const Tower& tower : kTowers)
    if (name.starts_with(tower.prefix)) return &tower;
  return nullptr;
}

/// An integer key of the file's architecture; an array's largest. 0 where it is absent or no number.
int number_of(const ModelFile& file, const std::string& architecture, std::string_view key) {
  const GgufValue* value = file.find(architecture + "." + std::string(key));
  if (value == nullptr) return 0;
  std::int64_t most = value->as_int().value_or(0);
  if (value->is_array() && value->element_type() != GgufType::string && value->element_type() != GgufType::array) {
    GgufElements elements(*value);
    while (const auto element = elements.next()) most = std::max(most, element->as_int().value_or(0));
  }
  return static_cast<int>(std::clamp<std::int64_t>(most, 0, 1 << 20));
}

/// A table of which a token reads a row.
bool is_looked_up(std::string_view base, bool tied) {
  if (base == "token_embd") return !tied;
  return base == "position_embd" || base == "token_types" || base == "per_layer_token_embd";
}

}  // namespace

StoredModel describe_stored(const ModelFile& file) {
  StoredModel model;
  const std::string architecture(file.string_or("general.architecture", ""));
  model.architecture = printable(architecture);
  model.name = printable(file.string_or("general.name", ""));
  model.experts = number_of(file, architecture, "expert_count");
  model.experts_used = std::min(number_of(file, architecture, "expert_used_count"), model.experts);
  const bool tied = file.find_tensor("output.weight") == nullptr;
  struct Sum {
    double bytes = 0;
    std::int64_t parameters = 0;
  };
  std::map<std::string_view, Sum> towers;
  std::map<DType, StoredType> types;
  for (const GgufTensor& tensor : file.tensors()) {
    const double bytes = static_cast<double>(tensor.view.bytes());
    const std::int64_t parameters = tensor.view.shape().elements();
    if (const Tower* tower = tower_of(tensor.name)) {
      towers[tower->what].bytes += bytes;
      towers[tower->what].parameters += parameters;
      continue;
    }
    StoredType& type = types[tensor.view.dtype()];
    type.type = tensor.view.dtype();
    ++type.tensors;
    type.parameters += parameters;
    type.bytes += bytes;
    model.parameters += parameters;
    model.bytes += bytes;
    const std::string_view base = split_gguf_name(tensor.name).base;
    const Shape& shape = tensor.view.shape();
    if (is_looked_up(base, tied))
      model.token_bytes += shape.rank() > 1 ? static_cast<double>(tensor.view.row_bytes()) : bytes;
    else if (model.experts_used > 0 && shape.rank() == 3 && shape[0] == model.experts)
      model.token_bytes += bytes * model.experts_used / model.experts;
    else
      model.token_bytes += bytes;
  }
  for (const auto& [dtype, type] : types) model.types.push_back(type);
  std::sort(model.types.begin(), model.types.end(),
            [](const StoredType& a, const StoredType& b) { return a.bytes > b.bytes; });
  for (const auto& [what, sum] : towers)
    model.left_out.push_back(
        formatted("{} ({:.4g} MB, {:.4g}M parameters) is not counted: numbers are of the text model", what,
                  sum.bytes / 1e6, static_cast<double>(sum.parameters) / 1e6));
  return model;
}

double StoredModel::seconds_per_token(const Machine& machine, int threads) const {
  const double bandwidth = machine.bandwidth(token_bytes, threads);
  return bandwidth > 0 ? token_bytes / bandwidth : 0;
}

}  // namespace plumb
