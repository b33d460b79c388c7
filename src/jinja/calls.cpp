#include <algorithm>

#include "heap.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::optional<Value> Arguments::take(std::string_view name) {
  const auto found = std::find_if(named.begin(), named.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == named.end()) return std::nullopt;
  Value value = std::move(found->second);
  named.erase(found);
  return value;
}

Call::Call(Interpreter& interpreter, const Builtin& called, const Value& subject, Arguments arguments)
    : in(interpreter), builtin(called), self(subject), rest(std::move(arguments)) {
  if (builtin.signature == "*") return;
  const std::string name = std::string(builtin.name) + "()";
  std::size_t taken = 0;
  for (std::string_view left = builtin.signature; !left.empty();) {
    const std::size_t end = std::min(left.find(' '), left.size());
    std::string_view parameter = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    const bool required = parameter.back() == '!';
    if (required) parameter.remove_suffix(1);
    std::optional<Value> value = rest.take(parameter);
    if (taken < rest.positional.size()) {
      if (value)
        stop(Fault::type, "TypeError: " + name + " got multiple values for argument '" + std::string(parameter) + "'");
      value = std::move(rest.positional[taken++]);
    }
    if (required && !value)
      stop(Fault::type, "TypeError: " + name + " missing required argument '" + std::string(parameter) + "'");
    slots_.push_back(std::move(value));
  }
  if (taken < rest.positional.size())
    stop(Fault::type, "TypeError: " + name + " takes at most " + std::to_string(slots_.size()) + " arguments (" +
                          std::to_string(rest.positional.size()) + " given)");
  if (!rest.named.empty())
    stop(Fault::type, "TypeError: " + name + " got an unexpected keyword argument '" + rest.named[0].first + "'");
}

bool Call::flag(std::size_t i, bool otherwise) const { return has(i) ? truth(*slots_[i]) : otherwise; }

std::int64_t Call::integer(std::size_t i, std::int64_t otherwise) const {
  return has(i) && !slots_[i]->is(Kind::none) ? index_of(*slots_[i]) : otherwise;
}

const std::string& Call::text(std::size_t i) const {
  const Value& value = *slots_[i];
  need_defined(value);
  if (!value.is(Kind::string))
    stop(Fault::type, "TypeError: " + std::string(builtin.name) + "() argument must be str, not " + type_name(value));
  return value.string();
}

Value Interpreter::run(const Builtin& builtin, const Value& self, Arguments arguments) {
  const Nested nested(*this);
  budget.spend(1);
  Call call(*this, builtin, self, std::move(arguments));
  return builtin.run(call);
}

Value Interpreter::filter(std::string_view name, const Value& subject, Arguments arguments) {
  const Builtin* builtin = find_filter(name);
  if (!builtin) stop(Fault::type, "No filter named " + repr(Value(name)) + ".");
  return run(*builtin, subject, std::move(arguments));
}

bool Interpreter::test(std::string_view name, const Value& subject, Arguments arguments) {
  const Builtin* builtin = find_test(name);
  if (!builtin) stop(Fault::type, "No test named " + repr(Value(name)) + ".");
  return truth(run(*builtin, subject, std::move(arguments)));
}

Value Interpreter::call(const Value& function, Arguments arguments) {
  const Nested nested(*this);
  need_defined(function);
  if (const auto* macro = function.as<Macro>()) return call_macro(*macro, std::move(arguments));
  if (const auto* method = function.as<Method>()) return run(method->builtin, method->self, std::move(arguments));
  if (const auto* builtin = function.as<Function>()) return run(builtin->builtin, function, std::move(arguments));
  if (auto* joiner = function.as<Joiner>()) return std::exchange(joiner->used, true) ? joiner->separator : Value("");
  if (const auto* loop = function.as<Loop>(); loop && loop->recursive) {
    if (arguments.positional.size() != 1 || !arguments.named.empty())
      stop(Fault::type, "TypeError: loop() takes one argument");
    const std::shared_ptr<Object> alive = function.object();
    const std::shared_ptr<Scope> before = std::exchange(scope_, loop->outer);
    Redirect redirect(*this);
    run_loop(*loop->recursive, arguments.positional[0], loop->level() + 1);
    scope_ = before;
    return text(redirect.take(), escaping_);
  }
  if (function.as<Loop>())
    stop(Fault::type, "TypeError: The loop must have the 'recursive' marker to be called recursively.");
  stop(Fault::type, "TypeError: '" + type_name(function) + "' object is not callable");
}

/// Keeps the scope that is current, for something that refers to it and may outlive it.
void Interpreter::capture_scope() {
  if (!scope_ || scope_->captured) return;
  budget.take(sizeof(Scope) + 64);
  scope_->captured = true;
  captured_.push_back(scope_);
}

Value Interpreter::make_macro(const Stmt& stmt) {
  capture_scope();
  return Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(stmt, scope_)));
}

/// Arguments to names; defaults see the parameters before them.
void Interpreter::bind(const Macro& macro, Arguments& arguments, Scope& scope) {
  const Signature& signature = *macro.stmt.signature;
  const std::size_t count = signature.names.size(), given = arguments.positional.size();
  const std::string title = "macro '" + signature.title + "'";
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < count; ++i) {
    if (i < given) {
      scope.set(signature.names[i], arguments.positional[i]);
    } else if (std::optional<Value> value = arguments.take(signature.spelled[i])) {
      scope.set(signature.names[i], std::move(*value));
    } else {
      scope.set(signature.names[i], Value::undefined("parameter '" + signature.spelled[i] + "' was not provided"));
      missing.push_back(i);
    }
  }
  if (signature.uses_caller)
    scope.set(tree_.caller, arguments.take("caller").value_or(Value::undefined("No caller defined")));
  if (signature.uses_kwargs) {
    Dict named;
    for (auto& [name, value] : arguments.named) named.set(Value(name), std::move(value));
    scope.set(tree_.kwargs, dict(std::move(named)));
  } else if (!arguments.named.empty()) {
    stop(Fault::type, "TypeError: " + title + " takes no keyword argument '" + arguments.named[0].first + "'");
  }
  if (signature.uses_varargs)
    scope.set(tree_.varargs, list(std::vector<Value>(arguments.positional.begin() +
                                                         static_cast<std::ptrdiff_t>(std::min(count, given)),
                                                     arguments.positional.end()),
                                  true));
  else if (given > count)
    stop(Fault::type, "TypeError: " + title + " takes not more than " + std::to_string(count) + " argument(s)");
  const std::size_t first_default = count - signature.defaults.size();
  for (const std::size_t i : missing)
    if (i >= first_default) scope.set(signature.names[i], eval(*signature.defaults[i - first_default]));
}

Value Interpreter::call_macro(const Macro& macro, Arguments arguments) {
  const InnerScope inner(*this, macro.scope);
  const std::shared_ptr<Scope> own = scope_;
  bind(macro, arguments, *own);
  Redirect redirect(*this);
  exec(macro.stmt.bodies[0]);
  return text(redirect.take(), escaping_);
}

}  // namespace plumb
