#pragma once
/// What values point at, and how templates stop. Private to the library.

#include <string>
#include <string_view>
#include <vector>

#include "plumb/jinja/error.hpp"
#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Ends a render; Template adds its name and the line.
[[noreturn]] inline void stop(Fault fault, const std::string& message) {
  throw TemplateError(fault, "template", 0, message);
}

struct Text {
  std::string bytes;    // valid UTF-8
  bool markup = false;  // HTML that is escaped already
  Charge charge = {};
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  bool group = false;  // of groupby: .grouper and .list are its items
  int depth = 1;
  Charge charge = {};
};

struct Missing {
  std::string message;
  bool unsafe = false;  // the sandbox does not give it out
};

/// What only templates make.
class Object {
 public:
  virtual ~Object() = default;
  /// Python's name of the type.
  virtual std::string_view type_name() const = 0;
  /// As it prints.
  virtual std::string repr() const { return "<" + std::string(type_name()) + ">"; }
  virtual int depth() const { return 1; }
};

/// Depth of a list of these. Throws {limit} beyond kMaxValueDepth.
int depth_around(std::span<const Value> items);

}  // namespace plumb
