#pragma once
/// @file
/// JSON text to the values of templates and back, as Python's json module does it.

#include <string>
#include <string_view>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Any JSON value; order of keys and whole numbers of any size are kept, a key that stands twice has its last value.
/// `where` stands for the source in messages. @throws Error{bad_value} for malformed text or nesting beyond
/// kMaxValueDepth.
PLUMB_API Value value_from_json(std::string_view text, std::string_view where);

/// How to write JSON; the defaults are those of the filter `tojson`.
struct JsonStyle {
  bool ascii = false;       ///< everything beyond ASCII as \uXXXX
  bool sort_keys = false;   ///< in the order of the keys' texts
  bool lines = false;       ///< one item a line
  std::string indent = {};  ///< of each level; with lines
  std::string item = ", ";  ///< between items
  std::string key = ": ";   ///< behind a key
};

/// @throws TemplateError{type} for what JSON does not have: undefined values, functions.
PLUMB_API std::string to_json(const Value& value, const JsonStyle& style = {});

}  // namespace plumb
