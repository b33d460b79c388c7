#pragma once
/// @file
/// The files of a folder that make a tokenizer.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "plumb/io/mapping.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a folder says of its tokenizer.
class TokenizerFiles {
 public:
  /// @throws as tokenizer_from_folder(), for the files around the tokenizer.json.
  explicit TokenizerFiles(const std::filesystem::path& folder);

  std::string_view json() const;
  const std::string& source() const { return json_->name(); }
  Tokenizer tokenizer() const { return Tokenizer::from_json(json(), source(), special_); }

 private:
  SpecialTokens special_;
  std::shared_ptr<const FileMapping> json_;
};

}  // namespace plumb
