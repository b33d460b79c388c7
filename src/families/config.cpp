#include "config.hpp"

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

/// `object`: what `json` reads.
TypeOfFamily find_type(std::string_view name, const JsonFields& json, const nlohmann::json& object) {
  int known = 0;
  TypeOfFamily found{nullptr, nullptr};
  for (const Family& family : all_families())
    for (const ModelType& type : family.types) {
      ++known;
      if (type.name != name) continue;
      if (type.only_with.empty() && !found.family) found = {&family, &type};
      if (!type.only_with.empty() && is_set(json, object, type.only_with)) return {&family, &type};
    }
  if (found.family) return found;
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

}  // namespace

Config::Config(std::string_view text, std::string_view where)
    : root_(std::make_unique<nlohmann::json>(parse_json_object(text, where))) {
  file_ = std::make_unique<JsonFields>(*root_, std::string(where));
  JsonFields json = *file_;
  auto found = find_type(file_->get_string("model_type"), *file_, *root_);
  const nlohmann::json* object = root_.get();
  if (!found.type->text_part.empty()) {
    const auto part = file_->object("text_config");
    if (!part) file_->fail(ErrorCode::missing_key, "text_config", "is missing");
    object = &root_->at("text_config");
    json = *part;
    found = find_type(part->string_or("model_type", found.type->text_part), *part, *object);
  }
  filled_ = std::make_unique<nlohmann::json>(nlohmann::json::parse(found.type->defaults));
  filled_->update(*object);
  take_newer_names(*found.type, *object, *filled_);
  family_ = found.family;
  type_ = found.type;
  keys_ = std::make_unique<Keys>(json.over(*filled_), *type_);
}

Config::~Config() = default;

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

ModelSpec spec_from_json_file(const std::filesystem::path& path) {
  return spec_from_json(read_json_text(path), quote(path.string()));
}

}  // namespace plumb
