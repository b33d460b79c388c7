#pragma once
/// @file
/// Where the chat templates of a model stand, and which of them a conversation uses.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/model_file.hpp"
#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a model's files say about conversations.
struct PLUMB_API ChatTemplates {
  struct Named {
    std::string name;  ///< "default" for the one without a name
    std::string text;  ///< Jinja
  };

  std::string source = "model";  ///< names the model in messages
  std::vector<Named> templates;
  jinja::Dict variables;  ///< what every template is given: bos_token, eos_token and others, as they are spelled

  bool empty() const { return templates.empty(); }
  /// The template of this name; without one, "tool_use" for a conversation with tools if there is such a template,
  /// otherwise "default". @throws Error{missing_key} when there is none, naming those that there are.
  const Named& choose(std::string_view name = {}, bool tools = false) const;
};

/// From the keys of a GGUF file: tokenizer.chat_template, and tokenizer.chat_template.NAME of those that
/// tokenizer.chat_templates names. Empty when there are none. @throws Error{wrong_type, missing_key, out_of_range}.
PLUMB_API ChatTemplates chat_templates_from_file(const ModelFile& file);

/// From a Hugging Face folder. The unnamed template is chat_template.jinja, or that of tokenizer_config.json (a text,
/// or a list of named ones), or that of chat_template.json; additional_chat_templates/NAME.jinja are named ones.
/// Special tokens are those of tokenizer_config.json and special_tokens_map.json. Empty when there are none.
/// @throws Error{io, bad_value, wrong_type, missing_key, duplicate} naming file and field.
PLUMB_API ChatTemplates chat_templates_from_folder(const std::filesystem::path& folder);

}  // namespace plumb
