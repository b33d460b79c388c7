#pragma once
/// Walking over a value, as Python's iter() does.

#include <optional>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

class Interpreter;

/// A walk. Throws {type} for values that cannot be walked.
class Items {
 public:
  Items(Interpreter& in, Value source);
  /// The next item; false at the end.
  bool next(Value& out);

 private:
  Interpreter* in_;
  Value source_;
  std::size_t at_ = 0;
};

/// Whether Items takes it.
bool is_iterable(const Value& value);
/// len(value), or nothing for what has none.
std::optional<std::int64_t> length_of(const Value& value);

}  // namespace plumb
