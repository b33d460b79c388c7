#pragma once
/// What Python's operators do to values, without what needs a running template.

#include <string>
#include <string_view>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Python's name of a value's type: "int", "NoneType".
std::string type_name(const Value& value);
/// bool(value).
bool truth(const Value& value);
/// a == b. `budget` pays for what is compared; null: nobody.
bool equal(const Value& a, const Value& b, Budget* budget = nullptr);
/// -1, 0, 1 of values that have an order; `symbol` is the operator for the message. Throws {type, undefined}.
int compare(const Value& a, const Value& b, std::string_view symbol, Budget* budget = nullptr);
/// Whether a < b; nothing is less than NaN.
bool less(const Value& a, const Value& b, Budget* budget = nullptr);
/// hash(value): equal values have equal ones. Throws {type} for lists and dictionaries.
std::size_t hash_of(const Value& value);

/// Ends the render if the value is undefined, with what it says.
void need_defined(const Value& value);

enum class Arithmetic { add, subtract, multiply, divide, floor_divide, modulo, power };
/// Of two numbers, as Python computes. Throws {type} for anything else, and for a division by zero.
Value arithmetic(Arithmetic operation, const Value& a, const Value& b);
Value negative(const Value& a);
/// A number as a double. Throws {type}.
double real_of(const Value& value);
/// A whole number within 64 bits, for counts and indices; larger ones saturate. Throws {type} unless is_int().
std::int64_t index_of(const Value& value);

/// int(text, base) and float(text); false where Python raises ValueError.
bool parse_integer(std::string_view text, int base, Value& out);
bool parse_real(std::string_view text, double& out);

}  // namespace plumb
