#include <utility>

#include "interpreter.hpp"
#include "operators.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

bool Loop::fetch(Value& out) {
  while (items_.next(out))
    if (!filter_ || in_.passes(*target_, *filter_, out)) return true;
  return false;
}

bool Loop::peek() {
  if (!ahead_.empty()) return true;
  Value item;
  if (!fetch(item)) return false;
  ahead_.push_back(std::move(item));
  return true;
}

std::int64_t Loop::length() {
  for (Value item; fetch(item);) {
    in_.budget.expect(ahead_.size() * sizeof(Value));
    ahead_.push_back(std::move(item));
  }
  return index_ + 1 + static_cast<std::int64_t>(ahead_.size());
}

bool Loop::advance() {
  Value item;
  if (!ahead_.empty()) {
    item = std::move(ahead_.front());
    ahead_.pop_front();
  } else if (!fetch(item)) {
    return false;
  }
  if (index_ >= 0) previous_ = std::move(current_);
  current_ = std::move(item);
  ++index_;
  return true;
}

std::optional<Value> Loop::attribute(std::string_view name) {
  if (name == "index") return Value(index_ + 1);
  if (name == "index0") return Value(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value(length());
  if (name == "revindex") return Value(length() - index_);
  if (name == "revindex0") return Value(length() - index_ - 1);
  if (name == "depth") return Value(level_ + 1);
  if (name == "depth0") return Value(level_);
  if (name == "previtem") return previous_ ? *previous_ : Value::undefined("there is no previous item");
  if (name == "nextitem") return peek() ? ahead_.front() : Value::undefined("there is no next item");
  return std::nullopt;
}

Value Loop::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) stop(Fault::type, "TypeError: no items for cycling given");
  return arguments.positional[static_cast<std::size_t>(index_) % arguments.positional.size()];
}

bool Loop::changed(const Arguments& arguments) {
  Value now = in_.list(arguments.positional, true);
  if (last_changed_ && equal(*last_changed_, now, &in_.budget)) return false;
  last_changed_ = std::move(now);
  return true;
}

}  // namespace plumb
