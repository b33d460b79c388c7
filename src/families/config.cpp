#include "config.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "../io/json_reader.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/family.hpp"

namespace plumb::inline PLUMB_ABI {
namespace family {
namespace {

struct TypeOfFamily {
  const Family* family;
  const ModelType* type;
};

/// Whether a field is true or a number above 0.
bool is_set(const JsonFields& json, const nlohmann::json& object, std::string_view field) {
  if (!json.has(field)) return false;
  const nlohmann::json& value = object.at(std::string(field));
  return value.is_number() ? json.get_number(field) > 0 : json.bool_or(field, false);
}

/// What holds the text model of a model of several parts.
constexpr std::array<std::string_view, 3> kTextParts{"text_config", "llm_config", "language_config"};

/// Nothing where no family lists the type. `object`: what `json` reads.
std::optional<TypeOfFamily> known_type(std::string_view name, const JsonFields& json, const nlohmann::json& object) {
  TypeOfFamily found{nullptr, nullptr};
  for (const Family& family : all_families())
    for (const ModelType& type : family.types) {
      if (type.name != name) continue;
      if (type.only_with.empty() && !found.family) found = {&family, &type};
      if (!type.only_with.empty() && is_set(json, object, type.only_with)) return TypeOfFamily{&family, &type};
    }
  return found.family ? std::optional(found) : std::nullopt;
}

TypeOfFamily find_type(std::string_view name, const JsonFields& json, const nlohmann::json& object) {
  if (const auto found = known_type(name, json, object)) return *found;
  std::size_t known = 0;
  for (const Family& family : all_families()) known += family.types.size();
  json.fail(ErrorCode::unsupported_architecture, "model_type",
            "is " + quote(name, 60) + ", expected one of the " + std::to_string(known) + " types that families list");
}

/// Newer versions of transformers save the number of experts under another name than the type's own.
void take_newer_names(const ModelType& type, const nlohmann::json& object, nlohmann::json& filled) {
  std::string own = "num_experts";
  for (const Alias& alias : type.aliases)
    if (alias.usual == "num_experts") own = alias.own;
  if (own.empty() || object.contains(own)) return;
  for (const char* const name : {"num_local_experts", "num_experts"})
    if (object.contains(name)) filled[own] = object.at(name);
}

/// Whether a field is named after what is no text.
bool is_other_part(std::string_view name) {
  for (const std::string_view word : {"vision", "visual", "image", "img", "audio", "speech", "sound"})
    if (name.find(word) != std::string_view::npos) return true;
  return false;
}

}  // namespace

Config::Config(std::string_view text, std::string_view where)
    : root_(std::make_unique<nlohmann::json>(parse_json_object(text, where))) {
  file_ = std::make_unique<JsonFields>(*root_, std::string(where));
  JsonFields json = *file_;
  const std::string name = file_->get_string("model_type");
  const nlohmann::json* object = root_.get();
  auto known = known_type(name, *file_, *root_);
  if (!known || !known->type->text_part.empty()) {
    const std::string usual(known ? known->type->text_part : std::string_view());
    for (const std::string_view part_name : kTextParts) {
      const auto part = file_->object(part_name);
      if (!part || (!known && !part->has("model_type"))) continue;
      object = &root_->at(std::string(part_name));
      json = *part;
      known = find_type(part->string_or("model_type", usual), *part, *object);
      break;
    }
    if (object == root_.get() && known) {
      // Files of before there were parts have the fields of the text model beside those of the others.
      if (!file_->has("num_hidden_layers")) file_->fail(ErrorCode::missing_key, "text_config", "is missing");
      known = find_type(usual, *file_, *root_);
    }
  }
  const TypeOfFamily found = known ? *known : find_type(name, *file_, *root_);
  filled_ = std::make_unique<nlohmann::json>(nlohmann::json::parse(found.type->defaults));
  filled_->update(*object);
  take_newer_names(*found.type, *object, *filled_);
  family_ = found.family;
  type_ = found.type;
  keys_ = std::make_unique<Keys>(json.over(*filled_), *type_);
}

Config::~Config() = default;

std::vector<std::string> Config::other_parts() const {
  std::vector<std::string> notes;
  for (const auto& [name, value] : root_->items()) {
    if (!value.is_object() || value.empty() || !is_other_part(name)) continue;
    const auto type = value.find("model_type");
    const std::string what =
        type != value.end() && type->is_string() ? " (" + printable(type->get<std::string>()) + ")" : std::string();
    notes.push_back(quote(name, 60) + what + " is not read: only the text model is counted and run");
  }
  return notes;
}

ModelSpec Config::read() const {
  ModelSpec spec = family_->read(*keys_);
  spec.family = family_->architecture;
  const std::string name = file_->string_or("_name_or_path", "");
  spec.name = name.empty() ? std::string(type_->name) : printable(name);
  return spec;
}

}  // namespace family

ModelSpec spec_from_json(std::string_view text, std::string_view where) {
  ModelSpec spec = family::Config(text, where).read();
  check_spec(spec, where);
  return spec;
}

std::vector<std::string> left_out_of_json_file(const std::filesystem::path& path) {
  return family::Config(read_json_text(path), quote(path.string())).other_parts();
}

ModelSpec spec_from_json_file(const std::filesystem::path& path) {
  return spec_from_json(read_json_text(path), quote(path.string()));
}

}  // namespace plumb
