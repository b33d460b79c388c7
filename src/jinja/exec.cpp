#include <algorithm>

#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

void Interpreter::write_text(std::string_view text) {
  budget.spend_bytes(text.size());
  budget.take(text.size());
  out_->append(text);
}

void Interpreter::write(const Value& value) {
  const bool markup = value.is(Kind::string) && value.text().markup;
  if (value.is(Kind::string) && (!escaping_ || markup)) return write_text(value.string());
  const std::string text = str(value);
  write_text(escaping_ ? escaped_html(text) : text);
}

void Interpreter::set(int name, Value value) {
  if (scope_) return scope_->set(name, std::move(value));
  const auto i = static_cast<std::size_t>(name);
  root_[i] = std::move(value);
  known_[i] = true;
}

void Interpreter::assign(const Expr& target, Value value) {
  if (target.kind == ExprKind::name) return set(target.name, std::move(value));
  if (target.kind == ExprKind::namespace_attribute) {
    const Value object = lookup(target.name);
    auto* names = object.as<Namespace>();
    if (!names) stop(Fault::type, "cannot assign attribute on non-namespace object");
    budget.spend_bytes(names->attributes.bytes() / 8);
    return names->attributes.set(Value(target.text), std::move(value));
  }
  if (!is_iterable(value)) stop(Fault::type, "TypeError: cannot unpack non-iterable " + type_name(value) + " object");
  const std::size_t wanted = target.kids.size();
  std::vector<Value> parts;
  Items items(*this, value);
  for (Value part; items.next(part);) {
    if (parts.size() == wanted)
      stop(Fault::type, "ValueError: too many values to unpack (expected " + std::to_string(wanted) + ")");
    parts.push_back(std::move(part));
  }
  if (parts.size() < wanted)
    stop(Fault::type, "ValueError: not enough values to unpack (expected " + std::to_string(wanted) + ", got " +
                          std::to_string(parts.size()) + ")");
  for (std::size_t i = 0; i < wanted; ++i) assign(*target.kids[i], std::move(parts[i]));
}

Interpreter::Flow Interpreter::exec(const Body& body) {
  for (const auto& stmt : body)
    if (const Flow flow = exec(*stmt); flow != Flow::next) return flow;
  return Flow::next;
}

Interpreter::Flow Interpreter::exec(const Stmt& stmt) {
  const Nested nested(*this);
  budget.spend(1);
  line_ = stmt.line;
  switch (stmt.kind) {
    case StmtKind::data: write_text(stmt.text); break;
    case StmtKind::print:
      for (const ExprPtr& expr : stmt.exprs) write(eval(*expr));
      break;
    case StmtKind::branch: return exec_branch(stmt);
    case StmtKind::loop: return exec_loop(stmt);
    case StmtKind::assign: assign(*stmt.exprs[0], eval(*stmt.exprs[1])); break;
    case StmtKind::capture: {
      Value text = captured(stmt.bodies[0]);
      if (stmt.exprs[1]) text = filtered(*stmt.exprs[1], std::move(text));
      assign(*stmt.exprs[0], std::move(text));
      break;
    }
    case StmtKind::macro: set(stmt.name, make_macro(stmt)); break;
    case StmtKind::call: exec_call(stmt); break;
    case StmtKind::filter: write(filtered(*stmt.exprs[0], captured(stmt.bodies[0]))); break;
    case StmtKind::with:
    case StmtKind::scope:
    case StmtKind::block:
    case StmtKind::escape: return exec_scope(stmt);
    case StmtKind::break_loop: return Flow::break_loop;
    case StmtKind::continue_loop: return Flow::continue_loop;
    case StmtKind::no_loader: stop(Fault::type, "no loader for this environment specified");
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::exec_branch(const Stmt& stmt) {
  for (std::size_t i = 0; i < stmt.exprs.size(); ++i)
    if (truth(eval(*stmt.exprs[i]))) return exec(stmt.bodies[i]);
  return stmt.bodies.size() > stmt.exprs.size() ? exec(stmt.bodies.back()) : Flow::next;
}

Interpreter::Flow Interpreter::exec_scope(const Stmt& stmt) {
  std::vector<Value> values;  // of `with`, computed outside of it
  if (stmt.kind == StmtKind::with)
    for (std::size_t i = 1; i < stmt.exprs.size(); i += 2) values.push_back(eval(*stmt.exprs[i]));
  const bool before = escaping_;
  const bool escaping = stmt.kind == StmtKind::escape ? truth(eval(*stmt.exprs[0])) : before;
  const InnerScope inner(*this, stmt.kind == StmtKind::block ? nullptr : scope_);
  for (std::size_t i = 0; i < values.size(); ++i) assign(*stmt.exprs[2 * i], std::move(values[i]));
  escaping_ = escaping;
  const Flow flow = exec(stmt.bodies[0]);
  escaping_ = before;
  return flow;
}

Value Interpreter::captured(const Body& body) {
  Redirect redirect(*this);
  const InnerScope inner(*this);
  exec(body);
  return text(redirect.take(), escaping_);
}

Value Interpreter::filtered(const Expr& chain, Value subject) {
  std::swap(subject_, subject);  // a block inside of the arguments cannot be
  Value out = eval(chain);
  std::swap(subject_, subject);
  return out;
}

Interpreter::Flow Interpreter::exec_loop(const Stmt& stmt) {
  run_loop(stmt, eval(*stmt.exprs[1]), 0);
  return Flow::next;
}

/// Whether `item` passes the filter of a loop, which sees the loop's names.
bool Interpreter::passes(const Expr& target, const Expr& filter, const Value& item) {
  const InnerScope inner(*this);
  assign(target, item);
  return truth(eval(filter));
}

void Interpreter::run_loop(const Stmt& stmt, Value items, int level) {
  const Expr& target = *stmt.exprs[0];
  const int depth = items.depth();
  auto loop = std::make_shared<Loop>(*this, Items(*this, std::move(items)), &target, stmt.exprs[2].get(), level);
  loop->nesting = depth + 1;
  if (stmt.recursive) {
    capture_scope();
    loop->recursive = &stmt;
    loop->outer = scope_;
  }
  bool walked = false;
  {
    InnerScope inner(*this);
    const std::shared_ptr<Scope> around = scope_->parent;
    while (true) {
      const std::shared_ptr<Scope> body = std::exchange(scope_, around);
      const bool more = loop->advance();  // the filter is evaluated outside of the body
      scope_ = body;
      if (!more) break;
      walked = true;
      if (scope_.use_count() > 2 || scope_->captured) {  // someone keeps the names of the last round
        scope_ = std::make_shared<Scope>();
        scope_->parent = around;
      }
      scope_->variables.clear();
      scope_->set(tree_.loop, Value(std::static_pointer_cast<Object>(loop)));
      assign(target, loop->item());
      if (exec(stmt.bodies[0]) == Flow::break_loop) break;
    }
  }
  if (walked || stmt.bodies.size() < 2) return;
  const InnerScope inner(*this);
  exec(stmt.bodies[1]);
}

void Interpreter::exec_call(const Stmt& stmt) {
  const Expr& call_expr = *stmt.exprs[0];
  const Value caller = make_macro(stmt);
  const Value function = eval(*call_expr.kids[0]);
  Arguments arguments = eval_arguments(call_expr.args.get());
  arguments.named.emplace_back("caller", caller);
  line_ = stmt.line;
  write(call(function, std::move(arguments)));
}

}  // namespace plumb
