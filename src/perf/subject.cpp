#include "plumb/perf/subject.hpp"

#include <set>
#include <system_error>
#include <utility>

#include "../core/format.hpp"
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

namespace {

/// Files beside a GGUF file that other engines read with it for pictures and sounds.
void note_projectors(const std::filesystem::path& path, std::vector<std::string>& notes) {
  constexpr std::size_t kMost = 4;
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) return;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::set<std::string> found;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    const std::string name = at->path().filename().string();
    if (at->path().extension() == ".gguf" && name.find("mmproj") != std::string::npos && at->path() != path)
      found.insert(name);
  }
  for (const std::string& name : found) {
    if (notes.size() > kMost) return;
    const auto bytes = std::filesystem::file_size(folder / name, failure);
    notes.push_back(quote(name) + (failure ? "" : formatted(" ({:.4g} MB)", static_cast<double>(bytes) / 1e6)) +
                    ", for pictures or sounds, is not read: only the text model is counted and run");
  }
}

}  // namespace

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
    std::string name = spec.name;
    return {std::move(name), std::move(spec), std::nullopt, std::nullopt, left_out_of_json_file(path)};
  }
  OpenModelOptions open;
  open.vocabulary = false;
  return read_subject(open_model_file(path, open), path);
}

Subject read_subject(const ModelFile& file, const std::filesystem::path& path) {
  ModelSpec spec = spec_from_file(file);
  WeightTypes types = weight_types_of(file, spec);
  std::vector<std::string> unread = left_out(file, spec);
  note_projectors(path, unread);
  const std::filesystem::path named = path.has_filename() ? path : path.parent_path();  // a folder may end in '/'
  return {printable(named.filename().string()), std::move(spec), std::move(types), path, std::move(unread)};
}

}  // namespace plumb
