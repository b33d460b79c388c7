#include "parser.hpp"

#include <algorithm>

#include "heap.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

constexpr int kMaxNesting = 120;    // of brackets, operators without end and statements
constexpr int kMaxTreeDepth = 300;  // of an expression: a + b + c + ... is one level each
constexpr int kMaxNodes = 60'000;

}  // namespace

Parser::Parser(std::string_view source, Template::Tree& tree) : lexer_(source), tree_(tree) {
  tree_.loop = number("loop");
  tree_.caller = number("caller");
  tree_.varargs = number("varargs");
  tree_.kwargs = number("kwargs");
}

void Parser::parse() {
  token_ = lexer_.next();
  tree_.body = statements({});
  settle(0, Unknown::State::mistake);
  for (const Unknown& unknown : unknown_) {
    if (unknown.state != Unknown::State::mistake) continue;
    token_.line = unknown.line;
    stop(Fault::syntax, unknown.message);
  }
}

Parser::Nested::Nested(Parser& parser) : parser_(parser) {
  if (++parser.depth_ > kMaxNesting) {
    --parser.depth_;
    stop(Fault::limit, "the template is nested too deeply");
  }
}

void Parser::settle(std::size_t from, Unknown::State state) {
  for (std::size_t i = from; i < unknown_.size(); ++i)
    if (unknown_[i].state == Unknown::State::open) unknown_[i].state = state;
}

void Parser::count() {
  if (++nodes_ > kMaxNodes) stop(Fault::limit, "the template is too long");
}

ExprPtr Parser::make(ExprKind kind, std::vector<ExprPtr> kids) {
  count();
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = token_.line;
  for (const ExprPtr& kid : kids)
    if (kid) node->depth = std::max(node->depth, kid->depth + 1);
  if (node->depth > kMaxTreeDepth) stop(Fault::limit, "an expression is nested too deeply");
  node->kids = std::move(kids);
  return node;
}

ExprPtr Parser::join(ExprKind kind, std::uint8_t op, ExprPtr left, ExprPtr right) {
  std::vector<ExprPtr> kids;
  kids.push_back(std::move(left));
  kids.push_back(std::move(right));
  ExprPtr node = make(kind, std::move(kids));
  node->op = op;
  return node;
}

std::unique_ptr<Stmt> Parser::make(StmtKind kind) {
  count();
  auto node = std::make_unique<Stmt>();
  node->kind = kind;
  node->line = token_.line;
  return node;
}

int Parser::number(const std::string& name) {
  const auto [at, added] = numbers_.emplace(name, static_cast<int>(tree_.names.size()));
  if (added) tree_.names.push_back(name);
  return at->second;
}

const LexerToken& Parser::look() {
  if (!has_ahead_) ahead_ = lexer_.next();
  has_ahead_ = true;
  return ahead_;
}

/// The current token; the one behind it becomes current.
LexerToken Parser::next() {
  LexerToken now = std::move(token_);
  token_ = has_ahead_ ? std::move(ahead_) : lexer_.next();
  has_ahead_ = false;
  return now;
}

bool Parser::skip(std::string_view symbol) {
  if (!token_.symbol(symbol)) return false;
  next();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!token_.name(name)) return false;
  next();
  return true;
}

void Parser::unexpected(const std::string& wanted) const {
  if (token_.is(TokenKind::end))
    stop(Fault::syntax, "unexpected end of template, expected " + repr(Value(wanted)) + ".");
  stop(Fault::syntax, "expected token " + repr(Value(wanted)) + ", got " + repr(Value(describe(token_))));
}

LexerToken Parser::expect(TokenKind kind) {
  if (!token_.is(kind)) unexpected(describe(kind));
  return next();
}

void Parser::expect_symbol(std::string_view symbol) {
  if (!skip(symbol)) unexpected(std::string(symbol));
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) unexpected(std::string(name));
}

}  // namespace plumb
