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

  /// Whether there is a tokenizer.json; else there is a tokenizer.model.
  bool has_json() const { return has_json_; }
  std::string_view json() const;
  const std::string& source() const { return file_->name(); }
  Tokenizer tokenizer() const;

 private:
  SpecialTokens special_;
  bool has_json_ = true;
  std::shared_ptr<const FileMapping> file_;
};

}  // namespace plumb
