#include "format.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "big_integer.hpp"
#include "heap.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "plumb/core/printable.hpp"
#include "print.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

constexpr std::int64_t kMaxPrecision = 1000;

/// How one hole is to be filled: Python's format specification, which printf's is translated into.
struct Spec {
  std::string fill = " ";
  char align = '\0';  // < > ^ =; none: by type
  char sign = '-';
  bool alternate = false, zero = false;
  char group = '\0';  // , or _
  std::int64_t width = 0, precision = -1;
  char type = '\0';
};

[[noreturn]] void bad(const std::string& message) { stop(Fault::type, "ValueError: " + message); }

std::int64_t read_number(std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
    value = std::min<std::int64_t>(value * 10 + (text[at] - '0'), std::int64_t{1} << 40);
  return value;
}

Spec read_spec(std::string_view text) {
  Spec spec;
  constexpr std::string_view kAligns = "<>=^";
  std::size_t at = 0;
  if (!text.empty()) {
    std::size_t behind = 0;
    next_code_point(text, behind);
    if (behind < text.size() && kAligns.find(text[behind]) != std::string_view::npos) {
      spec.fill = text.substr(0, behind);
      spec.align = text[behind];
      at = behind + 1;
    } else if (kAligns.find(text[0]) != std::string_view::npos) {
      spec.align = text[0];
      at = 1;
    }
  }
  const auto skip = [&](char c) { return at < text.size() && text[at] == c && ++at; };
  for (const char sign : {'+', '-', ' '})
    if (skip(sign)) {
      spec.sign = sign;
      break;
    }
  spec.alternate = skip('#');
  spec.zero = skip('0');
  spec.width = read_number(text, at);
  if (skip(','))
    spec.group = ',';
  else if (skip('_'))
    spec.group = '_';
  if (skip('.')) {
    const std::size_t begin = at;
    spec.precision = read_number(text, at);
    if (at == begin) bad("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) bad("Invalid format specifier");
  return spec;
}

/// Thousands in groups: 1,234,567.
std::string grouped(const std::string& digits, char separator, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % size == 0) out += separator;
    out += digits[i];
  }
  return out;
}

std::string real_digits(double magnitude, const Spec& spec) {
  if (!std::isfinite(magnitude)) {
    const std::string word = std::isnan(magnitude) ? "nan" : "inf";
    return spec.type == 'F' || spec.type == 'E' || spec.type == 'G' ? to_upper(word) : word;
  }
  if (spec.precision > kMaxPrecision) stop(Fault::limit, "a precision of more than 1000 digits");
  if (spec.type == '\0' && spec.precision < 0) return real_text(magnitude);
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  char pattern[16];
  const char letter = spec.type == '\0' ? 'g' : spec.type == '%' ? 'f' : spec.type == 'n' ? 'g' : spec.type;
  std::snprintf(pattern, sizeof pattern, spec.alternate ? "%%#.*%c" : "%%.*%c", letter);
  const int size = std::snprintf(nullptr, 0, pattern, precision, magnitude);
  std::string out(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), pattern, precision, magnitude);
  out.pop_back();
  if (spec.type == '\0' && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string whole_digits(const BigInteger& magnitude, char type) {
  if (type == 'd' || type == '\0' || type == 'n' || type == 'u' || type == 'i') return magnitude.digits();
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : 16;
  std::string out;
  BigInteger left = magnitude, digit;
  while (!left.zero()) {
    BigInteger::divide(left, BigInteger(base), left, digit);
    out += (type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[digit.small()];
  }
  if (out.empty()) out = "0";
  std::reverse(out.begin(), out.end());
  return out;
}

std::string aligned(Interpreter& in, const Spec& spec, const std::string& front, const std::string& body, char usual) {
  const auto size = static_cast<std::int64_t>(code_points(front) + code_points(body));
  if (spec.width <= size) return front + body;
  const auto pad = static_cast<std::size_t>(spec.width - size);
  in.budget.expect(pad * spec.fill.size() + body.size());
  in.budget.spend_bytes(pad);
  const char align = spec.align != '\0' ? spec.align : spec.zero ? '=' : usual;
  const std::string fill = spec.align == '\0' && spec.zero ? "0" : spec.fill;
  const std::size_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  std::string before, after;
  for (std::size_t i = 0; i < left; ++i) before += fill;
  for (std::size_t i = left; i < pad; ++i) after += fill;
  return align == '=' ? front + before + body : before + front + body + after;
}

std::string formatted_number(Interpreter& in, const Value& value, const Spec& spec) {
  constexpr std::string_view kWhole = "bdonxXcui";
  const bool real = value.is(Kind::real) || (spec.type != '\0' && kWhole.find(spec.type) == std::string_view::npos);
  std::string sign, body;
  if (real) {
    if (spec.type != '\0' && std::string_view("eEfFgGn%").find(spec.type) == std::string_view::npos)
      bad(std::string("Unknown format code '") + spec.type + "' for object of type '" + type_name(value) + "'");
    const double number = real_of(value) * (spec.type == '%' ? 100 : 1);
    if (std::signbit(number) && !std::isnan(number)) sign = "-";
    body = real_digits(std::abs(number), spec);
    if (spec.group != '\0') {
      const std::size_t whole = std::min(body.find_first_not_of("0123456789"), body.size());
      body = grouped(body.substr(0, whole), spec.group, 3) + body.substr(whole);
    }
    if (spec.type == '%') body += '%';
  } else {
    BigInteger number = big_of(value);
    if (spec.type == 'c') {
      std::string one;
      append_code_point(number.fits() && number.small() <= 0x10FFFF ? static_cast<CodePoint>(number.small()) : -1, one);
      return aligned(in, spec, "", one, '<');
    }
    if (number.negative()) {
      sign = "-";
      number = number.negated();
    }
    in.budget.spend(static_cast<std::int64_t>(number.limbs() * number.limbs()) * 40 + 1);
    body = whole_digits(number, spec.type);
    if (spec.group != '\0') body = grouped(body, spec.group, spec.type == '\0' || spec.type == 'd' ? 3 : 4);
    if (spec.alternate && (spec.type == 'b' || spec.type == 'o' || spec.type == 'x' || spec.type == 'X'))
      sign += std::string("0") + spec.type;
  }
  if ((sign.empty() || sign[0] != '-') && spec.sign != '-') sign.insert(0, 1, spec.sign);
  return aligned(in, spec, sign, body, '>');
}

std::string formatted_value(Interpreter& in, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return in.str(value);
  const Spec spec = read_spec(spec_text);
  if (value.is_number() && !(value.is(Kind::boolean) && spec.type == '\0')) return formatted_number(in, value, spec);
  if (!value.is(Kind::string) && !value.is(Kind::boolean))
    stop(Fault::type, "TypeError: unsupported format string passed to " + type_name(value) + ".__format__");
  if (spec.type != '\0' && spec.type != 's')
    bad(std::string("Unknown format code '") + spec.type + "' for object of type '" + type_name(value) + "'");
  std::string text = in.str(value);
  if (spec.precision >= 0) text.resize(byte_of(text, static_cast<std::size_t>(spec.precision)));
  return aligned(in, spec, "", text, '<');
}

/// One pass over a text with {holes}.
class Formatter {
 public:
  Formatter(Interpreter& in, const Arguments& arguments) : in_(in), arguments_(arguments) {}

  std::string run(std::string_view pattern, int depth) {
    if (depth < 0) bad("Max string recursion exceeded");
    std::string out;
    for (std::size_t at = 0; at < pattern.size();) {
      in_.budget.expect(out.size());
      const char c = pattern[at];
      if (c != '{' && c != '}') {
        out += c;
        ++at;
      } else if (at + 1 < pattern.size() && pattern[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        bad("Single '}' encountered in format string");
      } else {
        out += hole(pattern, ++at, depth);
      }
    }
    return out;
  }

 private:
  std::string hole(std::string_view pattern, std::size_t& at, int depth) {
    const std::size_t begin = at;
    while (at < pattern.size() && pattern[at] != '!' && pattern[at] != ':' && pattern[at] != '}' &&
           pattern[at] != '{') {
      if (pattern[at] == '[') at = std::min(pattern.find(']', at), pattern.size() - 1);
      ++at;
    }
    const std::string_view name = pattern.substr(begin, at - begin);
    char conversion = '\0';
    if (at + 1 < pattern.size() && pattern[at] == '!') {
      conversion = pattern[at + 1];
      at += 2;
    }
    std::string spec;
    if (at < pattern.size() && pattern[at] == ':') {
      const std::size_t first = ++at;
      for (int open = 0; at < pattern.size() && (open > 0 || pattern[at] != '}'); ++at)
        open += pattern[at] == '{' ? 1 : pattern[at] == '}' ? -1 : 0;
      spec = run(pattern.substr(first, at - first), depth - 1);
    }
    if (at >= pattern.size()) bad("expected '}' before end of string");
    if (pattern[at] != '}') bad("unexpected '{' in field name");
    ++at;
    Value value = field(name);
    if (conversion == 'r' || conversion == 'a')
      value = in_.text(repr(value, &in_.budget));
    else if (conversion == 's')
      value = in_.text(in_.str(value));
    else if (conversion != '\0')
      bad(std::string("Unknown conversion specifier '") + conversion + "'");
    return formatted_value(in_, value, spec);
  }

  Value field(std::string_view name) {
    std::size_t at = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, at));
    while (at < name.size()) {
      if (name[at] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        value = in_.attribute(value, Value(name.substr(at + 1, end - at - 1)));
        at = end;
      } else if (name[at] == '[') {
        const std::size_t end = name.find(']', at);
        if (end == std::string_view::npos) bad("Missing ']' in format string");
        const std::string_view key = name.substr(at + 1, end - at - 1);
        const bool digits = !key.empty() && key.find_first_not_of("0123456789") == std::string_view::npos;
        value = in_.item(value, digits ? Value::integer(key) : Value(key));
        at = end + 1;
      } else {
        bad("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  Value first(std::string_view name) {
    const bool digits = !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!name.empty() && !digits) {
      for (const auto& [other, value] : arguments_.named)
        if (other == name) return value;
      stop(Fault::type, "KeyError: " + repr(Value(name)));
    }
    const Numbering now = digits ? Numbering::manual : Numbering::automatic;
    if (numbering_ != Numbering::none && numbering_ != now)
      bad(now == Numbering::manual ? "cannot switch from automatic field numbering to manual field specification"
                                   : "cannot switch from manual field specification to automatic field numbering");
    numbering_ = now;
    std::size_t at = 0;
    const std::int64_t index = digits ? read_number(name, at) : next_++;
    if (index >= static_cast<std::int64_t>(arguments_.positional.size()))
      stop(Fault::type, "IndexError: Replacement index " + std::to_string(index) + " out of range");
    return arguments_.positional[static_cast<std::size_t>(index)];
  }

  enum class Numbering { none, automatic, manual };
  Interpreter& in_;
  const Arguments& arguments_;
  Numbering numbering_ = Numbering::none;
  std::int64_t next_ = 0;
};

/// What a %-directive makes of a value.
std::string printf_value(Interpreter& in, const Value& value, Spec spec) {
  if (spec.type == 's' || spec.type == 'r' || spec.type == 'a') {
    std::string text = spec.type == 's' ? in.str(value) : repr(value, &in.budget);
    if (spec.precision >= 0) text.resize(byte_of(text, static_cast<std::size_t>(spec.precision)));
    spec.zero = false;
    return aligned(in, spec, "", text, '>');
  }
  if (spec.type == 'c') {
    if (value.is(Kind::string) && code_points(value.string()) == 1) return aligned(in, spec, "", value.string(), '>');
    if (!value.is_int()) stop(Fault::type, "TypeError: %c requires int or char");
  }
  if (!value.is_number())
    stop(Fault::type,
         std::string("TypeError: %") + spec.type + " format: a real number is required, not " + type_name(value));
  const bool whole = std::string_view("diuxXoc").find(spec.type) != std::string_view::npos;
  if (whole && value.is(Kind::real)) {
    if (!std::isfinite(value.real()) || std::string_view("xXoc").find(spec.type) != std::string_view::npos)
      stop(Fault::type, std::string("TypeError: %") + spec.type + " format: an integer is required, not float");
    return printf_value(in, integer_value(BigInteger::from_real(value.real())), spec);
  }
  if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
  return formatted_number(in, value, spec);
}

}  // namespace

std::string fixed_text(double value, int digits) {
  const int size = std::snprintf(nullptr, 0, "%.*f", digits, value);
  std::string out(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), "%.*f", digits, value);
  out.pop_back();
  return out;
}

std::string format_text(Interpreter& in, std::string_view pattern, const Arguments& arguments) {
  return Formatter(in, arguments).run(pattern, 2);
}

std::string printf_text(Interpreter& in, std::string_view pattern, const Value& values) {
  std::string out;
  std::size_t used = 0;
  const bool several = values.is_tuple();
  const auto next = [&]() -> Value {
    if (several ? used >= values.items().size() : used >= 1)
      stop(Fault::type, "TypeError: not enough arguments for format string");
    return several ? values.items()[used++] : (++used, values);
  };
  for (std::size_t at = 0; at < pattern.size();) {
    in.budget.expect(out.size());
    if (pattern[at] != '%') {
      out += pattern[at++];
      continue;
    }
    Spec spec;
    std::optional<Value> named;
    if (++at < pattern.size() && pattern[at] == '(') {
      const std::size_t end = pattern.find(')', at);
      if (end == std::string_view::npos) bad("incomplete format key");
      if (!values.is(Kind::dict)) stop(Fault::type, "TypeError: format requires a mapping");
      const Value* found = values.dict().get(pattern.substr(at + 1, end - at - 1));
      if (!found) stop(Fault::type, "KeyError: " + repr(Value(pattern.substr(at + 1, end - at - 1))));
      named = *found;
      used = 1;
      at = end + 1;
    }
    for (; at < pattern.size() && std::string_view("-+ #0").find(pattern[at]) != std::string_view::npos; ++at) {
      const char flag = pattern[at];
      if (flag == '-') spec.align = '<';
      if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
      spec.alternate |= flag == '#';
      spec.zero |= flag == '0';
    }
    if (at < pattern.size() && pattern[at] == '*') {
      spec.width = index_of(next());
      ++at;
    } else {
      spec.width = read_number(pattern, at);
    }
    if (at < pattern.size() && pattern[at] == '.') spec.precision = read_number(pattern, ++at);
    if (at >= pattern.size()) bad("incomplete format");
    spec.type = pattern[at++];
    if (spec.type == '%') {
      out += '%';
    } else if (std::string_view("srdiuxXoeEfFgGca").find(spec.type) == std::string_view::npos) {
      bad(std::string("unsupported format character '") + printable(std::string(1, spec.type)) + "'");
    } else {
      out += printf_value(in, named ? *named : next(), spec);
    }
  }
  const bool left =
      several ? used < values.items().size() : used == 0 && !values.is(Kind::dict) && !values.is(Kind::list);
  if (left) stop(Fault::type, "TypeError: not all arguments converted during string formatting");
  return out;
}

}  // namespace plumb
