#include "print.hpp"

#include <charconv>
#include <cmath>

#include "big_integer.hpp"
#include "heap.hpp"
#include "objects.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// Deeper than values can be: only namespaces that hold themselves get there.
constexpr int kMaxPrintDepth = kMaxValueDepth + 50;

class Printer {
 public:
  Printer(std::string& out, Budget* budget) : out_(out), budget_(budget) {}

  void repr(const Value& value, int depth) {
    if (depth > kMaxPrintDepth) stop(Fault::limit, "a value that contains itself cannot be printed");
    if (budget_) {  // what is printed is paid for while it grows
      budget_->spend(1);
      budget_->expect(out_.size());
    }
    switch (value.kind()) {
      case Kind::undefined: out_ += "Undefined"; break;
      case Kind::none: out_ += "None"; break;
      case Kind::boolean: out_ += value.boolean() ? "True" : "False"; break;
      case Kind::integer: out_ += std::to_string(value.integer()); break;
      case Kind::big_integer: out_ += value.big().digits(); break;
      case Kind::real: out_ += real_text(value.real()); break;
      case Kind::string:
        if (value.text().markup) out_ += "Markup(";
        quoted(value.string());
        if (value.text().markup) out_ += ')';
        break;
      case Kind::list: {
        out_ += value.is_tuple() ? '(' : '[';
        items(value.items(), depth);
        if (value.is_tuple() && value.items().size() == 1) out_ += ',';
        out_ += value.is_tuple() ? ')' : ']';
        break;
      }
      case Kind::dict: dict(value.dict(), depth); break;
      case Kind::object: object(value, depth); break;
    }
  }

 private:
  void items(std::span<const Value> values, int depth) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out_ += ", ";
      repr(values[i], depth + 1);
    }
  }

  void dict(const Dict& entries, int depth) {
    out_ += '{';
    for (const Dict::Entry& entry : entries) {
      if (&entry != entries.begin()) out_ += ", ";
      repr(entry.key, depth + 1);
      out_ += ": ";
      repr(entry.value, depth + 1);
    }
    out_ += '}';
  }

  void object(const Value& value, int depth) {
    if (const auto* view = value.as<DictView>()) {
      out_ += view->type_name();
      out_ += "([";
      for (const Dict::Entry& entry : view->dict()) {
        if (&entry != view->dict().begin()) out_ += ", ";
        if (view->part == DictView::Part::items) out_ += '(';
        if (view->part != DictView::Part::values) repr(entry.key, depth + 1);
        if (view->part == DictView::Part::items) out_ += ", ";
        if (view->part != DictView::Part::keys) repr(entry.value, depth + 1);
        if (view->part == DictView::Part::items) out_ += ')';
      }
      out_ += "])";
    } else if (const auto* names = value.as<Namespace>()) {
      out_ += "<Namespace ";
      dict(names->attributes, depth);
      out_ += '>';
    } else {
      out_ += value.object()->repr();
    }
  }

  void quoted(const std::string& text) {
    if (budget_) budget_->spend_bytes(4 * text.size());
    const bool both = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
    const char quote = both ? '"' : '\'';
    out_ += quote;
    constexpr const char* kHex = "0123456789abcdef";
    const auto hex = [&](char letter, CodePoint c, int digits) {
      out_ += '\\';
      out_ += letter;
      for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out_ += kHex[c >> shift & 15];
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      const CodePoint c = next_code_point(text, at);
      if (budget_) budget_->expect(out_.size());
      if (c == quote || c == '\\')
        out_ += '\\', out_ += static_cast<char>(c);
      else if (c == '\n')
        out_ += "\\n";
      else if (c == '\r')
        out_ += "\\r";
      else if (c == '\t')
        out_ += "\\t";
      else if (is_printable(c))
        out_.append(text, begin, at - begin);
      else if (c < 0x100)
        hex('x', c, 2);
      else if (c < 0x10000)
        hex('u', c, 4);
      else
        hex('U', c, 8);
    }
    out_ += quote;
  }

  std::string& out_;
  Budget* budget_;
};

}  // namespace

void print_repr(const Value& value, std::string& out, Budget* budget) { Printer(out, budget).repr(value, 0); }

void print(const Value& value, std::string& out, Budget* budget) {
  if (value.is(Kind::undefined)) return;  // nothing, where repr has a word for it
  if (value.is(Kind::string)) {
    if (budget) {
      budget->spend_bytes(value.string().size());
      budget->expect(value.string().size());
    }
    out += value.string();
  } else {
    print_repr(value, out, budget);
  }
}

std::string printed(const Value& value, Budget* budget) {
  std::string out;
  print(value, out, budget);
  return out;
}

std::string repr(const Value& value, Budget* budget) {
  std::string out;
  print_repr(value, out, budget);
  return out;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40] = {};
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<std::size_t>(end - buffer));  // "-1.5e-07"
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.data() + e + 1);
  std::string digits;
  for (const char c : scientific.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  const std::string sign = scientific[0] == '-' ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits[0];
    if (count > 1) out += "." + digits.substr(1);
    out += exponent < 0 ? "e-" : "e+";
    const std::string power = std::to_string(std::abs(exponent));
    return out + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return sign + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  return sign + digits.substr(0, static_cast<std::size_t>(exponent) + 1) + "." +
         digits.substr(static_cast<std::size_t>(exponent) + 1);
}

std::string escaped_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace plumb
