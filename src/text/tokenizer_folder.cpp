#include "tokenizer_folder.hpp"

#include <limits>
#include <string>

#include "json_scanner.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/text/tokenizer_folder.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

namespace fs = std::filesystem;

std::string_view text_of(const FileMapping& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

/// A token as configuration files name it: its spelling, or an object with it; anything else names none.
std::string token_name(JsonScanner& scanner) {
  std::string storage, name;
  if (scanner.peek() == '"') return std::string(scanner.string(storage));
  if (scanner.peek() != '{') {
    (void)scanner.skip();
    return {};
  }
  scanner.open('{');
  while (scanner.more('}')) {
    const bool content = scanner.key(storage) == "content" && scanner.peek() == '"';
    if (content)
      name = scanner.string(storage);
    else
      (void)scanner.skip();
  }
  return name;
}

void take_id(JsonScanner& scanner, std::vector<Token>& ids) {
  const std::int64_t id = scanner.integer();
  if (id >= 0 && id <= std::numeric_limits<Token>::max()) ids.push_back(static_cast<Token>(id));
}

/// One id or a list of them; null is none.
std::vector<Token> token_ids(JsonScanner& scanner) {
  std::vector<Token> ids;
  if (scanner.null()) return ids;
  if (scanner.peek() != '[') {
    take_id(scanner, ids);
    return ids;
  }
  scanner.open('[');
  while (scanner.more(']')) take_id(scanner, ids);
  return ids;
}

/// Reads the fields of a file, if it is there. Earlier files win.
void read_settings(const fs::path& path, SpecialTokens& tokens) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return;
  const auto file = FileMapping::open(path);
  const std::string_view text = text_of(*file);
  const std::string where = printable(path.string());
  check_utf8(text, where);
  JsonScanner scanner(text, where);
  std::string storage;
  const auto take_name = [&](std::string& name) {
    std::string found = token_name(scanner);
    if (name.empty()) name = std::move(found);
  };
  scanner.open('{');
  while (scanner.more('}')) {
    const std::string key(scanner.key(storage));
    if (key == "bos_token")
      take_name(tokens.bos);
    else if (key == "eos_token")
      take_name(tokens.eos);
    else if (key == "pad_token")
      take_name(tokens.padding);
    else if (key == "unk_token")
      take_name(tokens.unknown);
    else if (key == "eos_token_id")
      for (const Token id : token_ids(scanner)) tokens.ends.push_back(id);
    else if (key == "clean_up_tokenization_spaces" && !scanner.null())
      tokens.clean_up_spaces = scanner.boolean();
    else
      (void)scanner.skip();
  }
  scanner.finish();
}

}  // namespace

Tokenizer tokenizer_from_json_file(const fs::path& path) {
  const auto file = FileMapping::open(path);
  return Tokenizer::from_json(text_of(*file), printable(path.string()));
}

TokenizerFiles::TokenizerFiles(const fs::path& folder) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "generation_config.json"})
    read_settings(folder / name, special_);
  json_ = FileMapping::open(folder / "tokenizer.json");
}
std::string_view TokenizerFiles::json() const { return text_of(*json_); }

Tokenizer tokenizer_from_folder(const fs::path& folder) { return TokenizerFiles(folder).tokenizer(); }

}  // namespace plumb
