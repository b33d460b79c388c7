#include "plumb/perf/subject.hpp"

#include <utility>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI {

WeightTypes weight_types_of(const ModelFile& file, const ModelSpec& spec) {
  return gather_weight_types(
      spec, [&](const TensorSpec& tensor) { return found_type(file, spec, tensor).value_or(DType::f32); });
}

Subject load_subject(const std::string& name_or_path) {
  const std::filesystem::path path(name_or_path);
  const Preset* preset = name_or_path.find('/') == std::string::npos ? find_preset(name_or_path) : nullptr;
  if (preset) return {std::string(preset->name), preset->spec(), std::nullopt, std::nullopt};
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw Error(ErrorCode::invalid_argument,
                quote(name_or_path) + " is neither a preset nor a file; `plumb predict --list` shows the presets");
  if (path.extension() == ".json") {
    ModelSpec spec = spec_from_json_file(path);
    return {spec.name, std::move(spec), std::nullopt, std::nullopt};
  }
  OpenModelOptions open;
  open.vocabulary = false;
  const ModelFile file = open_model_file(path, open);
  ModelSpec spec = spec_from_file(file);
  WeightTypes types = weight_types_of(file, spec);
  std::vector<std::string> unread = left_out(file, spec);
  const std::filesystem::path named = path.has_filename() ? path : path.parent_path();  // a folder may end in '/'
  return {printable(named.filename().string()), std::move(spec), std::move(types), path, std::move(unread)};
}

}  // namespace plumb
