#pragma once
/// What the handle Model points to.

#include <memory>
#include <string>

#include "plumb/model/chat_templates.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/model.hpp"

namespace plumb::inline PLUMB_ABI {

struct Model::Parts {
  std::string source;
  Transformer transformer;
  std::unique_ptr<const Tokenizer> tokenizer;
  ChatTemplates chat_templates;
};

}  // namespace plumb
