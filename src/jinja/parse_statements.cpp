#include <algorithm>

#include "heap.hpp"
#include "parser.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Text, {{ }} and statements up to one of the tags in `ends`, whose name is then the current token; without any, up to
/// the end of the template.
Body Parser::statements(const Words& ends) {
  const Nested nested(*this);
  ends_.push_back(ends);
  Body body;
  for (;;) {
    if (token_.is(TokenKind::end)) {
      if (!ends.empty()) unknown_tag(nullptr);
      break;
    }
    if (token_.is(TokenKind::data)) {
      body.push_back(make(StmtKind::data));
      body.back()->text = next().text;
    } else if (token_.is(TokenKind::print_begin)) {
      next();
      auto print = make(StmtKind::print);
      print->exprs.push_back(tuple(Tuple::any));
      body.push_back(std::move(print));
      expect(TokenKind::print_end);
    } else {
      expect(TokenKind::block_begin);
      if (token_.is(TokenKind::name) && std::find(ends.begin(), ends.end(), token_.text) != ends.end()) break;
      body.push_back(statement());
      expect(TokenKind::block_end);
    }
  }
  ends_.pop_back();
  return body;
}

/// Behind a statement's head: its body, up to one of `ends`.
Body Parser::body_until(const Words& ends, bool drop_end) {
  if (token_.symbol(":")) next();
  expect(TokenKind::block_end);
  Body body = statements(ends);
  if (drop_end) next();
  return body;
}

/// The same with names of its own, where a filter that does not exist is a mistake even inside of an `if`.
Body Parser::scope_until(const Words& ends, bool drop_end) {
  const std::size_t from = unknown_.size();
  Body body = body_until(ends, drop_end);
  settle(from, Unknown::State::mistake);
  return body;
}

void Parser::unknown_tag(const std::string* name) const {
  std::string message =
      name ? "Encountered unknown tag " + repr(Value(*name)) + "." : std::string("Unexpected end of template.");
  const Words looking = ends_.empty() ? Words{} : ends_.back();
  if (!looking.empty()) {
    std::string list;
    for (const std::string_view word : looking) list += (list.empty() ? "'" : " or '") + std::string(word) + "'";
    const bool known = name && std::any_of(ends_.begin(), ends_.end(), [&](const Words& words) {
                         return std::find(words.begin(), words.end(), *name) != words.end();
                       });
    message += known ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for " +
                           list + "."
                     : " Jinja was looking for the following tags: " + list + ".";
  }
  if (!tags_.empty()) message += " The innermost block that needs to be closed is " + repr(Value(tags_.back())) + ".";
  stop(Fault::syntax, message);
}

std::unique_ptr<Stmt> Parser::statement() {
  if (!token_.is(TokenKind::name)) stop(Fault::syntax, "tag name expected");
  struct Tag {
    std::string_view name;
    std::unique_ptr<Stmt> (Parser::*parse)();
  };
  static constexpr Tag kTags[] = {
      {"if", &Parser::if_statement},          {"for", &Parser::for_statement},
      {"set", &Parser::set_statement},        {"macro", &Parser::macro_statement},
      {"call", &Parser::call_statement},      {"filter", &Parser::filter_statement},
      {"with", &Parser::with_statement},      {"block", &Parser::block_statement},
      {"include", &Parser::loader_statement}, {"import", &Parser::loader_statement},
      {"from", &Parser::loader_statement},    {"extends", &Parser::loader_statement},
  };
  tags_.push_back(token_.text);
  const std::string name = token_.text;
  std::unique_ptr<Stmt> out;
  if (const auto* tag = std::find_if(std::begin(kTags), std::end(kTags), [&](const Tag& t) { return t.name == name; });
      tag != std::end(kTags)) {
    const int line = token_.line;
    next();
    out = (this->*tag->parse)();
    out->line = line;
  } else if (name == "generation") {
    out = make(StmtKind::scope);
    next();
    out->bodies.push_back(scope_until({"endgeneration"}, true));
  } else if (name == "autoescape") {
    out = make(StmtKind::escape);
    next();
    out->exprs.push_back(expression());
    out->bodies.push_back(scope_until({"endautoescape"}, true));
  } else if (name == "print") {
    out = make(StmtKind::print);
    next();
    while (!token_.is(TokenKind::block_end)) {
      if (!out->exprs.empty()) expect_symbol(",");
      out->exprs.push_back(expression());
    }
  } else if (name == "break" || name == "continue") {
    if (loops_ == 0) stop(Fault::syntax, "'" + name + "' outside loop");
    out = make(name == "break" ? StmtKind::break_loop : StmtKind::continue_loop);
    next();
  } else {
    tags_.pop_back();
    unknown_tag(&name);
  }
  tags_.pop_back();
  return out;
}

std::unique_ptr<Stmt> Parser::if_statement() {
  auto out = make(StmtKind::branch);
  const std::size_t from = unknown_.size();
  for (;;) {
    out->exprs.push_back(tuple(Tuple::no_condition));
    out->bodies.push_back(body_until({"elif", "else", "endif"}, false));
    const std::string end = next().text;
    if (end == "elif") continue;
    if (end == "else") out->bodies.push_back(body_until({"endif"}, true));
    break;
  }
  settle(from, Unknown::State::excused);
  return out;
}

std::unique_ptr<Stmt> Parser::for_statement() {
  auto out = make(StmtKind::loop);
  out->exprs.push_back(target("in"));
  expect_name("in");
  out->exprs.push_back(tuple(Tuple::no_condition, "recursive"));
  out->exprs.push_back(skip_name("if") ? expression() : nullptr);
  out->recursive = skip_name("recursive");
  ++loops_;
  out->bodies.push_back(scope_until({"endfor", "else"}, false));
  --loops_;
  if (next().text == "else") out->bodies.push_back(scope_until({"endfor"}, true));
  return out;
}

std::unique_ptr<Stmt> Parser::set_statement() {
  auto out = make(StmtKind::assign);
  out->exprs.push_back(target({}, true));
  if (skip("=")) {
    out->exprs.push_back(tuple(Tuple::any));
    return out;
  }
  out->kind = StmtKind::capture;
  out->exprs.push_back(token_.symbol("|") ? filters(nullptr, false) : nullptr);
  out->bodies.push_back(scope_until({"endset"}, true));
  return out;
}

void Parser::signature(Signature& out) {
  expect_symbol("(");
  while (!token_.symbol(")")) {
    if (!out.names.empty()) expect_symbol(",");
    const std::string spelled = token_.text;
    out.names.push_back(target_name());
    out.spelled.push_back(spelled);
    if (skip("="))
      out.defaults.push_back(expression());
    else if (!out.defaults.empty())
      stop(Fault::syntax, "non-default argument follows default argument");
  }
  expect_symbol(")");
}

/// The body of a macro or caller, and what it uses without having declared it.
void Parser::callable_body(Stmt& out, std::string_view end) {
  const Uses outer = uses_;
  const int loops = loops_;
  uses_ = {};
  loops_ = 0;
  out.bodies.push_back(scope_until({end}, true));
  loops_ = loops;
  const auto declared = [&](int name) {
    const auto& names = out.signature->names;
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  out.signature->uses_caller = uses_.caller && !declared(tree_.caller);
  out.signature->uses_varargs = uses_.varargs && !declared(tree_.varargs);
  out.signature->uses_kwargs = uses_.kwargs && !declared(tree_.kwargs);
  uses_ = {uses_.caller || outer.caller, uses_.varargs || outer.varargs, uses_.kwargs || outer.kwargs};
}

std::unique_ptr<Stmt> Parser::macro_statement() {
  auto out = make(StmtKind::macro);
  out->signature = std::make_unique<Signature>();
  out->signature->title = token_.text;
  out->name = target_name();
  signature(*out->signature);
  callable_body(*out, "endmacro");
  return out;
}

std::unique_ptr<Stmt> Parser::call_statement() {
  auto out = make(StmtKind::call);
  out->signature = std::make_unique<Signature>();
  out->signature->title = "caller";
  if (token_.symbol("(")) signature(*out->signature);
  out->exprs.push_back(expression());
  if (out->exprs[0]->kind != ExprKind::call) stop(Fault::syntax, "expected call");
  callable_body(*out, "endcall");
  return out;
}

std::unique_ptr<Stmt> Parser::filter_statement() {
  auto out = make(StmtKind::filter);
  out->exprs.push_back(filters(nullptr, true));
  out->bodies.push_back(scope_until({"endfilter"}, true));
  return out;
}

std::unique_ptr<Stmt> Parser::with_statement() {
  auto out = make(StmtKind::with);
  while (!token_.is(TokenKind::block_end)) {
    if (!out->exprs.empty()) expect_symbol(",");
    out->exprs.push_back(target());
    expect_symbol("=");
    out->exprs.push_back(expression());
  }
  out->bodies.push_back(scope_until({"endwith"}, true));
  return out;
}

/// A block of a template that nobody extends is where it stands.
std::unique_ptr<Stmt> Parser::block_statement() {
  auto out = make(StmtKind::block);
  const std::string name = expect(TokenKind::name).text;
  if (std::find(blocks_.begin(), blocks_.end(), name) != blocks_.end())
    stop(Fault::syntax, "block " + repr(Value(name)) + " defined twice");
  blocks_.push_back(name);
  if (skip_name("scoped")) out->kind = StmtKind::scope;
  if (skip_name("required")) stop(Fault::syntax, "a required block needs a template that extends this one");
  const int loops = loops_;
  loops_ = 0;
  out->bodies.push_back(scope_until({"endblock"}, true));
  loops_ = loops;
  skip_name(name);
  return out;
}

/// Other templates cannot be loaded: an error, but only for a template that gets there.
std::unique_ptr<Stmt> Parser::loader_statement() {
  auto out = make(StmtKind::no_loader);
  expression();
  while (!token_.is(TokenKind::block_end) && !token_.is(TokenKind::end)) next();
  return out;
}

}  // namespace plumb
