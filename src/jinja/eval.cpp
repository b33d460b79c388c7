#include <algorithm>

#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

Value Interpreter::lookup(int name) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get())
    if (const Value* found = scope->find(name)) return *found;
  const auto i = static_cast<std::size_t>(name);
  if (known_[i]) return root_[i];
  return Value::undefined(repr(Value(tree_.names[i])) + " is undefined");
}

Value Interpreter::eval(const Expr& expr) {
  const Nested nested(*this);
  budget.spend(1);
  line_ = expr.line;
  const auto kid = [&](std::size_t i) -> const Expr& { return *expr.kids[i]; };
  switch (expr.kind) {
    case ExprKind::constant: return expr.value;
    case ExprKind::name: return lookup(expr.name);
    case ExprKind::tuple:
    case ExprKind::list: {
      std::vector<Value> items;
      items.reserve(expr.kids.size());
      for (const ExprPtr& item : expr.kids) items.push_back(eval(*item));
      return list(std::move(items), expr.kind == ExprKind::tuple);
    }
    case ExprKind::dict: return eval_dict(expr);
    case ExprKind::attribute: return attribute(eval(kid(0)), expr.value);
    case ExprKind::item: {
      const Value object = eval(kid(0));
      return item(object, eval(kid(1)));
    }
    case ExprKind::slice: {
      const Value object = eval(kid(0));
      Value bounds[3];
      for (std::size_t i = 0; i < 3; ++i)
        if (expr.kids[i + 1]) bounds[i] = eval(kid(i + 1));
      return slice(object, bounds[0], bounds[1], bounds[2]);
    }
    case ExprKind::call: {
      const Value function = eval(kid(0));
      Arguments arguments = eval_arguments(expr.args.get());
      line_ = expr.line;
      return call(function, std::move(arguments));
    }
    case ExprKind::filter: return eval_filter(expr);
    case ExprKind::test: return eval_test(expr);
    case ExprKind::arithmetic: return eval_arithmetic(expr);
    case ExprKind::negative: return negative(eval(kid(0)));
    case ExprKind::positive: {
      const Value value = eval(kid(0));
      need_defined(value);
      if (!value.is_number()) stop(Fault::type, "TypeError: bad operand type for unary +: '" + type_name(value) + "'");
      return value.is(Kind::boolean) ? Value(value.integer()) : value;
    }
    case ExprKind::concat: return eval_concat(expr);
    case ExprKind::compare: return eval_compare(expr);
    case ExprKind::logical_not: return !truth(eval(kid(0)));
    case ExprKind::logical_and: {
      Value left = eval(kid(0));
      return truth(left) ? eval(kid(1)) : left;
    }
    case ExprKind::logical_or: {
      Value left = eval(kid(0));
      return truth(left) ? left : eval(kid(1));
    }
    case ExprKind::condition:
      if (truth(eval(kid(1)))) return eval(kid(0));
      if (expr.kids[2]) return eval(kid(2));
      return Value::undefined("the inline if-expression on line " + std::to_string(expr.line) +
                              " evaluated to false and no else section was defined.");
    case ExprKind::namespace_attribute: break;
  }
  return {};
}

Value Interpreter::eval_dict(const Expr& expr) {
  Dict entries;
  for (std::size_t i = 0; i < expr.kids.size(); i += 2) {
    Value key = eval(*expr.kids[i]);
    entries.set(std::move(key), eval(*expr.kids[i + 1]));
  }
  return dict(std::move(entries));
}

Value Interpreter::eval_arithmetic(const Expr& expr) {
  const Value left = eval(*expr.kids[0]);
  const Value right = eval(*expr.kids[1]);
  line_ = expr.line;
  return binary(static_cast<Arithmetic>(expr.op), left, right);
}

Value Interpreter::eval_concat(const Expr& expr) {
  std::string out;
  for (const ExprPtr& kid : expr.kids) {
    const Value value = eval(*kid);
    if (!escaping_) {
      budget.expect(out.size());
      print(value, out, &budget);
      continue;
    }
    const std::string piece = str(value);
    const bool safe = value.is(Kind::string) && value.text().markup;
    out += safe ? piece : escaped_html(piece);
  }
  return text(std::move(out), escaping_);
}

bool Interpreter::compare_once(Comparison op, const Value& a, const Value& b) {
  switch (op) {
    case Comparison::equal: return equal(a, b, &budget);
    case Comparison::not_equal: return !equal(a, b, &budget);
    case Comparison::less: return compare(a, b, "<", &budget) == -1;
    case Comparison::less_equal: {
      const int order = compare(a, b, "<=", &budget);
      return order == -1 || order == 0;
    }
    case Comparison::greater: return compare(a, b, ">", &budget) == 1;
    case Comparison::greater_equal: {
      const int order = compare(a, b, ">=", &budget);
      return order == 1 || order == 0;
    }
    case Comparison::in: return contains(b, a);
    case Comparison::not_in: return !contains(b, a);
  }
  return false;
}

/// a < b < c: each pair must hold; what comes behind one that does not is not evaluated.
Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.kids[0]);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    Value right = eval(*expr.kids[i + 1]);
    line_ = expr.line;
    if (!compare_once(expr.ops[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Arguments Interpreter::eval_arguments(const CallArguments* arguments) {
  Arguments out;
  if (!arguments) return out;
  for (const ExprPtr& argument : arguments->positional) out.positional.push_back(eval(*argument));
  for (const auto& [name, argument] : arguments->named) out.named.emplace_back(name, eval(*argument));
  if (arguments->spread)
    for (Value& value : all(eval(*arguments->spread))) out.positional.push_back(std::move(value));
  if (arguments->spread_named) {
    const Value named = eval(*arguments->spread_named);
    if (!named.is(Kind::dict))
      stop(Fault::type, "TypeError: argument after ** must be a mapping, not " + type_name(named));
    for (const Dict::Entry& entry : named.dict()) {
      if (!entry.key.is(Kind::string)) stop(Fault::type, "TypeError: keywords must be strings");
      out.named.emplace_back(entry.key.string(), entry.value);
    }
  }
  return out;
}

Value Interpreter::eval_filter(const Expr& expr) {
  const Value subject = expr.kids[0] ? eval(*expr.kids[0]) : subject_;
  Arguments arguments = eval_arguments(expr.args.get());
  line_ = expr.line;
  if (!expr.builtin) stop(Fault::syntax, "No filter named " + repr(Value(expr.text)) + ".");
  return run(*expr.builtin, subject, std::move(arguments));
}

Value Interpreter::eval_test(const Expr& expr) {
  const Value subject = eval(*expr.kids[0]);
  Arguments arguments = eval_arguments(expr.args.get());
  line_ = expr.line;
  if (!expr.builtin) stop(Fault::syntax, "No test named " + repr(Value(expr.text)) + ".");
  return truth(run(*expr.builtin, subject, std::move(arguments))) != expr.negated;
}

}  // namespace plumb
