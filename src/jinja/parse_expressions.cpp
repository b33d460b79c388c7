#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "builtins.hpp"
#include "heap.hpp"
#include "parser.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

ExprPtr Parser::expression() {
  const Nested nested(*this);
  const std::size_t from = unknown_.size();
  ExprPtr node = logical_or();
  while (skip_name("if")) {
    std::vector<ExprPtr> kids;
    kids.push_back(std::move(node));
    kids.push_back(logical_or());
    kids.push_back(skip_name("else") ? expression() : nullptr);
    node = make(ExprKind::condition, std::move(kids));
    settle(from, Unknown::State::excused);
  }
  return node;
}

ExprPtr Parser::logical_or() {
  ExprPtr left = logical_and();
  while (skip_name("or")) left = join(ExprKind::logical_or, 0, std::move(left), logical_and());
  return left;
}

ExprPtr Parser::logical_and() {
  ExprPtr left = logical_not();
  while (skip_name("and")) left = join(ExprKind::logical_and, 0, std::move(left), logical_not());
  return left;
}

ExprPtr Parser::logical_not() {
  if (!skip_name("not")) return comparison();
  const Nested nested(*this);
  std::vector<ExprPtr> kids;
  kids.push_back(logical_not());
  return make(ExprKind::logical_not, std::move(kids));
}

ExprPtr Parser::comparison() {
  ExprPtr first = sum();
  std::vector<ExprPtr> kids;
  std::vector<Comparison> ops;
  for (;;) {
    if (token_.is(TokenKind::symbol)) {
      constexpr std::string_view kSymbols[] = {"==", "!=", "<", "<=", ">", ">="};
      const auto* found = std::find(std::begin(kSymbols), std::end(kSymbols), token_.text);
      if (found == std::end(kSymbols)) break;
      ops.push_back(static_cast<Comparison>(found - std::begin(kSymbols)));
      next();
    } else if (skip_name("in")) {
      ops.push_back(Comparison::in);
    } else if (token_.name("not") && look().name("in")) {
      next();
      next();
      ops.push_back(Comparison::not_in);
    } else {
      break;
    }
    if (kids.empty()) kids.push_back(std::move(first));
    kids.push_back(sum());
  }
  if (ops.empty()) return first;
  ExprPtr node = make(ExprKind::compare, std::move(kids));
  node->ops = std::move(ops);
  return node;
}

ExprPtr Parser::sum() {
  ExprPtr left = concat();
  while (token_.symbol("+") || token_.symbol("-")) {
    const auto op = token_.text == "+" ? Arithmetic::add : Arithmetic::subtract;
    next();
    left = join(ExprKind::arithmetic, static_cast<std::uint8_t>(op), std::move(left), concat());
  }
  return left;
}

ExprPtr Parser::concat() {
  std::vector<ExprPtr> kids;
  kids.push_back(product());
  while (skip("~")) kids.push_back(product());
  return kids.size() == 1 ? std::move(kids[0]) : make(ExprKind::concat, std::move(kids));
}

ExprPtr Parser::product() {
  ExprPtr left = power();
  for (;;) {
    const auto op = token_.symbol("*")    ? Arithmetic::multiply
                    : token_.symbol("/")  ? Arithmetic::divide
                    : token_.symbol("//") ? Arithmetic::floor_divide
                    : token_.symbol("%")  ? Arithmetic::modulo
                                          : Arithmetic::add;
    if (op == Arithmetic::add) return left;
    next();
    left = join(ExprKind::arithmetic, static_cast<std::uint8_t>(op), std::move(left), power());
  }
}

ExprPtr Parser::power() {
  ExprPtr left = unary(true);
  while (skip("**"))
    left = join(ExprKind::arithmetic, static_cast<std::uint8_t>(Arithmetic::power), std::move(left), unary(true));
  return left;
}

ExprPtr Parser::unary(bool with_filter) {
  ExprPtr node;
  if (token_.symbol("-") || token_.symbol("+")) {
    const Nested nested(*this);
    const ExprKind kind = next().text == "-" ? ExprKind::negative : ExprKind::positive;
    std::vector<ExprPtr> kids;
    kids.push_back(unary(false));
    node = make(kind, std::move(kids));
  } else {
    node = postfix(primary());
  }
  return with_filter ? filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::primary() {
  ExprPtr node;
  const LexerToken& token = token_;
  if (token.is(TokenKind::name)) {
    const std::string& name = token.text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
      node = make(ExprKind::constant);
      node->value = name[0] == 't' || name[0] == 'T';
    } else if (name == "none" || name == "None") {
      node = make(ExprKind::constant);
    } else {
      node = make(ExprKind::name);
      node->name = number(name);
      uses_.caller |= name == "caller";
      uses_.varargs |= name == "varargs";
      uses_.kwargs |= name == "kwargs";
    }
    next();
  } else if (token.is(TokenKind::string)) {
    node = make(ExprKind::constant);
    std::string text = next().text;
    while (token_.is(TokenKind::string)) text += next().text;
    node->value = Value(text);
  } else if (token.is(TokenKind::integer)) {
    node = make(ExprKind::constant);
    if (!parse_integer(token.text, 0, node->value)) parse_integer(token.text, 10, node->value);
    next();
  } else if (token.is(TokenKind::real)) {
    node = make(ExprKind::constant);
    node->value = std::strtod(next().text.c_str(), nullptr);
  } else if (skip("(")) {
    node = tuple(Tuple::any, {}, true);
    expect_symbol(")");
  } else if (token.symbol("[")) {
    node = list_display();
  } else if (token.symbol("{")) {
    node = dict_display();
  } else {
    stop(Fault::syntax, "unexpected " + repr(Value(describe(token))));
  }
  return node;
}

/// One expression, or several with commas.
ExprPtr Parser::tuple(Tuple kind, std::string_view extra_end, bool parenthesised) {
  std::vector<ExprPtr> items;
  bool several = false;
  for (;;) {
    if (!items.empty()) expect_symbol(",");
    if (token_.is(TokenKind::print_end) || token_.is(TokenKind::block_end) || token_.symbol(")") ||
        (!extra_end.empty() && token_.name(extra_end)))
      break;
    items.push_back(kind == Tuple::simple ? primary() : kind == Tuple::any ? expression() : logical_or());
    if (!token_.symbol(",")) break;
    several = true;
  }
  if (!several) {
    if (!items.empty()) return std::move(items[0]);
    if (!parenthesised) stop(Fault::syntax, "Expected an expression, got " + repr(Value(describe(token_))));
  }
  return make(ExprKind::tuple, std::move(items));
}

namespace {

/// What a target that cannot be assigned to is called, or nothing.
std::string not_assignable(const Expr& target) {
  if (target.kind == ExprKind::name || target.kind == ExprKind::namespace_attribute) return {};
  if (target.kind == ExprKind::tuple) {
    for (const ExprPtr& kid : target.kids)
      if (!not_assignable(*kid).empty()) return "tuple";
    return {};
  }
  return target.kind == ExprKind::constant ? "const"
         : target.kind == ExprKind::list   ? "list"
         : target.kind == ExprKind::dict   ? "dict"
                                           : "expression";
}

}  // namespace

ExprPtr Parser::target(std::string_view extra_end, bool with_namespace) {
  if (with_namespace && token_.is(TokenKind::name) && look().symbol(".")) {
    ExprPtr node = make(ExprKind::namespace_attribute);
    node->name = number(next().text);
    next();
    node->text = expect(TokenKind::name).text;
    return node;
  }
  const Uses before = uses_;  // a target is no use of a name
  ExprPtr node = tuple(Tuple::simple, extra_end);
  uses_ = before;
  const std::string problem = not_assignable(*node);
  if (!problem.empty()) stop(Fault::syntax, "can't assign to '" + problem + "'");
  return node;
}

int Parser::target_name() {
  const LexerToken name = expect(TokenKind::name);
  for (const char* reserved : {"true", "false", "none", "True", "False", "None"})
    if (name.text == reserved) stop(Fault::syntax, "can't assign to 'name'");
  return number(name.text);
}

ExprPtr Parser::list_display() {
  expect_symbol("[");
  std::vector<ExprPtr> items;
  while (!token_.symbol("]")) {
    if (!items.empty()) expect_symbol(",");
    if (token_.symbol("]")) break;
    items.push_back(expression());
  }
  expect_symbol("]");
  return make(ExprKind::list, std::move(items));
}

ExprPtr Parser::dict_display() {
  expect_symbol("{");
  std::vector<ExprPtr> items;
  while (!token_.symbol("}")) {
    if (!items.empty()) expect_symbol(",");
    if (token_.symbol("}")) break;
    items.push_back(expression());
    expect_symbol(":");
    items.push_back(expression());
  }
  expect_symbol("}");
  return make(ExprKind::dict, std::move(items));
}

ExprPtr Parser::postfix(ExprPtr node) {
  for (;;) {
    if (token_.symbol(".") || token_.symbol("["))
      node = subscript(std::move(node));
    else if (token_.symbol("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::filters_and_tests(ExprPtr node) {
  for (;;) {
    if (token_.symbol("|"))
      node = filters(std::move(node), false);
    else if (token_.name("is"))
      node = test(std::move(node));
    else if (token_.symbol("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::subscript(ExprPtr node) {
  std::vector<ExprPtr> kids;
  kids.push_back(std::move(node));
  if (skip(".")) {
    if (token_.is(TokenKind::name)) {
      ExprPtr out = make(ExprKind::attribute, std::move(kids));
      out->text = next().text;
      out->value = Value(out->text);
      return out;
    }
    if (!token_.is(TokenKind::integer)) stop(Fault::syntax, "expected name or number");
    kids.push_back(primary());
    return make(ExprKind::item, std::move(kids));
  }
  expect_symbol("[");
  std::vector<ExprPtr> indices;
  bool slice = false, several = false;
  while (!token_.symbol("]")) {
    if (!indices.empty() || several) {
      expect_symbol(",");
      several = true;
    }
    // [index] or [start:stop:step], of which each part may be missing
    ExprPtr start = token_.symbol(":") ? nullptr : expression();
    if (!token_.symbol(":")) {
      indices.push_back(std::move(start));
      continue;
    }
    slice = true;
    indices.push_back(std::move(start));
    for (int part = 0; part < 2; ++part) {
      const bool there = skip(":") && !token_.symbol(":") && !token_.symbol("]") && !token_.symbol(",");
      indices.push_back(there ? expression() : nullptr);
    }
  }
  expect_symbol("]");
  if (slice && (several || indices.size() != 3)) stop(Fault::syntax, "slices of several dimensions do not exist");
  if (slice) {
    for (ExprPtr& index : indices) kids.push_back(std::move(index));
    return make(ExprKind::slice, std::move(kids));
  }
  kids.push_back(indices.size() == 1 ? std::move(indices[0]) : make(ExprKind::tuple, std::move(indices)));
  return make(ExprKind::item, std::move(kids));
}

ExprPtr Parser::call(ExprPtr node) {
  std::vector<ExprPtr> kids;
  kids.push_back(std::move(node));
  auto arguments = call_arguments();
  ExprPtr out = make(ExprKind::call, std::move(kids));
  out->args = std::move(arguments);
  return out;
}

std::unique_ptr<CallArguments> Parser::call_arguments() {
  auto out = std::make_unique<CallArguments>();
  expect_symbol("(");
  for (bool first = true; !token_.symbol(")"); first = false) {
    if (!first) {
      expect_symbol(",");
      if (token_.symbol(")")) break;
    }
    const auto ensure = [](bool fine) {
      if (!fine) stop(Fault::syntax, "invalid syntax for function call expression");
    };
    if (skip("*")) {
      ensure(!out->spread && !out->spread_named);
      out->spread = expression();
    } else if (skip("**")) {
      ensure(!out->spread_named);
      out->spread_named = expression();
    } else if (token_.is(TokenKind::name) && look().symbol("=")) {
      ensure(!out->spread_named);
      std::string name = next().text;
      next();
      for (const auto& [other, value] : out->named)
        if (other == name) stop(Fault::syntax, "keyword argument repeated: " + name);
      out->named.emplace_back(std::move(name), expression());
    } else {
      ensure(!out->spread && !out->spread_named && out->named.empty());
      out->positional.push_back(expression());
    }
  }
  expect_symbol(")");
  return out;
}

/// |name(...)|name...; a block's filters begin without the bar and may have a null subject.
ExprPtr Parser::filters(ExprPtr node, bool inline_start) {
  while (inline_start || token_.symbol("|")) {
    if (!inline_start) next();
    inline_start = false;
    const int line = token_.line;
    std::string name = expect(TokenKind::name).text;
    while (skip(".")) name += "." + expect(TokenKind::name).text;
    auto arguments = token_.symbol("(") ? call_arguments() : nullptr;
    std::vector<ExprPtr> kids;
    kids.push_back(std::move(node));
    node = make(ExprKind::filter, std::move(kids));
    node->line = line;
    node->builtin = find_filter(name);
    if (!node->builtin) unknown_.push_back({Unknown::State::open, "No filter named " + repr(Value(name)) + ".", line});
    node->text = std::move(name);
    node->args = std::move(arguments);
  }
  return node;
}

ExprPtr Parser::test(ExprPtr node) {
  next();
  const bool negated = skip_name("not");
  const int line = token_.line;
  std::string name = expect(TokenKind::name).text;
  while (skip(".")) name += "." + expect(TokenKind::name).text;
  std::unique_ptr<CallArguments> arguments;
  if (token_.symbol("(")) {
    arguments = call_arguments();
  } else if ((token_.is(TokenKind::name) && !token_.name("else") && !token_.name("or") && !token_.name("and")) ||
             token_.is(TokenKind::string) || token_.is(TokenKind::integer) || token_.is(TokenKind::real) ||
             token_.symbol("[") || token_.symbol("{")) {
    if (token_.name("is")) stop(Fault::syntax, "You cannot chain multiple tests with is");
    arguments = std::make_unique<CallArguments>();
    arguments->positional.push_back(postfix(primary()));
  }
  std::vector<ExprPtr> kids;
  kids.push_back(std::move(node));
  ExprPtr out = make(ExprKind::test, std::move(kids));
  out->line = line;
  out->negated = negated;
  out->builtin = find_test(name);
  if (!out->builtin) unknown_.push_back({Unknown::State::open, "No test named " + repr(Value(name)) + ".", line});
  out->text = std::move(name);
  out->args = std::move(arguments);
  return out;
}

}  // namespace plumb
