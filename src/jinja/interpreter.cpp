#include "interpreter.hpp"

#include <algorithm>

#include "operators.hpp"
#include "parser.hpp"
#include "plumb/core/checked.hpp"
#include "print.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// How much there is in the variables, for the limits.
struct Size {
  std::int64_t values = 0;
  std::size_t bytes = 0;

  void add(const Value& value) {
    ++values;
    bytes += sizeof(Value);
    if (value.is(Kind::string)) bytes += value.string().size();
    if (value.is(Kind::list))
      for (const Value& item : value.items()) add(item);
    if (value.is(Kind::dict)) add(value.dict());
  }
  void add(const Dict& dict) {
    bytes += dict.bytes();
    for (const Dict::Entry& entry : dict) {
      add(entry.key);
      add(entry.value);
    }
  }
};

std::int64_t allowed_steps(const Limits& limits, const Size& size) {
  return limits.steps + limits.steps_per_value * size.values +
         limits.steps_per_byte * static_cast<std::int64_t>(size.bytes);
}

}  // namespace

Interpreter::Interpreter(const Template::Tree& tree, const Dict& variables, const RenderOptions& options)
    : budget(
          [&] {
            Size size;
            size.add(variables);
            return allowed_steps(options.limits, size);
          }(),
          [&] {
            Size size;
            size.add(variables);
            return options.limits.bytes + options.limits.bytes_per_byte * size.bytes;
          }()),
      tree_(tree),
      now_(options.now),
      root_(tree.names.size()),
      known_(tree.names.size()),
      builtin_(tree.names.size()),
      max_depth_(options.limits.depth) {
  for (std::size_t i = 0; i < tree.names.size(); ++i) {
    if (const Value* value = variables.get(tree.names[i])) {
      root_[i] = *value;
      known_[i] = true;
    } else if (const Builtin* function = find_function(tree.names[i])) {
      root_[i] = Value(std::make_shared<Function>(*function));
      known_[i] = builtin_[i] = true;
    }
  }
}

/// Namespaces, loops and the scopes of macros may refer to each other in circles.
Interpreter::~Interpreter() {
  for (const auto& loop : loops_) loop->forget();
  for (const auto& names : namespaces_) names->attributes = {};
  for (const auto& scope : captured_) {
    scope->variables.clear();
    scope->parent = nullptr;
  }
}

void Interpreter::keep(std::shared_ptr<Loop> loop) {
  budget.take(sizeof(Loop) + 64);
  loops_.push_back(std::move(loop));
}

Interpreter::Nested::Nested(Interpreter& in) : in_(in) {
  if (++in.depth_ > in.max_depth_) {
    --in.depth_;
    stop(Fault::limit, "maximum recursion depth exceeded");
  }
}

std::string Interpreter::run() {
  std::string out;
  out_ = &out;
  exec(tree_.body);
  return out;
}

Template::Template(std::string_view text, std::string name) {
  auto tree = std::make_shared<Tree>();
  tree->name = std::move(name);
  tree->source = text;
  constexpr std::size_t kMaxTemplate = std::size_t{1} << 20;
  if (text.size() > kMaxTemplate)
    throw TemplateError(Fault::limit, tree->name, 1,
                        std::to_string(text.size()) + " bytes, expected at most " + std::to_string(kMaxTemplate));
  if (!is_utf8(text)) throw TemplateError(Fault::syntax, tree->name, 1, "not valid UTF-8");
  int line = 1;
  try {
    Parser parser(text, *tree);
    try {
      parser.parse();
    } catch (const TemplateError&) {
      line = std::max(parser.line(), 1);
      throw;
    }
  } catch (const TemplateError& error) {
    throw TemplateError(error.fault(), tree->name, line, error.detail());
  }
  tree_ = std::move(tree);
}

std::string Template::render(const Dict& variables, const RenderOptions& options) const {
  Interpreter in(*tree_, variables, options);
  try {
    return in.run();
  } catch (const TemplateError& error) {
    throw TemplateError(error.fault(), tree_->name, in.line(), error.detail());
  } catch (const std::bad_alloc&) {
    throw TemplateError(Fault::limit, tree_->name, in.line(), "out of memory");
  }
}

const std::string& Template::name() const { return tree_->name; }
const std::string& Template::text() const { return tree_->source; }

}  // namespace plumb
