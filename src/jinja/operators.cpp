#include "operators.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "big_integer.hpp"
#include "heap.hpp"
#include "objects.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer:
    case Kind::big_integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return value.text().markup ? "Markup" : "str";
    case Kind::list: return value.is_tuple() ? "tuple" : "list";
    case Kind::dict: return "dict";
    case Kind::object: return std::string(value.object()->type_name());
  }
  return "object";
}

void need_defined(const Value& value) {
  if (!value.is(Kind::undefined)) return;
  stop(value.missing().unsafe ? Fault::security : Fault::undefined, value.missing().message);
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return value.boolean();
    case Kind::integer: return value.integer() != 0;
    case Kind::big_integer: return true;
    case Kind::real: return value.real() != 0;
    case Kind::string: return !value.string().empty();
    case Kind::list: return !value.items().empty();
    case Kind::dict: return !value.dict().empty();
    case Kind::object:
      if (const auto* range = value.as<Range>()) return range->size() != 0;
      if (const auto* view = value.as<DictView>()) return !view->dict().empty();
      return true;
  }
  return true;
}

double real_of(const Value& value) {
  need_defined(value);
  if (value.is(Kind::real)) return value.real();
  if (value.is(Kind::big_integer)) return value.big().real();
  if (!value.is_int()) stop(Fault::type, "TypeError: must be real number, not " + type_name(value));
  return static_cast<double>(value.integer());
}

std::int64_t index_of(const Value& value) {
  need_defined(value);
  if (!value.is_int())
    stop(Fault::type, "TypeError: '" + type_name(value) + "' object cannot be interpreted as an integer");
  if (!value.is(Kind::big_integer)) return value.integer();
  using Bounds = std::numeric_limits<std::int64_t>;
  return value.big().negative() ? Bounds::min() : Bounds::max();
}

namespace {

/// Of two numbers; NaN is not equal to, less than or greater than anything: 2.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is(Kind::real) || b.is(Kind::real)) {
    // A large integer against a double: exact, as in Python.
    const auto exact = [](double real, const Value& whole) {
      if (std::isnan(real)) return 2;
      if (std::isinf(real)) return real < 0 ? -1 : 1;
      const int order = BigInteger::compare(BigInteger::from_real(real), big_of(whole));
      const double fraction = real - std::trunc(real);
      return order != 0 ? order : fraction < 0 ? -1 : fraction > 0 ? 1 : 0;
    };
    if (a.is(Kind::real) && b.is(Kind::real)) {
      const double x = a.real(), y = b.real();
      return std::isnan(x) || std::isnan(y) ? 2 : x < y ? -1 : x > y ? 1 : 0;
    }
    if (a.is(Kind::real)) return exact(a.real(), b);
    const int order = exact(b.real(), a);
    return order == 2 ? 2 : -order;
  }
  if (a.is(Kind::big_integer) || b.is(Kind::big_integer)) return BigInteger::compare(big_of(a), big_of(b));
  return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget* budget) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&](const Dict::Entry& entry) {
    const Value* other = b.find(entry.key);
    return other && equal(entry.value, *other, budget);
  });
}

}  // namespace

bool equal(const Value& a, const Value& b, Budget* budget) {
  if (budget) budget->spend(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none: return true;
    case Kind::string:
      if (budget && a.string().size() == b.string().size()) budget->spend_bytes(a.string().size());
      return a.string() == b.string();
    case Kind::list:
      return a.is_tuple() == b.is_tuple() && a.items().size() == b.items().size() &&
             std::equal(a.items().begin(), a.items().end(), b.items().begin(),
                        [&](const Value& x, const Value& y) { return equal(x, y, budget); });
    case Kind::dict: return equal_dicts(a.dict(), b.dict(), budget);
    case Kind::object: {
      const auto* left = a.as<Range>();
      const auto* right = b.as<Range>();
      if (left && right)
        return left->size() == right->size() &&
               (left->size() == 0 || (left->start == right->start && (left->size() == 1 || left->step == right->step)));
      return a.object() == b.object();
    }
    default: return false;
  }
}

int compare(const Value& a, const Value& b, std::string_view symbol, Budget* budget) {
  if (budget) budget->spend(1);
  need_defined(a);
  need_defined(b);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is(Kind::string) && b.is(Kind::string)) {
    if (budget) budget->spend_bytes(std::min(a.string().size(), b.string().size()));
    const int order = a.string().compare(b.string());  // the order of bytes is that of code points
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  if (a.is(Kind::list) && b.is(Kind::list) && a.is_tuple() == b.is_tuple()) {
    const std::size_t both = std::min(a.items().size(), b.items().size());
    for (std::size_t i = 0; i < both; ++i)
      if (!equal(a.items()[i], b.items()[i], budget)) return compare(a.items()[i], b.items()[i], symbol, budget);
    return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size() ? 1 : 0;
  }
  stop(Fault::type, "TypeError: '" + std::string(symbol) + "' not supported between instances of '" + type_name(a) +
                        "' and '" + type_name(b) + "'");
}

bool less(const Value& a, const Value& b, Budget* budget) { return compare(a, b, "<", budget) == -1; }

std::size_t hash_of(const Value& value) {
  const auto mixed = [](std::uint64_t x) {  // splitmix64: neighbours do not collide by design of a template
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return static_cast<std::size_t>(x ^ (x >> 31));
  };
  switch (value.kind()) {
    case Kind::undefined: return 1;
    case Kind::none: return 2;
    case Kind::boolean:
    case Kind::integer: return mixed(static_cast<std::uint64_t>(value.integer()));
    case Kind::big_integer: return std::hash<std::string>()(value.big().digits());
    case Kind::real: {
      const double real = value.real();
      if (!std::isfinite(real) || real != std::trunc(real)) return std::hash<double>()(real);
      return hash_of(integer_value(BigInteger::from_real(real)));
    }
    case Kind::string: return std::hash<std::string_view>()(value.string());
    case Kind::list:
      if (value.is_tuple()) {
        std::size_t hash = 3;
        for (const Value& item : value.items()) hash = mixed(hash ^ hash_of(item));
        return hash;
      }
      break;
    case Kind::dict: break;
    case Kind::object:
      if (value.as<DictView>()) break;
      return std::hash<const void*>()(value.object().get());
  }
  stop(Fault::type, "TypeError: unhashable type: '" + type_name(value) + "'");
}

namespace {

constexpr const char* kOverflow = "OverflowError: the result is too large for a float";

Value real_arithmetic(Arithmetic operation, double a, double b) {
  switch (operation) {
    case Arithmetic::add: return a + b;
    case Arithmetic::subtract: return a - b;
    case Arithmetic::multiply: return a * b;
    case Arithmetic::divide:
      if (b == 0) stop(Fault::type, "ZeroDivisionError: float division by zero");
      return a / b;
    case Arithmetic::floor_divide:
    case Arithmetic::modulo: {
      if (b == 0)
        stop(Fault::type, operation == Arithmetic::modulo ? "ZeroDivisionError: float modulo"
                                                          : "ZeroDivisionError: float floor division by zero");
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0 && (b < 0) != (rest < 0)) rest += b, quotient -= 1;
      if (rest == 0) rest = std::copysign(0.0, b);
      if (operation == Arithmetic::modulo) return rest;
      const double down = std::floor(quotient);
      return quotient == 0 ? std::copysign(0.0, a / b) : quotient - down > 0.5 ? down + 1 : down;
    }
    case Arithmetic::power: {
      if (a == 0 && b < 0) stop(Fault::type, "ZeroDivisionError: 0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(b) && b != std::trunc(b))
        stop(Fault::type, "TypeError: a negative number to a fractional power is complex");
      const double power = std::pow(a, b);
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) stop(Fault::limit, kOverflow);
      return power;
    }
  }
  return {};
}

BigInteger whole_power(BigInteger base, const Value& exponent) {
  if (base.zero() || (base.limbs() == 1 && std::abs(base.small()) == 1)) {
    const bool odd = big_of(exponent).odd();
    if (big_of(exponent).zero()) return BigInteger(1);
    return base.negative() && !odd ? base.negated() : base;
  }
  BigInteger power(1);
  for (std::int64_t left = index_of(exponent); left > 0; left >>= 1) {  // ends at 4300 digits at the latest
    if (left & 1) power = BigInteger::multiply(power, base);
    if (left > 1) base = BigInteger::multiply(base, base);
  }
  return power;
}

Value whole_arithmetic(Arithmetic operation, const Value& a, const Value& b) {
  if (!a.is(Kind::big_integer) && !b.is(Kind::big_integer)) {
    std::int64_t result = 0;
    const std::int64_t x = a.integer(), y = b.integer();
    if (operation == Arithmetic::add && !__builtin_add_overflow(x, y, &result)) return result;
    if (operation == Arithmetic::subtract && !__builtin_sub_overflow(x, y, &result)) return result;
    if (operation == Arithmetic::multiply && !__builtin_mul_overflow(x, y, &result)) return result;
    if (operation == Arithmetic::floor_divide && y > 0) return x / y - (x % y < 0 ? 1 : 0);
    if (operation == Arithmetic::modulo && y > 0) return x % y + (x % y < 0 ? y : 0);
  }
  BigInteger x = big_of(a), y = big_of(b), quotient, remainder;
  switch (operation) {
    case Arithmetic::add: return integer_value(BigInteger::add(x, y));
    case Arithmetic::subtract: return integer_value(BigInteger::add(x, y.negated()));
    case Arithmetic::multiply: return integer_value(BigInteger::multiply(x, y));
    case Arithmetic::divide:
      if (y.zero()) stop(Fault::type, "ZeroDivisionError: division by zero");
      if (std::isinf(x.real()) || std::isinf(y.real())) stop(Fault::limit, kOverflow);
      return x.real() / y.real();
    case Arithmetic::floor_divide:
    case Arithmetic::modulo:
      if (y.zero())
        stop(Fault::type, operation == Arithmetic::modulo ? "ZeroDivisionError: integer modulo by zero"
                                                          : "ZeroDivisionError: integer division or modulo by zero");
      BigInteger::divide(x, y, quotient, remainder);
      return integer_value(operation == Arithmetic::modulo ? std::move(remainder) : std::move(quotient));
    case Arithmetic::power:
      if (y.negative()) return real_arithmetic(operation, x.real(), y.real());
      return integer_value(whole_power(std::move(x), b));
  }
  return {};
}

}  // namespace

Value arithmetic(Arithmetic operation, const Value& a, const Value& b) {
  need_defined(a);
  need_defined(b);
  if (!a.is_number() || !b.is_number()) {
    constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
    stop(Fault::type, std::string("TypeError: unsupported operand type(s) for ") +
                          kSymbols[static_cast<std::size_t>(operation)] + ": '" + type_name(a) + "' and '" +
                          type_name(b) + "'");
  }
  if (a.is(Kind::real) || b.is(Kind::real)) return real_arithmetic(operation, real_of(a), real_of(b));
  return whole_arithmetic(operation, a, b);
}

Value negative(const Value& a) {
  need_defined(a);
  if (!a.is_number()) stop(Fault::type, "TypeError: bad operand type for unary -: '" + type_name(a) + "'");
  if (a.is(Kind::real)) return -a.real();
  return whole_arithmetic(Arithmetic::subtract, std::int64_t{0}, a);
}

namespace {

/// The text without underscores between digits; false where there are others.
bool without_underscores(std::string_view text, std::string& out) {
  const auto alnum = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    if (i == 0 || i + 1 == text.size() || !alnum(text[i - 1]) || !alnum(text[i + 1])) return false;
  }
  return !out.empty();
}

}  // namespace

bool parse_integer(std::string_view text, int base, Value& out) {
  std::string digits;
  if (!without_underscores(strip(text), digits)) return false;
  const bool minus = digits[0] == '-';
  std::size_t at = minus || digits[0] == '+' ? 1 : 0;
  const int prefix = digits.size() > at + 1 && digits[at] == '0' ? (digits[at + 1] | 0x20) : 0;
  const int announced = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
  if (announced != 0 && (base == 0 || base == announced)) {
    at += 2;
    base = announced;
  }
  if (base == 0) base = 10;
  if (base == 10) {
    BigInteger value;
    if (!BigInteger::parse(std::string_view(digits).substr(at), value)) return false;
    if (digits[at] == '-' || digits[at] == '+') return false;
    out = integer_value(minus ? value.negated() : std::move(value));
    return true;
  }
  if (base < 2 || base > 36 || at == digits.size()) return false;
  BigInteger value;
  for (; at < digits.size(); ++at) {
    const int c = digits[at] | 0x20;
    const int digit = digits[at] >= '0' && digits[at] <= '9' ? digits[at] - '0'
                      : c >= 'a' && c <= 'z'                 ? c - 'a' + 10
                                                             : 99;
    if (digit >= base) return false;
    value = BigInteger::add(BigInteger::multiply(value, BigInteger(base)), BigInteger(digit));
  }
  out = integer_value(minus ? value.negated() : std::move(value));
  return true;
}

bool parse_real(std::string_view text, double& out) {
  std::string digits;
  if (!without_underscores(strip(text), digits)) return false;
  std::string lower = digits;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const std::string_view bare = std::string_view(lower).substr(lower[0] == '-' || lower[0] == '+' ? 1 : 0);
  if (bare == "nan" || bare == "inf" || bare == "infinity") {
    out = bare == "nan" ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    if (lower[0] == '-') out = -out;
    return true;
  }
  if (bare.find_first_not_of("0123456789.e+-") != std::string_view::npos || bare.empty()) return false;
  char* end = nullptr;
  out = std::strtod(digits.c_str(), &end);
  return end == digits.c_str() + digits.size();
}

}  // namespace plumb
