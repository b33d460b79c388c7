#include "plumb/model/chat_templates.hpp"

#include <algorithm>
#include <optional>

#include "plumb/core/printable.hpp"
#include "plumb/io/mapping.hpp"
#include "plumb/jinja/json.hpp"

namespace plumb::inline PLUMB_ABI {
namespace chat_templates {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;

constexpr std::string_view kDefault = "default";

void add(ChatTemplates& to, std::string_view name, std::string_view text) {
  for (const ChatTemplates::Named& other : to.templates)
    if (other.name == name)
      throw Error(ErrorCode::duplicate, to.source + ": chat template " + quote(name) + " stands twice");
  to.templates.push_back({std::string(name), std::string(text)});
}

bool exists(const ChatTemplates& in, std::string_view name) {
  return std::any_of(in.templates.begin(), in.templates.end(), [&](const auto& t) { return t.name == name; });
}

std::string file_text(const std::filesystem::path& path) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 20;
  std::error_code failed;
  const std::uint64_t size = std::filesystem::file_size(path, failed);
  if (!failed && size > kMaxBytes)
    throw Error(ErrorCode::bad_value, printable(path.native()) + ": " + std::to_string(size) +
                                          " bytes, expected at most " + std::to_string(kMaxBytes));
  if (!failed && size == 0) return {};
  const auto mapping = FileMapping::open(path);
  const auto bytes = mapping->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The object in a JSON file, or nothing when there is no such file.
std::optional<Value> object_in(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string name = printable(path.native());
  Value value = jinja::value_from_json(file_text(path), name);
  if (!value.is(Kind::dict)) throw Error(ErrorCode::wrong_type, name + ": expected a JSON object");
  return value;
}

/// A field that is a text; null counts as absent.
std::optional<std::string> text_field(const Dict& object, std::string_view key, const std::string& where) {
  const Value* found = object.get(key);
  if (!found || found->is(Kind::none)) return std::nullopt;
  if (!found->is(Kind::string))
    throw Error(ErrorCode::wrong_type, where + ": field '" + std::string(key) + "': expected a text");
  return found->string();
}

/// Templates of a field: a text, or a list of {name, template}.
void add_field(ChatTemplates& to, const Value& field, const std::string& where) {
  if (field.is(Kind::none)) return;
  if (field.is(Kind::string)) return add(to, kDefault, field.string());
  const std::string what = where + ": field 'chat_template': ";
  if (!field.is(Kind::list)) throw Error(ErrorCode::wrong_type, what + "expected a text, or a list of named templates");
  for (const Value& entry : field.items()) {
    if (!entry.is(Kind::dict)) throw Error(ErrorCode::wrong_type, what + "expected a list of objects");
    const auto name = text_field(entry.dict(), "name", where), text = text_field(entry.dict(), "template", where);
    if (!name || !text) throw Error(ErrorCode::missing_key, what + "an entry without 'name' or 'template'");
    add(to, *name, *text);
  }
}

/// Special tokens: fields that end in "_token", texts or objects with a content. Those of an earlier file stay.
void add_tokens(Dict& to, const Dict& config) {
  for (const Dict::Entry& entry : config) {
    if (!entry.key.is(Kind::string) || !entry.key.string().ends_with("_token") || to.get(entry.key.string())) continue;
    const Value* content = &entry.value;
    if (content->is(Kind::dict)) content = content->dict().get("content");
    if (content && content->is(Kind::string)) to.set(entry.key, *content);
  }
}

}  // namespace
}  // namespace chat_templates

const ChatTemplates::Named& ChatTemplates::choose(std::string_view name, bool tools) const {
  if (templates.empty()) throw Error(ErrorCode::missing_key, source + ": the model has no chat template");
  if (name.empty())
    name = tools && chat_templates::exists(*this, "tool_use") ? std::string_view("tool_use") : chat_templates::kDefault;
  std::string names;
  for (const Named& entry : templates) {
    if (entry.name == name) return entry;
    names += (names.empty() ? "" : ", ") + printable(entry.name);
  }
  throw Error(ErrorCode::missing_key, source + ": there is no chat template " + quote(name) + "; name one of " + names);
}

ChatTemplates chat_templates_from_file(const ModelFile& file) {
  ChatTemplates out;
  out.source = file.path();
  const std::string key = "tokenizer.chat_template";
  if (file.find(key)) chat_templates::add(out, chat_templates::kDefault, file.get_string(key));
  if (file.find("tokenizer.chat_templates"))
    for (const std::string_view name : file.get_strings("tokenizer.chat_templates"))
      if (name != chat_templates::kDefault || !chat_templates::exists(out, name))
        chat_templates::add(out, name, file.get_string(key + "." + std::string(name)));
  if (!file.find("tokenizer.ggml.tokens")) return out;
  std::vector<std::string_view> tokens;
  for (const char* name : {"bos", "eos", "unknown", "separator", "padding", "cls", "mask"}) {
    const std::string id_key = "tokenizer.ggml." + std::string(name) + "_token_id";
    if (!file.find(id_key)) continue;
    if (tokens.empty()) tokens = file.get_strings("tokenizer.ggml.tokens");
    const std::int64_t id = file.get_int(id_key);
    if (id < 0 || id >= static_cast<std::int64_t>(tokens.size())) continue;  // the vocabulary's reader judges this
    const std::string_view short_name = std::string_view(name) == "unknown"     ? "unk"
                                        : std::string_view(name) == "separator" ? "sep"
                                        : std::string_view(name) == "padding"   ? "pad"
                                                                                : name;
    out.variables.set(jinja::Value(std::string(short_name) + "_token"),
                      jinja::Value(tokens[static_cast<std::size_t>(id)]));
  }
  return out;
}

ChatTemplates chat_templates_from_folder(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  using namespace chat_templates;
  ChatTemplates out;
  out.source = printable(folder.native());
  const fs::path config_path = folder / "tokenizer_config.json", separate = folder / "chat_template.jinja";
  const auto config = object_in(config_path);
  const Value* field = config ? config->dict().get("chat_template") : nullptr;
  if (fs::exists(separate)) {
    add(out, kDefault, file_text(separate));
  } else if (field && !field->is(Kind::none)) {
    add_field(out, *field, printable(config_path.native()));
  } else if (const auto processor = object_in(folder / "chat_template.json")) {
    if (const Value* text = processor->dict().get("chat_template"))
      add_field(out, *text, printable((folder / "chat_template.json").native()));
  }
  if (const fs::path more = folder / "additional_chat_templates"; fs::is_directory(more)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(more))
      if (entry.path().extension() == ".jinja") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& path : files) add(out, path.stem().native(), file_text(path));
  }
  if (config) add_tokens(out.variables, config->dict());
  if (const auto map = object_in(folder / "special_tokens_map.json")) add_tokens(out.variables, map->dict());
  return out;
}

}  // namespace plumb
