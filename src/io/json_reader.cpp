#include "json_reader.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using nlohmann::json;

/// Watches a parse: refuses deep nesting and keys that stand twice in one object.
class ParseGuard {
 public:
  explicit ParseGuard(std::string_view where) : where_(where) {}

  bool operator()(int depth, json::parse_event_t event, json& value) {
    if (depth > kJsonMaxDepth)
      throw Error(ErrorCode::bad_value, where_ + ": nested deeper than " + std::to_string(kJsonMaxDepth) + " levels");
    if (event == json::parse_event_t::object_start) {
      keys_.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      keys_.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second)
        throw Error(ErrorCode::duplicate, where_ + ": field " + quote(key) + " stands twice");
    }
    return true;
  }

 private:
  std::string where_;
  std::vector<std::set<std::string>> keys_;
};

/// The text with null for the words Infinity and NaN, which Python writes and JSON does not have.
std::string without_infinities(std::string_view text) {
  std::string plain;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const std::size_t word = quoted                          ? 0
                             : rest.starts_with("Infinity")  ? 8
                             : rest.starts_with("-Infinity") ? 9
                             : rest.starts_with("NaN")       ? 3
                                                             : 0;
    if (word > 0) {
      plain += "null";
      i += word - 1;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    plain += text[i];
    if (quoted && text[i] == '\\' && i + 1 < text.size()) plain += text[++i];
  }
  return plain;
}

}  // namespace

json parse_json_object(std::string_view text, std::string_view where) {
  if (text.size() > kJsonMaxBytes)
    throw Error(ErrorCode::bad_value, std::string(where) + ": " + std::to_string(text.size()) +
                                          " bytes of JSON, expected at most " + std::to_string(kJsonMaxBytes));
  std::string plain;
  if (text.find("Infinity") != std::string_view::npos || text.find("NaN") != std::string_view::npos) {
    plain = without_infinities(text);
    text = plain;
  }
  ParseGuard guard(where);
  json root;
  try {
    root = json::parse(
        text, [&guard](int depth, json::parse_event_t event, json& value) { return guard(depth, event, value); });
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::bad_value, std::string(where) + ": not valid JSON: " + printable(failure.what()));
  }
  if (!root.is_object())
    throw Error(ErrorCode::bad_value,
                std::string(where) + ": found a JSON " + root.type_name() + ", expected an object");
  return root;
}

std::string read_json_text(const std::filesystem::path& path) {
  const std::string name = quote(path.string());
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) throw Error(ErrorCode::io, name + " is not a readable file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorCode::io, "cannot open " + name);
  std::string text;
  std::size_t read = 0;
  while (in && read <= kJsonMaxBytes) {  // no file is believed to be as long as it says
    text.resize(std::clamp<std::size_t>(2 * read, std::size_t{1} << 14, kJsonMaxBytes + 1));
    in.read(text.data() + read, static_cast<std::streamsize>(text.size() - read));
    read += static_cast<std::size_t>(in.gcount());
  }
  text.resize(read);
  if (in.bad()) throw Error(ErrorCode::io, "cannot read " + name);
  if (text.empty()) throw Error(ErrorCode::truncated, name + " is empty");
  return text;
}

void JsonFields::fail(ErrorCode code, std::string_view key, const std::string& what) const {
  throw Error(code, where_ + ": " + field(key) + " " + what);
}

void JsonFields::wrong_type(std::string_view key, const json& found, std::string_view expected) const {
  throw Error(ErrorCode::wrong_type,
              where_ + ": " + field(key) + " is a JSON " + found.type_name() + ", expected " + std::string(expected));
}

const json* JsonFields::find(std::string_view key) const {
  const auto it = object_->find(std::string(key));
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

const json& JsonFields::need(std::string_view key) const {
  if (const json* value = find(key)) return *value;
  throw Error(ErrorCode::missing_key, where_ + ": " + field(key) + " is missing");
}

int JsonFields::checked_int(std::string_view key, const json& value, int low, int high) const {
  if (!value.is_number_integer()) wrong_type(key, value, "an integer");
  const bool above = value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t number = above ? INT64_MAX : value.get<std::int64_t>();
  if (number < low || number > high)
    refuse(key, "is " + value.dump() + ", expected " + std::to_string(low) + " to " + std::to_string(high));
  return static_cast<int>(number);
}

bool JsonFields::is_array(std::string_view key) const {
  const nlohmann::json* const value = find(key);
  return value && value->is_array();
}

int JsonFields::get_int(std::string_view key, int low, int high) const {
  return checked_int(key, need(key), low, high);
}

int JsonFields::int_or(std::string_view key, int fallback, int low, int high) const {
  const json* value = find(key);
  return value ? checked_int(key, *value, low, high) : fallback;
}

double JsonFields::get_number(std::string_view key) const {
  const json& value = need(key);
  if (!value.is_number()) wrong_type(key, value, "a number");
  const double number = value.get<double>();
  if (!std::isfinite(number)) refuse(key, "is not finite");
  return number;
}

double JsonFields::number_or(std::string_view key, double fallback) const {
  return has(key) ? get_number(key) : fallback;
}

bool JsonFields::bool_or(std::string_view key, bool fallback) const {
  const json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) wrong_type(key, *value, "true or false");
  return value->get<bool>();
}

std::string JsonFields::get_string(std::string_view key) const {
  const json& value = need(key);
  if (!value.is_string()) wrong_type(key, value, "a string");
  return value.get<std::string>();
}

std::string JsonFields::string_or(std::string_view key, std::string_view fallback) const {
  return has(key) ? get_string(key) : std::string(fallback);
}

bool JsonFields::is_text(std::string_view key) const {
  const json* value = find(key);
  return value && value->is_string();
}

bool JsonFields::is_number(std::string_view key) const {
  const json* value = find(key);
  return value && value->is_number();
}

std::vector<double> JsonFields::numbers_or_empty(std::string_view key, std::optional<double> null) const {
  std::vector<double> numbers;
  const json* value = find(key);
  if (!value) return numbers;
  if (!value->is_array()) wrong_type(key, *value, "an array of numbers");
  for (const json& element : *value) {
    if (null && element.is_null()) {
      numbers.push_back(*null);
      continue;
    }
    if (!element.is_number()) wrong_type(key, element, "an array of numbers");
    numbers.push_back(element.get<double>());
    if (!std::isfinite(numbers.back())) refuse(key, "holds a number that is not finite");
  }
  return numbers;
}

std::vector<std::string> JsonFields::strings_or_empty(std::string_view key) const {
  std::vector<std::string> strings;
  const json* value = find(key);
  if (!value) return strings;
  if (!value->is_array()) wrong_type(key, *value, "an array of strings");
  for (const json& element : *value) {
    if (!element.is_string()) wrong_type(key, element, "an array of strings");
    strings.push_back(element.get<std::string>());
  }
  return strings;
}

std::vector<JsonFields> JsonFields::objects_or_empty(std::string_view key) const {
  std::vector<JsonFields> objects;
  const json* value = find(key);
  if (!value) return objects;
  if (!value->is_array()) wrong_type(key, *value, "an array of objects");
  for (std::size_t i = 0; i < value->size(); ++i) {
    if (!(*value)[i].is_object()) wrong_type(key, (*value)[i], "an array of objects");
    objects.emplace_back((*value)[i], where_, prefix_ + std::string(key) + "[" + std::to_string(i) + "].");
  }
  return objects;
}

std::optional<JsonFields> JsonFields::object(std::string_view key) const {
  const json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) wrong_type(key, *value, "an object");
  return JsonFields(*value, where_, prefix_ + std::string(key) + ".");
}

}  // namespace plumb
