#pragma once
/// Filters, tests, functions and methods: tables of names, and how these take their arguments.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

class Interpreter;
struct Builtin;

/// What something is called with.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The value of a name, which is then no longer among them.
  std::optional<Value> take(std::string_view name);
};

/// A call that runs: the subject of a filter, test or method, and the arguments in the order of the signature.
class Call {
 public:
  /// Throws {type} for arguments that `builtin` does not take.
  Call(Interpreter& in, const Builtin& builtin, const Value& self, Arguments arguments);

  Interpreter& in;
  const Builtin& builtin;
  const Value& self;
  Arguments rest;  ///< where the signature takes anything ("*"): all arguments

  bool has(std::size_t i) const { return i < slots_.size() && slots_[i].has_value(); }
  /// Of an argument that must be there.
  const Value& operator[](std::size_t i) const { return *slots_[i]; }
  Value value(std::size_t i, Value otherwise) const { return has(i) ? *slots_[i] : otherwise; }
  bool flag(std::size_t i, bool otherwise) const;
  /// A whole number; None counts as absent.
  std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  /// A text. Throws {type} for anything else.
  const std::string& text(std::size_t i) const;

 private:
  std::vector<std::optional<Value>> slots_;
};

struct Builtin {
  std::string_view name;
  Value (*run)(Call&);
  /// Names of the parameters, "!" behind those that are required; "*" takes anything.
  std::string_view signature = "";
};

const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_function(std::string_view name);
/// A method of a value of this type, or null.
const Builtin* find_method(const Value& self, std::string_view name);

}  // namespace plumb
