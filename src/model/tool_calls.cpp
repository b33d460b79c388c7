#include <algorithm>
#include <optional>

#include "plumb/jinja/json.hpp"
#include "plumb/model/reply_parts.hpp"

namespace plumb::inline PLUMB_ABI {
namespace tool_calls {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<Value> json_of(std::string_view text) {
  try {
    return jinja::value_from_json(text, "tool call");
  } catch (const Error&) {
    return std::nullopt;
  }
}

Value call(std::string_view name, Value arguments) {
  return Dict{{"type", "function"}, {"function", Dict{{"name", name}, {"arguments", std::move(arguments)}}}};
}

/// {"name": ..., "arguments" or "parameters": ...}, or the same within "function".
std::optional<Value> call_of(const Value& value) {
  if (!value.is(Kind::dict)) return std::nullopt;
  if (const Value* inner = value.dict().get("function"); inner && inner->is(Kind::dict)) return call_of(*inner);
  const Value* name = value.dict().get("name");
  if (!name) name = value.dict().get("tool_name");
  if (!name || !name->is(Kind::string)) return std::nullopt;
  const Value* arguments = value.dict().get("arguments");
  if (!arguments) arguments = value.dict().get("parameters");
  return call(name->string(), arguments ? *arguments : Value(Dict()));
}

/// A value in an XML-like form: JSON where it is that, otherwise text.
Value loose(std::string_view text) {
  if (const auto json = json_of(text)) return *json;
  return Value(text);
}

std::string_view between(std::string_view text, std::string_view begin, std::string_view end, std::size_t& at) {
  const std::size_t first = text.find(begin, at);
  if (first == std::string_view::npos) return at = first, std::string_view();
  const std::size_t inside = first + begin.size();
  const std::size_t last = std::min(text.find(end, inside), text.size());
  at = std::min(last + end.size(), text.size());
  return text.substr(inside, last - inside);
}

/// <function=NAME> <parameter=KEY> VALUE </parameter> ... : Qwen3-Coder.
Value function_form(std::string_view text) {
  std::size_t at = 0;
  const std::string_view name = between(text, "<function=", ">", at);
  Dict arguments;
  while (at < text.size()) {
    const std::string_view key = between(text, "<parameter=", ">", at);
    if (at == std::string_view::npos) break;
    const std::size_t end = std::min(text.find("</parameter>", at), text.size());
    arguments.set(Value(trimmed(key)), loose(trimmed(text.substr(at, end - at))));
    at = end;
  }
  return call(trimmed(name), Value(std::move(arguments)));
}

/// NAME <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value> ... : GLM 4.5.
Value key_value_form(std::string_view text) {
  Dict arguments;
  const std::string_view name = trimmed(text.substr(0, text.find("<arg_key>")));
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view key = between(text, "<arg_key>", "</arg_key>", at);
    if (at == std::string_view::npos) break;
    const std::string_view value = between(text, "<arg_value>", "</arg_value>", at);
    arguments.set(Value(trimmed(key)), loose(trimmed(value)));
    if (at == std::string_view::npos) break;
  }
  return call(name, Value(std::move(arguments)));
}

/// NAME{...}, NAME[ARGS]{...}, NAME[CALL_ID]ID[ARGS]{...}, NAME<｜tool▁sep｜>{...}; DeepSeek R1 has
/// function<｜tool▁sep｜>NAME and a block of code.
std::optional<Value> named_form(std::string_view text) {
  constexpr std::string_view kSeparator = "<｜tool▁sep｜>", kFunction = "function<｜tool▁sep｜>", kArgs = "[ARGS]";
  if (text.starts_with(kFunction)) text.remove_prefix(kFunction.size());
  const std::size_t open = text.find('{');
  if (open == std::string_view::npos || open == 0) return std::nullopt;
  std::string_view name = trimmed(text.substr(0, open)), arguments = trimmed(text.substr(open));
  if (name.ends_with("```json")) name = trimmed(name.substr(0, name.size() - 7));
  if (arguments.ends_with("```")) arguments = trimmed(arguments.substr(0, arguments.size() - 3));
  for (const std::string_view mark : {kSeparator, kArgs})
    if (name.ends_with(mark)) name = trimmed(name.substr(0, name.size() - mark.size()));
  name = trimmed(name.substr(0, name.find("[CALL_ID]")));
  const auto json = json_of(arguments);
  if (!json || name.empty() || name.find_first_of(" \n\"[]") != std::string_view::npos) return std::nullopt;
  return call(name, *json);
}

}  // namespace
}  // namespace tool_calls

std::vector<jinja::Value> parse_tool_calls(std::string_view text) {
  using namespace tool_calls;
  std::vector<Value> out;
  text = trimmed(text);
  if (text.empty()) return out;
  const auto add = [&](std::optional<Value> found) {
    if (found) out.push_back(std::move(*found));
  };
  if (const auto json = json_of(text)) {  // first: its arguments may speak of other forms
    if (json->is(Kind::list))
      for (const Value& entry : json->items()) add(call_of(entry));
    else
      add(call_of(*json));
  } else if (text.find("<function=") != std::string_view::npos) {
    add(function_form(text));
  } else if (text.find("<arg_key>") != std::string_view::npos) {
    add(key_value_form(text));
  } else if (text.find("[TOOL_CALLS]") != std::string_view::npos) {  // several in a row
    while (!text.empty()) {
      const std::size_t next = std::min(text.find("[TOOL_CALLS]"), text.size());
      for (Value& one : parse_tool_calls(text.substr(0, next))) out.push_back(std::move(one));
      text.remove_prefix(std::min(next + 12, text.size()));
    }
  } else if (text.front() == '{' && text.find(';') != std::string_view::npos) {  // Llama 3: calls with ; between them
    while (!text.empty()) {
      const std::size_t next = std::min(text.find("};") + 1, text.size());
      const std::size_t end = next == 0 ? text.size() : next;
      if (const auto one = json_of(trimmed(text.substr(0, end)))) add(call_of(*one));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  } else {
    add(named_form(text));
  }
  return out;
}

}  // namespace plumb
