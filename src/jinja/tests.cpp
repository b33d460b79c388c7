/// What can stand behind `is`.

#include "filters.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

bool remainder_is(Call& c, const Value& divisor, std::int64_t wanted) {
  return equal(c.in.binary(Arithmetic::modulo, c.self, divisor), wanted);
}

bool is_callable(const Value& value) {
  return value.as<Function>() || value.as<Method>() || value.as<Macro>() || value.as<Loop>() || value.as<Joiner>();
}

bool is_same(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::list: return &a.list() == &b.list();
    case Kind::dict: return &a.dict() == &b.dict();
    default: return equal(a, b);
  }
}

template <bool (*Cased)(CodePoint), bool (*Other)(CodePoint)>
bool all_cased(std::string_view text) {
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = next_code_point(text, at);
    if (Other(c)) return false;
    some |= Cased(c);
  }
  return some;
}

constexpr Builtin kTests[] = {
    {"defined", [](Call& c) { return Value(!c.self.is(Kind::undefined)); }},
    {"undefined", [](Call& c) { return Value(c.self.is(Kind::undefined)); }},
    {"none", [](Call& c) { return Value(c.self.is(Kind::none)); }},
    {"string", [](Call& c) { return Value(c.self.is(Kind::string)); }},
    {"mapping", [](Call& c) { return Value(c.self.is(Kind::dict)); }},
    {"sequence",
     [](Call& c) {
       return Value(c.self.is(Kind::undefined) || c.self.is(Kind::string) || c.self.is(Kind::list) ||
                    c.self.is(Kind::dict) || c.self.as<Range>() != nullptr);
     }},
    {"iterable", [](Call& c) { return Value(is_iterable(c.self)); }},
    {"number", [](Call& c) { return Value(c.self.is_number()); }},
    {"integer", [](Call& c) { return Value(c.self.is_int() && !c.self.is(Kind::boolean)); }},
    {"float", [](Call& c) { return Value(c.self.is(Kind::real)); }},
    {"boolean", [](Call& c) { return Value(c.self.is(Kind::boolean)); }},
    {"true", [](Call& c) { return Value(c.self.is(Kind::boolean) && c.self.boolean()); }},
    {"false", [](Call& c) { return Value(c.self.is(Kind::boolean) && !c.self.boolean()); }},
    {"odd", [](Call& c) { return Value(remainder_is(c, 2, 1)); }},
    {"even", [](Call& c) { return Value(remainder_is(c, 2, 0)); }},
    {"divisibleby", [](Call& c) { return Value(remainder_is(c, c[0], 0)); }, "num!"},
    {"callable", [](Call& c) { return Value(is_callable(c.self)); }},
    {"sameas", [](Call& c) { return Value(is_same(c.self, c[0])); }, "other!"},
    {"escaped", [](Call& c) { return Value(c.self.is(Kind::string) && c.self.text().markup); }},
    {"lower", [](Call& c) { return Value(all_cased<is_lower, is_upper>(c.in.str(c.self))); }},
    {"upper", [](Call& c) { return Value(all_cased<is_upper, is_lower>(c.in.str(c.self))); }},
    {"filter", [](Call& c) { return Value(c.self.is(Kind::string) && find_filter(c.self.string()) != nullptr); }},
    {"test", [](Call& c) { return Value(c.self.is(Kind::string) && find_test(c.self.string()) != nullptr); }},
    {"in", [](Call& c) { return Value(c.in.contains(c[0], c.self)); }, "seq!"},
    {"eq", [](Call& c) { return Value(equal(c.self, c[0], &c.in.budget)); }, "other!"},
    {"ne", [](Call& c) { return Value(!equal(c.self, c[0], &c.in.budget)); }, "other!"},
    {"lt", [](Call& c) { return Value(compare(c.self, c[0], "<", &c.in.budget) == -1); }, "other!"},
    {"le",
     [](Call& c) {
       const int order = compare(c.self, c[0], "<=", &c.in.budget);
       return Value(order == -1 || order == 0);
     },
     "other!"},
    {"gt", [](Call& c) { return Value(compare(c.self, c[0], ">", &c.in.budget) == 1); }, "other!"},
    {"ge",
     [](Call& c) {
       const int order = compare(c.self, c[0], ">=", &c.in.budget);
       return Value(order == 1 || order == 0);
     },
     "other!"},
};

constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"==", "eq"}, {"equalto", "eq"},     {"!=", "ne"}, {"<", "lt"},  {"lessthan", "lt"},
    {"<=", "le"}, {"greaterthan", "gt"}, {">", "gt"},  {">=", "ge"},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  for (const auto& [other, meaning] : kOtherNames)
    if (other == name) name = meaning;
  for (const Builtin& builtin : kTests)
    if (builtin.name == name) return &builtin;
  return nullptr;
}

}  // namespace plumb
