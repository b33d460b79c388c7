#pragma once
/// @file
/// A model configuration from the metadata of a model file, every value checked.

#include <string>

#include "plumb/io/model_file.hpp"
#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI {

/// The configuration that the keys of `file` describe (GGUF specification, "Standardized key-value pairs").
/// @throws Error{unsupported_architecture} naming an architecture without a forward pass here; {missing_key,
/// wrong_type} for absent or mistyped keys; {bad_value} for numbers that make no sense; {overflow} for a KV cache whose
/// size no integer holds; {unsupported_type} for features that are known but not computed.
ModelConfig config_from_file(const ModelFile& file);

/// Refuses a configuration that this library has no forward pass for: what check_config refuses, unknown architectures,
/// and caches whose size no integer holds. `source` names it in messages.
/// @throws Error{bad_value, overflow, unsupported_architecture} naming the field.
void check_runnable(const ModelConfig& config, const std::string& source = "configuration");

}  // namespace plumb
