#pragma once
/// Walks the tree of a template and writes its text.

#include <memory>
#include <string>
#include <vector>

#include "callables.hpp"
#include "objects.hpp"
#include "operators.hpp"
#include "plumb/jinja/template.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

class Interpreter {
 public:
  Interpreter(const Template::Tree& tree, const Dict& variables, const RenderOptions& options);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string run();
  /// Of what runs now, or has thrown.
  int line() const { return line_; }

  Budget budget;

  // What builtins need.

  /// New values, paid for.
  Value text(std::string bytes, bool markup = false);
  Value list(std::vector<Value> items, bool tuple = false);
  Value dict(Dict entries);
  Value generator(std::vector<Value> items);
  Value names(Dict attributes);
  /// str(value).
  std::string str(const Value& value) { return printed(value, &budget); }
  /// list(value).
  std::vector<Value> all(const Value& iterable);
  /// value.name, and value[key]: attributes and items, in either order. The sandbox sits here.
  Value attribute(const Value& value, const Value& name);
  Value item(const Value& value, const Value& key);
  /// The method or attribute alone; nothing if there is none.
  std::optional<Value> own_attribute(const Value& value, std::string_view name);
  Value slice(const Value& value, const Value& start, const Value& stop, const Value& step);
  bool contains(const Value& container, const Value& value);
  Value binary(Arithmetic operation, const Value& a, const Value& b);

  // Calls.
  Value call(const Value& function, Arguments arguments);
  Value run(const Builtin& builtin, const Value& self, Arguments arguments);
  /// By name, as map and select do. Throws {type} if there is none.
  Value filter(std::string_view name, const Value& subject, Arguments arguments);
  bool test(std::string_view name, const Value& subject, Arguments arguments);

  // What loops need: a new scope with one name or several set.
  bool passes(const Expr& target, const Expr& filter, const Value& item);

  /// A loop that remembers what changed(), itself perhaps: it is made to forget in the end.
  void keep(std::shared_ptr<Loop> loop);

  const std::optional<LocalTime>& now() const { return now_; }
  bool escaping() const { return escaping_; }

 private:
  enum class Flow { next, break_loop, continue_loop };
  class Nested;      // counts depth
  class Redirect;    // text goes to a buffer of its own
  class InnerScope;  // names of its own

  // eval.cpp
  Value eval(const Expr& expr);
  Value eval_arithmetic(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_filter(const Expr& expr);
  Value eval_test(const Expr& expr);
  Arguments eval_arguments(const CallArguments* arguments);
  bool compare_once(Comparison op, const Value& a, const Value& b);
  Value lookup(int name);

  // exec.cpp
  Flow exec(const Body& body);
  Flow exec(const Stmt& stmt);
  void write_text(std::string_view text);
  void write(const Value& value);
  void assign(const Expr& target, Value value);
  void set(int name, Value value);
  Flow exec_loop(const Stmt& stmt);
  void run_loop(const Stmt& stmt, Value items, int level);
  Flow exec_branch(const Stmt& stmt);
  void exec_call(const Stmt& stmt);
  Flow exec_scope(const Stmt& stmt);
  Value captured(const Body& body);
  Value filtered(const Expr& chain, Value subject);

  // calls.cpp
  Value call_macro(const Macro& macro, Arguments arguments);
  void bind(const Macro& macro, Arguments& arguments, Scope& scope);
  Value make_macro(const Stmt& stmt);
  void capture_scope();

  const Template::Tree& tree_;
  std::optional<LocalTime> now_;
  std::vector<Value> root_;       // by number of the name
  std::vector<char> known_;       // whether root_ has it
  std::vector<char> builtin_;     // whether it is not the caller's but ours
  std::shared_ptr<Scope> scope_;  // null: the template itself
  std::vector<std::shared_ptr<Scope>> captured_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::string* out_ = nullptr;
  Value subject_;  // of a block's filters
  bool escaping_ = false;
  int depth_ = 0, max_depth_;
  int line_ = 1;
};

class Interpreter::Nested {
 public:
  explicit Nested(Interpreter& in);
  ~Nested() { --in_.depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Interpreter& in_;
};

class Interpreter::Redirect {
 public:
  explicit Redirect(Interpreter& in) : in_(in), before_(in.out_) { in.out_ = &text_; }
  ~Redirect() {
    in_.out_ = before_;
    in_.budget.give(paid());
  }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

  /// What was written; it is then paid for by its taker.
  std::string take() {
    in_.budget.give(paid());
    return std::exchange(text_, {});
  }

 private:
  std::size_t paid() const { return text_.size(); }
  Interpreter& in_;
  std::string* before_;
  std::string text_;
};

class Interpreter::InnerScope {
 public:
  explicit InnerScope(Interpreter& in, std::shared_ptr<Scope> parent) : in_(in), before_(in.scope_) {
    in.scope_ = std::make_shared<Scope>();
    in.scope_->parent = std::move(parent);
  }
  explicit InnerScope(Interpreter& in) : InnerScope(in, in.scope_) {}
  ~InnerScope() { in_.scope_ = std::move(before_); }
  InnerScope(const InnerScope&) = delete;
  InnerScope& operator=(const InnerScope&) = delete;

 private:
  Interpreter& in_;
  std::shared_ptr<Scope> before_;
};

}  // namespace plumb
