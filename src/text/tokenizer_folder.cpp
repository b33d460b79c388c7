#include "tokenizer_folder.hpp"

#include <limits>
#include <string>

#include "json_scanner.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/text/tokenizer_folder.hpp"
#include "sentencepiece_file.hpp"

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
    else if (key == "add_bos_token" && !scanner.null())
      tokens.add_bos = scanner.boolean();
    else if (key == "add_eos_token" && !scanner.null())
      tokens.add_eos = scanner.boolean();
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
  std::error_code failure;
  has_json_ = fs::exists(folder / "tokenizer.json", failure) || !fs::exists(folder / "tokenizer.model", failure);
  file_ = FileMapping::open(folder / (has_json_ ? "tokenizer.json" : "tokenizer.model"));
}
std::string_view TokenizerFiles::json() const { return text_of(*file_); }

Tokenizer TokenizerFiles::tokenizer() const {
  if (has_json_) return Tokenizer::from_json(json(), source(), special_);
  Vocabulary vocabulary = vocabulary_from_sentencepiece(text_of(*file_), source());
  // Settings say which of the tokens a text begins and ends with; Llama's and Gemma's way where they are silent.
  vocabulary.add_bos = special_.add_bos.value_or(vocabulary.model == TokenizerModel::spm) && vocabulary.bos != kNoToken;
  vocabulary.add_eos = special_.add_eos.value_or(false) && vocabulary.eos != kNoToken;
  for (const Token token : special_.ends)
    if (token >= 0 && token < vocabulary.size()) vocabulary.extra_ends.push_back(token);
  return Tokenizer(std::move(vocabulary));
}

Tokenizer tokenizer_from_folder(const fs::path& folder) { return TokenizerFiles(folder).tokenizer(); }

Tokenizer tokenizer_from_sentencepiece_file(const fs::path& path) {
  const auto file = FileMapping::open(path);
  Vocabulary vocabulary = vocabulary_from_sentencepiece(text_of(*file), file->name());
  vocabulary.add_bos = vocabulary.model == TokenizerModel::spm && vocabulary.bos != kNoToken;
  return Tokenizer(std::move(vocabulary));
}

}  // namespace plumb
