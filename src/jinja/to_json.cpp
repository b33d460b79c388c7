#include "to_json.hpp"

#include <algorithm>
#include <cmath>

#include "big_integer.hpp"
#include "heap.hpp"
#include "operators.hpp"
#include "print.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget* budget) : style_(style), budget_(budget) {}

  std::string write(const Value& value) {
    append(value, 0);
    return std::move(out_);
  }

 private:
  void append(const Value& value, int level) {
    if (budget_) {
      budget_->spend(1);
      budget_->expect(out_.size());
    }
    if (value.is(Kind::string)) return quoted(value.string());
    if (value.is(Kind::list)) {
      const auto items = value.items();
      return block('[', ']', items.size(), level, [&](std::size_t i) { append(items[i], level + 1); });
    }
    if (value.is(Kind::dict)) return append_dict(value.dict(), level);
    out_ += scalar(value);
  }

  std::string scalar(const Value& value) const {
    switch (value.kind()) {
      case Kind::none: return "null";
      case Kind::boolean: return value.boolean() ? "true" : "false";
      case Kind::integer: return std::to_string(value.integer());
      case Kind::big_integer: return value.big().digits();
      case Kind::real:
        return std::isnan(value.real())   ? "NaN"
               : std::isinf(value.real()) ? (value.real() < 0 ? "-Infinity" : "Infinity")
                                          : real_text(value.real());
      default: stop(Fault::type, "TypeError: Object of type " + type_name(value) + " is not JSON serializable");
    }
  }

  void append_dict(const Dict& dict, int level) {
    struct Named {
      std::string key;
      const Value* value;
    };
    std::vector<Named> entries;
    entries.reserve(dict.size());
    for (const Dict::Entry& entry : dict) {
      if (entry.key.is(Kind::string)) {
        entries.push_back({entry.key.string(), &entry.value});
      } else if (entry.key.is(Kind::none) || entry.key.is_number()) {
        entries.push_back({scalar(entry.key), &entry.value});
      } else {
        stop(Fault::type, "TypeError: keys must be str, int, float, bool or None, not " + type_name(entry.key));
      }
    }
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(), [](const Named& a, const Named& b) { return a.key < b.key; });
    block('{', '}', entries.size(), level, [&](std::size_t i) {
      quoted(entries[i].key);
      out_ += style_.key;
      append(*entries[i].value, level + 1);
    });
  }

  template <typename Item>
  void block(char open, char close, std::size_t count, int level, const Item& item) {
    out_ += open;
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += style_.item;
      line(level + 1);
      item(i);
    }
    if (count > 0) line(level);
    out_ += close;
  }

  void line(int level) {
    if (!style_.lines) return;
    if (budget_) budget_->expect(out_.size() + style_.indent.size() * static_cast<std::size_t>(level));
    out_ += '\n';
    for (int i = 0; i < level; ++i) out_ += style_.indent;
  }

  void quoted(const std::string& text) {
    if (budget_) budget_->spend_bytes(text.size());
    out_ += '"';
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      const CodePoint c = next_code_point(text, at);
      if (budget_) budget_->expect(out_.size());
      switch (c) {
        case '"': out_ += "\\\""; continue;
        case '\\': out_ += "\\\\"; continue;
        case '\n': out_ += "\\n"; continue;
        case '\r': out_ += "\\r"; continue;
        case '\t': out_ += "\\t"; continue;
        case '\f': out_ += "\\f"; continue;
        case '\b': out_ += "\\b"; continue;
        default: break;
      }
      if (c >= 0x20 && (c < 0x7F || !style_.ascii)) {
        out_.append(text, begin, at - begin);
      } else if (c >= 0x10000) {
        escape(0xD800 + ((c - 0x10000) >> 10));
        escape(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else if (c == 0x7F) {
        out_ += '\x7F';
      } else {
        escape(c);
      }
    }
    out_ += '"';
  }

  void escape(CodePoint unit) {
    constexpr const char* kHex = "0123456789abcdef";
    out_ += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out_ += kHex[unit >> shift & 15];
  }

  const JsonStyle& style_;
  Budget* budget_;
  std::string out_;
};

}  // namespace

std::string to_json(const Value& value, const JsonStyle& style, Budget* budget) {
  return JsonWriter(style, budget).write(value);
}

std::string to_json(const Value& value, const JsonStyle& style) { return to_json(value, style, nullptr); }

}  // namespace plumb
