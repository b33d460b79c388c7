#pragma once
/// Reading and running the recorded cases of templates.

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "plumb/jinja/json.hpp"
#include "plumb/jinja/template.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::test {

using jinja::Dict;
using jinja::Value;

/// The moment at which the cases were recorded.
inline const jinja::RenderOptions kThen{.now = jinja::LocalTime{2026, 1, 15, 9, 5, 7}};

inline Value read_value(const std::filesystem::path& path) {
  return jinja::value_from_json(read_file(path), path.string());
}

/// One value a line.
inline std::vector<Value> read_values(const std::filesystem::path& path) {
  std::vector<Value> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(jinja::value_from_json(line, path.string()));
  return out;
}

/// dict[key] as text, or nothing.
inline std::optional<std::string> text_of(const Dict& dict, std::string_view key) {
  const Value* found = dict.get(key);
  return found && found->is(jinja::Kind::string) ? std::optional(found->string()) : std::nullopt;
}

inline void add_all(Dict& to, const Value* from) {
  if (!from || !from->is(jinja::Kind::dict)) return;
  for (const Dict::Entry& entry : from->dict()) to.set(entry.key, entry.value);
}

/// What a template made of its variables: a text, or the message of an error.
struct Rendered {
  std::string text, error;
  std::optional<jinja::Fault> fault;
};

inline Rendered render(std::string_view source, const Dict& variables, const std::string& name = "case") {
  try {
    return {jinja::Template(source, name).render(variables, kThen), {}, {}};
  } catch (const jinja::TemplateError& e) {
    return {{}, e.detail(), e.fault()};
  }
}

inline Rendered render(std::string_view source, const std::string& variables = "{}") {
  return render(source, jinja::value_from_json(variables, "variables").dict());
}

}  // namespace plumb::test
