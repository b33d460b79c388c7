#pragma once
/// JSON files from outside: size, depth and duplicate keys checked while parsing, every field read with a type and a
/// range. Private to the library, so that no public header needs the JSON package.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/error.hpp"
#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Largest accepted JSON text, deepest nesting.
inline constexpr std::size_t kJsonMaxBytes = std::size_t{16} << 20;
inline constexpr int kJsonMaxDepth = 64;

/// Parses an object. `where` stands for the file in messages.
/// @throws Error{bad_value} for malformed text, nesting or size beyond the limits, or when it is no object;
/// Error{duplicate} for a key that stands twice.
nlohmann::json parse_json_object(std::string_view text, std::string_view where);

/// The bytes of a regular file of at most kJsonMaxBytes. @throws Error{io, truncated, bad_value}.
std::string read_json_text(const std::filesystem::path& path);

/// One object with typed access; every message names the file and the field. A null value counts as absent.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string where, std::string prefix = {})
      : object_(&object), where_(std::move(where)), prefix_(std::move(prefix)) {}

  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool is_array(std::string_view key) const;
  /// @throws Error{missing_key, wrong_type, bad_value} unless an integer within [low, high].
  int get_int(std::string_view key, int low, int high) const;
  int int_or(std::string_view key, int fallback, int low, int high) const;
  /// @throws Error{missing_key, wrong_type, bad_value} unless a finite number.
  double get_number(std::string_view key) const;
  double number_or(std::string_view key, double fallback) const;
  bool bool_or(std::string_view key, bool fallback) const;
  std::string get_string(std::string_view key) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;
  bool is_text(std::string_view key) const;
  bool is_number(std::string_view key) const;
  /// The elements of an array of numbers; empty when absent. `null`: what a null in it means.
  /// @throws Error{wrong_type, bad_value}.
  std::vector<double> numbers_or_empty(std::string_view key, std::optional<double> null = std::nullopt) const;
  /// The elements of an array of strings; empty when absent. @throws Error{wrong_type}.
  std::vector<std::string> strings_or_empty(std::string_view key) const;
  /// The elements of an array of objects; empty when absent. @throws Error{wrong_type}.
  std::vector<JsonFields> objects_or_empty(std::string_view key) const;
  /// A nested object, or nothing when absent. @throws Error{wrong_type}.
  std::optional<JsonFields> object(std::string_view key) const;

  const std::string& where() const { return where_; }
  /// The same place in the file with the fields of `object` in place of its own: fields and what stands in for them.
  JsonFields over(const nlohmann::json& object) const { return JsonFields(object, where_, prefix_); }

  /// Throws Error(code): "FILE: field KEY WHAT".
  [[noreturn]] void fail(ErrorCode code, std::string_view key, const std::string& what) const;
  /// The same with bad_value.
  [[noreturn]] void refuse(std::string_view key, const std::string& what) const {
    fail(ErrorCode::bad_value, key, what);
  }

 private:
  const nlohmann::json* find(std::string_view key) const;
  const nlohmann::json& need(std::string_view key) const;
  [[noreturn]] void wrong_type(std::string_view key, const nlohmann::json& found, std::string_view expected) const;
  std::string field(std::string_view key) const { return "field '" + prefix_ + std::string(key) + "'"; }
  int checked_int(std::string_view key, const nlohmann::json& value, int low, int high) const;

  const nlohmann::json* object_;
  std::string where_;
  std::string prefix_;
};

}  // namespace plumb
