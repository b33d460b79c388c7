/// Filters for numbers and for what is missing, and the lookup of all filters.

#include <algorithm>
#include <cmath>

#include "big_integer.hpp"
#include "filters.hpp"
#include "format.hpp"
#include "interpreter.hpp"
#include "operators.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

Value filter_abs(Call& c) {
  need_defined(c.self);
  if (!c.self.is_number()) stop(Fault::type, "TypeError: bad operand type for abs(): '" + type_name(c.self) + "'");
  if (c.self.is(Kind::real)) return std::abs(c.self.real());
  return compare(c.self, 0, "<") < 0 ? negative(c.self) : integer_value(big_of(c.self));
}

Value filter_int(Call& c) {
  need_defined(c.self);
  const Value otherwise = c.value(0, 0);
  if (c.self.is(Kind::string)) {
    Value whole;
    double real = 0;
    c.in.budget.spend_bytes(c.self.string().size() * 64);
    if (parse_integer(c.self.string(), static_cast<int>(std::clamp<std::int64_t>(c.integer(1, 10), 0, 99)), whole))
      return whole;
    if (!parse_real(c.self.string(), real) || !std::isfinite(real)) return otherwise;
    return integer_value(BigInteger::from_real(real));
  }
  if (c.self.is_int()) return integer_value(big_of(c.self));
  if (!c.self.is(Kind::real)) return otherwise;
  if (std::isinf(c.self.real())) stop(Fault::limit, "OverflowError: cannot convert float infinity to integer");
  return std::isnan(c.self.real()) ? otherwise : integer_value(BigInteger::from_real(c.self.real()));
}

Value filter_float(Call& c) {
  need_defined(c.self);
  if (c.self.is_number()) return real_of(c.self);
  double real = 0;
  if (c.self.is(Kind::string) && parse_real(c.self.string(), real)) return real;
  return c.value(0, 0.0);
}

Value filter_round(Call& c) {
  need_defined(c.self);
  const std::string method = c.has(1) ? c.text(1) : "common";
  const std::int64_t precision = std::clamp<std::int64_t>(c.integer(0, 0), -400, 400);
  if (method != "common" && method != "ceil" && method != "floor")
    stop(Fault::type, "method must be common, ceil or floor");
  if (!c.self.is_number())
    stop(Fault::type, "TypeError: type " + type_name(c.self) + " doesn't define __round__ method");
  if (method != "common") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = real_of(c.self) * scale;
    return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
  }
  if (c.self.is_int()) {
    if (precision >= 0) return integer_value(big_of(c.self));
    // To a multiple of a power of ten, halves to the even one.
    const Value unit = arithmetic(Arithmetic::power, 10, -precision);
    const Value twice = arithmetic(Arithmetic::multiply, arithmetic(Arithmetic::modulo, c.self, unit), 2);
    Value down = arithmetic(Arithmetic::floor_divide, c.self, unit);
    const int order = compare(twice, unit, "<");
    if (order > 0 || (order == 0 && truth(arithmetic(Arithmetic::modulo, down, 2))))
      down = arithmetic(Arithmetic::add, down, 1);
    return arithmetic(Arithmetic::multiply, down, unit);
  }
  const double value = c.self.real();
  if (!std::isfinite(value)) return value;
  if (precision >= 0) {
    double rounded = value;
    parse_real(fixed_text(value, static_cast<int>(precision)), rounded);
    return rounded;
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::isinf(unit) ? value * 0 : std::nearbyint(value / unit) * unit;
}

Value filter_default(Call& c) {
  const bool missing = c.self.is(Kind::undefined) || (c.flag(1, false) && !truth(c.self));
  return missing ? c.value(0, "") : c.self;
}

Value filter_attr(Call& c) {
  need_defined(c.self);
  const std::string name = c.in.str(c[0]);
  if (std::optional<Value> own = c.in.own_attribute(c.self, name)) return std::move(*own);
  return Value::undefined("'" + type_name(c.self) + " object' has no attribute '" + name + "'");
}

constexpr Builtin kNumberFilters[] = {
    {"abs", filter_abs},
    {"attr", filter_attr, "name!"},
    {"d", filter_default, "default_value boolean"},
    {"default", filter_default, "default_value boolean"},
    {"float", filter_float, "default"},
    {"int", filter_int, "default base"},
    {"round", filter_round, "precision method"},
};

}  // namespace

std::span<const Builtin> number_filters() { return kNumberFilters; }

const Builtin* find_filter(std::string_view name) {
  for (const std::span<const Builtin> table : {text_filters(), list_filters(), number_filters()})
    for (const Builtin& builtin : table)
      if (builtin.name == name) return &builtin;
  return nullptr;
}

}  // namespace plumb
