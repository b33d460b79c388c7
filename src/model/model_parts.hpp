#pragma once
/// What the handle Model points to.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "plumb/model/chat_templates.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/model.hpp"

namespace plumb::inline PLUMB_ABI {

struct Model::Parts {
  std::string source;
  Transformer transformer;
  std::unique_ptr<const Tokenizer> tokenizer;
  std::string no_tokenizer;  ///< why there is none
  ChatTemplates chat_templates;
  mutable std::once_flag fingerprinted;
  mutable std::uint64_t fingerprint = 0;
};

}  // namespace plumb
