#pragma once
/// A parsed template. Names are numbered, so that looking one up compares integers.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plumb/jinja/template.hpp"
#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

struct Builtin;
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

enum class ExprKind : std::uint8_t {
  constant,             // value
  name,                 // name
  tuple,                // kids
  list,                 // kids
  dict,                 // kids: key, value, key, value, ...
  attribute,            // kids[0].text
  item,                 // kids[0][kids[1]]
  slice,                // kids[0][kids[1]:kids[2]:kids[3]], each but the first may be null
  call,                 // kids[0](args)
  filter,               // kids[0]|text(args); a null subject is what a block has made
  test,                 // kids[0] is text(args), or is not
  arithmetic,           // kids[0] op kids[1]; op is an Arithmetic
  negative,             // -kids[0]
  positive,             // +kids[0]
  concat,               // kids[0] ~ kids[1] ~ ...
  compare,              // kids[0] ops[0] kids[1] ops[1] kids[2] ...
  logical_not,          // not kids[0]
  logical_and,          // kids[0] and kids[1]
  logical_or,           // kids[0] or kids[1]
  condition,            // kids[0] if kids[1] else kids[2], which may be null
  namespace_attribute,  // a target of set: name.text
};

enum class Comparison : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr spread, spread_named;  // *list, **dictionary
};

struct Expr {
  ExprKind kind = ExprKind::constant;
  std::uint8_t op = 0;
  bool negated = false;  // is not
  int line = 1;
  int depth = 1;  // of the tree below
  int name = -1;
  std::string text;
  Value value;
  std::vector<ExprPtr> kids;
  std::vector<Comparison> ops;
  std::unique_ptr<CallArguments> args;
  const Builtin* builtin = nullptr;  // of a filter or test; null: there is none of that name
};

enum class StmtKind : std::uint8_t {
  data,     // text
  print,    // exprs
  branch,   // if exprs[i] then bodies[i]; one more body is the else
  loop,     // for exprs[0] in exprs[1] if exprs[2] (or null): bodies[0], else bodies[1]
  assign,   // set exprs[0] = exprs[1]
  capture,  // set exprs[0] = bodies[0], through the filters exprs[1] (or null)
  macro,    // name(signature): bodies[0]
  call,     // call(signature) exprs[0]: bodies[0] is the caller
  filter,   // bodies[0] through the filters exprs[0]
  with,     // exprs: target, value, target, value, ...; bodies[0]
  scope,    // bodies[0] with names of its own
  block,    // the same, without the names around it
  escape,   // autoescape exprs[0]: bodies[0]
  break_loop,
  continue_loop,
  no_loader,  // include, import, extends
};

/// Parameters of a macro or of a caller.
struct Signature {
  std::string title;  // for messages
  std::vector<int> names;
  std::vector<std::string> spelled;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Stmt {
  StmtKind kind = StmtKind::data;
  bool recursive = false;
  int line = 1;
  int name = -1;
  std::string text;
  std::vector<ExprPtr> exprs;
  std::vector<Body> bodies;
  std::unique_ptr<Signature> signature;
};

struct Template::Tree {
  std::string name, source;
  Body body;
  std::vector<std::string> names;                         // spelled, by number
  int loop = -1, caller = -1, varargs = -1, kwargs = -1;  // numbers of these
};

}  // namespace plumb
