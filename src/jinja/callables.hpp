#pragma once
/// The objects of templates that can be called.

#include <deque>
#include <memory>
#include <string>

#include "ast.hpp"
#include "builtins.hpp"
#include "items.hpp"
#include "objects.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Names and what they stand for, inside of a loop, macro or block. The names of the template itself are not in one.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<int, Value>> variables;
  bool captured = false;  // a macro or loop refers to it: the render keeps it, and takes it apart in the end

  const Value* find(int name) const {
    for (const auto& [other, value] : variables)
      if (other == name) return &value;
    return nullptr;
  }
  void set(int name, Value value) {
    for (auto& [other, old] : variables)
      if (other == name) {
        old = std::move(value);
        return;
      }
    variables.emplace_back(name, std::move(value));
  }
};

/// range, dict, raise_exception, ...
struct Function : Object {
  explicit Function(const Builtin& function) : builtin(function) {}
  std::string_view type_name() const override { return "function"; }
  std::string repr() const override { return "<function " + std::string(builtin.name) + ">"; }
  const Builtin& builtin;
};

/// A method together with the value it belongs to.
struct Method : Object {
  Method(const Builtin& method, Value of) : builtin(method), self(std::move(of)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string repr() const override { return "<built-in method " + std::string(builtin.name) + ">"; }
  int depth() const override { return self.depth() + 1; }
  const Builtin& builtin;
  Value self;
};

/// A macro, or the body of a call block.
struct Macro : Object {
  Macro(const Stmt& statement, std::shared_ptr<Scope> around) : stmt(statement), scope(std::move(around)) {}
  std::string_view type_name() const override { return "Macro"; }
  std::string repr() const override { return "<Macro '" + stmt.signature->title + "'>"; }
  const Stmt& stmt;
  std::shared_ptr<Scope> scope;  // where it was defined
};

/// `loop`, and the walk itself: items are fetched when they are needed, as `for x in y if ns.z` may change ns.
class Loop : public Object {
 public:
  Loop(Interpreter& in, Items items, const Expr* target, const Expr* filter, int level)
      : in_(in), items_(std::move(items)), target_(target), filter_(filter), level_(level) {}
  std::string_view type_name() const override { return "LoopContext"; }
  std::string repr() const override { return "<LoopContext>"; }
  int depth() const override { return nesting; }

  /// Goes to the next item; false at the end.
  bool advance();
  const Value& item() const { return current_; }
  /// loop.name, or nothing.
  std::optional<Value> attribute(std::string_view name);
  Value cycle(const Arguments& arguments) const;
  /// Whether these are others than those of the call before.
  bool changed(const Arguments& arguments);
  bool remembers() const { return last_changed_.has_value(); }
  void forget() { last_changed_.reset(); }

  int nesting = 1;                  // of the items, and one more
  const Stmt* recursive = nullptr;  // loop(...) runs it again, with names around it as they were
  std::shared_ptr<Scope> outer;
  int level() const { return level_; }

 private:
  bool fetch(Value& out);
  bool peek();
  std::int64_t length();

  Interpreter& in_;
  Items items_;
  const Expr* target_;
  const Expr* filter_;
  int level_;
  std::int64_t index_ = -1;
  std::deque<Value> ahead_;
  std::optional<Value> previous_;
  Value current_;
  std::optional<Value> last_changed_;
};

}  // namespace plumb
