#pragma once
/// @file
/// What a measurement or prediction is about: a preset by name, a config.json, or a model file.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "plumb/io/model_file.hpp"
#include "plumb/model/config.hpp"
#include "plumb/model/weight_types.hpp"

namespace plumb::inline PLUMB_ABI {

/// A configuration and where it came from.
struct Subject {
  std::string name;  ///< for tables
  ModelConfig config;
  std::optional<WeightTypes> types;           ///< what the file stores; nothing for presets and config.json
  std::optional<std::filesystem::path> file;  ///< the model file, if it is one
};

/// Which tensor role a GGUF tensor name stands for; fused tensors count as one of their parts. Nothing for names that
/// are no weights of a layer or of the model (rope factors, biases).
std::optional<TensorRole> role_of_tensor(std::string_view name);

/// The element types that a model file stores its matrices in.
WeightTypes weight_types_of(const ModelFile& file);

/// Reads a subject: the name of a preset, or the path of a config.json, GGUF or llama2.c file. A name that is both is
/// the file when it contains a '/'. @throws Error{invalid_argument} when it is neither; as config_from_json_file,
/// open_model_file and config_from_file.
Subject load_subject(const std::string& name_or_path);

}  // namespace plumb
