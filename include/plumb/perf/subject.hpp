#pragma once
/// @file
/// What a measurement or prediction is about: a preset by name, a config.json, or a model file.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// A configuration and where it came from.
struct Subject {
  std::string name;  ///< for tables
  ModelSpec spec;
  std::optional<WeightTypes> types;           ///< what the file stores; nothing for presets and config.json
  std::optional<std::filesystem::path> file;  ///< the model file, if it is one
  std::vector<std::string> left_out = {};     ///< what of the file is not run, a sentence each
};

/// The element types that a model file stores the matrices of its spec in.
PLUMB_API WeightTypes weight_types_of(const ModelFile& file, const ModelSpec& spec);

/// The subject of an open model file. `path`: where it is from; its last part is the name. What belongs to pictures or
/// sounds and stands in a file beside it is named in `left_out`. @throws as spec_from_file.
PLUMB_API Subject read_subject(const ModelFile& file, const std::filesystem::path& path);

/// Reads a subject: the name of a preset, or the path of a config.json, GGUF or llama2.c file. A name that is both is
/// the file when it contains a '/'. @throws Error{invalid_argument} when it is neither; as spec_from_json_file,
/// open_model_file and spec_from_file.
PLUMB_API Subject load_subject(const std::string& name_or_path);

}  // namespace plumb
