#pragma once
/// @file
/// What can be wrong with a template, or with what it is given.

#include <string>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Which kind of mistake ended a template.
enum class Fault {
  syntax,     ///< the text is no template
  raised,     ///< the template itself called raise_exception: the message is for the user
  undefined,  ///< a value that does not exist was called, indexed or computed with
  type,       ///< an operation on values that do not have it
  security,   ///< something the sandbox does not give out
  limit,      ///< more steps, memory, depth or digits than a render may use
};

/// Stable lower-case name: "syntax".
constexpr const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::syntax: return "syntax";
    case Fault::raised: return "raised";
    case Fault::undefined: return "undefined";
    case Fault::type: return "type";
    case Fault::security: return "security";
    case Fault::limit: return "limit";
  }
  return "unknown";
}

/// The code that plumb::Error has for a fault.
constexpr ErrorCode fault_code(Fault fault) {
  switch (fault) {
    case Fault::syntax: return ErrorCode::bad_value;
    case Fault::raised: return ErrorCode::invalid_argument;
    case Fault::undefined: return ErrorCode::missing_key;
    case Fault::type: return ErrorCode::wrong_type;
    case Fault::security: return ErrorCode::invalid_argument;
    case Fault::limit: return ErrorCode::overflow;
  }
  return ErrorCode::bad_value;
}

/// Thrown by Template. `what()` names template and line: "chat template of m.gguf, line 3: 'x' is undefined".
class PLUMB_API TemplateError : public Error {
 public:
  TemplateError(Fault fault, const std::string& name, int line, const std::string& detail)
      : Error(fault_code(fault), name + ", line " + std::to_string(line) + ": " + detail),
        fault_(fault),
        line_(line),
        detail_(detail) {}
  Fault fault() const noexcept { return fault_; }
  /// Counted from 1.
  int line() const noexcept { return line_; }
  /// The message alone, as raise_exception was given it.
  const std::string& detail() const noexcept { return detail_; }

 private:
  Fault fault_;
  int line_;
  std::string detail_;
};

}  // namespace plumb
