/// Methods of texts that look for something in them.

#include <algorithm>

#include "filters.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "search.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// The part of a text between two of the arguments, which count code points as slices do.
struct Part {
  Part(const Call& c, std::size_t first) {
    const std::string_view whole = c.self.string();
    if (!c.has(first) && !c.has(first + 1)) {
      text = whole;
      return;
    }
    c.in.budget.spend_bytes(2 * whole.size());
    const auto size = static_cast<std::int64_t>(code_points(whole));
    const auto bound = [&](std::size_t i, std::int64_t otherwise) {
      const std::int64_t at = c.integer(i, otherwise);
      return std::max<std::int64_t>(at < 0 && at >= -size ? at + size : at, 0);
    };
    const std::int64_t begin = bound(first, 0), end = std::min(bound(first + 1, size), size);
    beyond = begin > end;
    if (beyond) return;
    offset = begin;
    const std::size_t byte = byte_of(whole, static_cast<std::size_t>(begin));
    text = whole.substr(byte, byte_of(whole, static_cast<std::size_t>(end)) - byte);
  }

  std::string_view text;
  std::int64_t offset = 0;  // code points in front of it
  bool beyond = false;      // nothing is found, not even an empty text
};

std::int64_t position(Call& c, bool last) {
  const Part part(c, 1);
  const std::string& what = c.text(0);
  const std::size_t at = part.beyond ? std::string_view::npos
                         : last      ? find_last(part.text, what, c.in.budget)
                                     : find_text(part.text, what, 0, c.in.budget);
  if (at == std::string_view::npos) return -1;
  return part.offset + static_cast<std::int64_t>(code_points(part.text.substr(0, at)));
}

Value must_be(std::int64_t position) {
  if (position < 0) stop(Fault::type, "ValueError: substring not found");
  return position;
}

Value method_count(Call& c) {
  const Part part(c, 1);
  const std::string& what = c.text(0);
  if (part.beyond) return 0;
  if (what.empty()) return static_cast<std::int64_t>(code_points(part.text)) + 1;
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = find_text(part.text, what, at, c.in.budget)) != std::string_view::npos; ++count)
    at += what.size();
  return count;
}

template <bool at_start>
Value method_at_end(Call& c) {
  const Part part(c, 1);
  const auto there = [&](const Value& what) {
    need_defined(what);
    if (!what.is(Kind::string))
      stop(Fault::type, "TypeError: " + std::string(c.builtin.name) + " first arg must be str or a tuple of str, not " +
                            type_name(what));
    c.in.budget.spend_bytes(what.string().size());
    return !part.beyond && (at_start ? part.text.starts_with(what.string()) : part.text.ends_with(what.string()));
  };
  if (!c[0].is_tuple()) return there(c[0]);
  return std::any_of(c[0].items().begin(), c[0].items().end(), there);
}

/// Whether a text has some code points, and all of them are of a kind.
template <bool (*Kind_)(CodePoint)>
Value all_are(Call& c) {
  const std::string& text = c.self.string();
  c.in.budget.spend_bytes(4 * text.size());
  for (std::size_t at = 0; at < text.size();)
    if (!Kind_(next_code_point(text, at))) return false;
  return !text.empty();
}

bool is_alnum(CodePoint c) { return is_letter(c) || is_numeric(c); }
bool is_ascii(CodePoint c) { return c < 0x80; }

/// All letters that have a case have this one, and some have.
template <bool (*Cased)(CodePoint), bool (*Other)(CodePoint)>
Value cased(Call& c) {
  const std::string& text = c.self.string();
  c.in.budget.spend_bytes(4 * text.size());
  bool some = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = next_code_point(text, at);
    if (Other(point)) return false;
    some |= Cased(point);
  }
  return some;
}

Value method_istitle(Call& c) {
  bool inside = false, some = false;
  for (std::size_t at = 0; at < c.self.string().size();) {
    const CodePoint point = next_code_point(c.self.string(), at);
    if (is_upper(point) ? inside : is_lower(point) && !inside) return false;
    inside = is_upper(point) || is_lower(point);
    some |= inside;
  }
  return some;
}

Value method_isidentifier(Call& c) {
  const std::string& text = c.self.string();
  for (std::size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const CodePoint point = next_code_point(text, at);
    if (!is_word(point) || (first && is_numeric(point))) return false;
  }
  return !text.empty();
}

constexpr Builtin kStringSearches[] = {
    {"count", method_count, "sub! start end"},
    {"endswith", method_at_end<false>, "suffix! start end"},
    {"find", [](Call& c) { return Value(position(c, false)); }, "sub! start end"},
    {"index", [](Call& c) { return must_be(position(c, false)); }, "sub! start end"},
    {"isalnum", all_are<is_alnum>},
    {"isalpha", all_are<is_letter>},
    {"isascii", [](Call& c) { return Value(c.self.string().empty() || truth(all_are<is_ascii>(c))); }},
    {"isdecimal", all_are<is_decimal>},
    {"isdigit", all_are<is_digit>},
    {"isidentifier", method_isidentifier},
    {"islower", cased<is_lower, is_upper>},
    {"isnumeric", all_are<is_numeric>},
    {"isprintable", [](Call& c) { return Value(c.self.string().empty() || truth(all_are<is_printable>(c))); }},
    {"isspace", all_are<is_space>},
    {"istitle", method_istitle},
    {"isupper", cased<is_upper, is_lower>},
    {"rfind", [](Call& c) { return Value(position(c, true)); }, "sub! start end"},
    {"rindex", [](Call& c) { return must_be(position(c, true)); }, "sub! start end"},
    {"startswith", method_at_end<true>, "prefix! start end"},
};

}  // namespace

std::span<const Builtin> string_searches() { return kStringSearches; }

}  // namespace plumb
