#pragma once
/// Tokens to tree, by recursive descent; the grammar is Jinja's, and so are its messages.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ast.hpp"
#include "lexer.hpp"
#include "operators.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

class Parser {
 public:
  Parser(std::string_view source, Template::Tree& tree);
  /// Fills the tree. Throws {syntax, limit}; line() says where.
  void parse();
  int line() const { return token_.line; }
  int lexer_line() const { return lexer_.line(); }

 private:
  using Words = std::vector<std::string_view>;

  // parse_statements.cpp
  Body statements(const Words& ends);
  Body body_until(const Words& ends, bool drop_end);
  Body scope_until(const Words& ends, bool drop_end);
  std::unique_ptr<Stmt> statement();
  std::unique_ptr<Stmt> if_statement();
  std::unique_ptr<Stmt> for_statement();
  std::unique_ptr<Stmt> set_statement();
  std::unique_ptr<Stmt> macro_statement();
  std::unique_ptr<Stmt> call_statement();
  std::unique_ptr<Stmt> filter_statement();
  std::unique_ptr<Stmt> with_statement();
  std::unique_ptr<Stmt> block_statement();
  std::unique_ptr<Stmt> loader_statement();
  void signature(Signature& out);
  void callable_body(Stmt& out, std::string_view end);
  [[noreturn]] void unknown_tag(const std::string* name) const;

  // parse_expressions.cpp
  ExprPtr expression();
  ExprPtr logical_or();
  ExprPtr logical_and();
  ExprPtr logical_not();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concat();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filter);
  ExprPtr primary();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr filters(ExprPtr node, bool inline_start);
  ExprPtr test(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr call(ExprPtr node);
  std::unique_ptr<CallArguments> call_arguments();
  enum class Tuple { any, no_condition, simple };
  ExprPtr tuple(Tuple kind, std::string_view extra_end = {}, bool parenthesised = false);
  ExprPtr target(std::string_view extra_end = {}, bool with_namespace = false);
  int target_name();
  ExprPtr list_display();
  ExprPtr dict_display();

  // parser.cpp
  ExprPtr make(ExprKind kind, std::vector<ExprPtr> kids = {});
  ExprPtr join(ExprKind kind, std::uint8_t op, ExprPtr left, ExprPtr right);
  std::unique_ptr<Stmt> make(StmtKind kind);
  void count();
  int number(const std::string& name);
  const LexerToken& look();
  LexerToken next();
  bool skip(std::string_view symbol);
  bool skip_name(std::string_view name);
  LexerToken expect(TokenKind kind);
  void expect_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  [[noreturn]] void unexpected(const std::string& wanted) const;

  /// A filter or test that does not exist is a mistake of the template, but inside of an `if` that may ask for it.
  struct Unknown {
    enum class State { open, excused, mistake } state;
    std::string message;
    int line;
  };
  void settle(std::size_t from, Unknown::State state);
  /// Names that were read in the body that is being parsed, for what macros use without declaring it.
  struct Uses {
    bool caller = false, varargs = false, kwargs = false;
  };

  /// Counts nesting while it lives.
  struct Nested {
    explicit Nested(Parser& parser);
    ~Nested() { --parser_.depth_; }
    Parser& parser_;
  };

  Lexer lexer_;
  Template::Tree& tree_;
  LexerToken token_, ahead_;
  bool has_ahead_ = false;
  int depth_ = 0, nodes_ = 0, loops_ = 0;
  std::unordered_map<std::string, int> numbers_;
  std::vector<std::string> blocks_;  // names of {% block %}
  std::vector<std::string> tags_;    // open ones
  std::vector<Words> ends_;          // what they wait for
  std::vector<Unknown> unknown_;
  Uses uses_;
};

}  // namespace plumb
