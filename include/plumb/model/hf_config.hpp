#pragma once
/// @file
/// Hugging Face `config.json` files as configurations. Field names and their defaults: the configuration classes of the
/// transformers library.

#include <filesystem>
#include <string_view>

#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI {

/// Reads the text of a config.json. `model_type` decides the family: llama, mistral, mixtral, qwen2, qwen2_moe, qwen3,
/// qwen3_moe, gemma2, gemma3_text (and the text part of gemma3), phi3, gpt2, gpt_neox, deepseek_v2, deepseek_v3.
/// `where` stands for the file in messages. The result has passed check_config.
/// @throws Error{bad_value, duplicate, missing_key, wrong_type, unsupported_architecture} naming the field, what was
/// found and what was expected.
ModelConfig config_from_json(std::string_view text, std::string_view where);

/// The same from a file. @throws as above, and Error{io, truncated}.
ModelConfig config_from_json_file(const std::filesystem::path& path);

}  // namespace plumb
