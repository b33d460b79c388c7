/// Methods of texts that make texts and lists of texts.

#include <algorithm>

#include "filters.hpp"
#include "format.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "search.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::string padded(Interpreter& in, std::string_view text, std::int64_t width, std::string_view fill, Side side) {
  const auto size = static_cast<std::int64_t>(code_points(text));
  if (width <= size) return std::string(text);
  const auto pad = static_cast<std::size_t>(width - size);
  in.budget.expect(pad);
  in.budget.spend_bytes(pad);
  std::size_t left = side == Side::left ? 0 : pad;
  if (side == Side::both) left = pad / 2 + (pad & static_cast<std::size_t>(width) & 1);
  std::string out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (std::size_t i = left; i < pad; ++i) out += fill;
  return out;
}

namespace {

/// Words between runs of white space; behind `most` cuts the rest is one piece.
std::vector<std::string_view> words(std::string_view text, std::int64_t most, bool from_right) {
  std::vector<std::string_view> out;
  text = strip(text, from_right ? Side::right : Side::left);
  while (!text.empty()) {
    std::size_t cut = from_right ? 0 : text.size();  // where the word ends (begins, from the right)
    if (most != 0) {
      if (from_right) {
        std::size_t at = text.size();
        while (at > 0) {
          std::size_t begin = at;
          do --begin;
          while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80);
          std::size_t behind = begin;
          if (is_space(next_code_point(text, behind))) break;
          at = begin;
        }
        cut = at;
      } else {
        std::size_t at = 0;
        while (at < text.size()) {
          const std::size_t begin = at;
          if (!is_space(next_code_point(text, at))) continue;
          at = begin;
          break;
        }
        cut = at;
      }
      --most;
    }
    out.push_back(from_right ? text.substr(cut) : text.substr(0, cut));
    text = from_right ? strip(text.substr(0, cut), Side::right) : strip(text.substr(cut), Side::left);
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::vector<Value> split_text(Interpreter& in, std::string_view text, const std::string* separator, std::int64_t most,
                              bool from_right) {
  std::vector<Value> out;
  in.budget.spend_bytes(text.size());
  if (!separator) {
    for (const std::string_view word : words(text, most, from_right)) out.push_back(in.text(std::string(word)));
    return out;
  }
  if (separator->empty()) stop(Fault::type, "ValueError: empty separator");
  if (from_right) {
    for (; most != 0; --most) {
      const std::size_t found =
          most < 0 && text.size() < separator->size() ? std::string_view::npos : find_last(text, *separator, in.budget);
      if (found == std::string_view::npos) break;
      out.push_back(in.text(std::string(text.substr(found + separator->size()))));
      text = text.substr(0, found);
    }
    out.push_back(in.text(std::string(text)));
    std::reverse(out.begin(), out.end());
    return out;
  }
  std::size_t at = 0;
  for (; most != 0; --most) {
    const std::size_t found = find_text(text, *separator, at, in.budget);
    if (found == std::string_view::npos) break;
    out.push_back(in.text(std::string(text.substr(at, found - at))));
    at = found + separator->size();
  }
  out.push_back(in.text(std::string(text.substr(at))));
  return out;
}

namespace {

const std::string& own(const Call& c) { return c.self.string(); }
Value made(const Call& c, std::string_view text) { return c.in.text(std::string(text)); }

Value split(Call& c, bool from_right) {
  const std::string* separator = c.has(0) && !c[0].is(Kind::none) ? &c.text(0) : nullptr;
  return c.in.list(split_text(c.in, own(c), separator, c.integer(1, -1), from_right));
}

template <Side side>
Value method_strip(Call& c) {
  return made(c, c.has(0) && !c[0].is(Kind::none) ? strip(own(c), c.text(0), side) : strip(own(c), side));
}

template <Side side>
Value method_pad(Call& c) {
  const std::string fill = c.has(1) ? c.text(1) : " ";
  if (code_points(fill) != 1) stop(Fault::type, "TypeError: The fill character must be exactly one character long");
  return made(c, padded(c.in, own(c), c.integer(0, 0), fill, side));
}

Value method_zfill(Call& c) {
  const std::string& text = own(c);
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  const std::string_view digits = std::string_view(text).substr(sign ? 1 : 0);
  return made(c,
              text.substr(0, sign ? 1 : 0) + padded(c.in, digits, c.integer(0, 0) - (sign ? 1 : 0), "0", Side::right));
}

Value method_partition(Call& c) {
  const std::string& separator = c.text(0);
  if (separator.empty()) stop(Fault::type, "ValueError: empty separator");
  const std::size_t at = find_text(own(c), separator, 0, c.in.budget);
  if (at == std::string::npos) return c.in.list({c.self, "", ""}, true);
  return c.in.list({made(c, own(c).substr(0, at)), separator, made(c, own(c).substr(at + separator.size()))}, true);
}

Value method_rpartition(Call& c) {
  const std::string& separator = c.text(0);
  if (separator.empty()) stop(Fault::type, "ValueError: empty separator");
  const std::size_t at = find_last(own(c), separator, c.in.budget);
  if (at == std::string::npos) return c.in.list({"", "", c.self}, true);
  return c.in.list({made(c, own(c).substr(0, at)), separator, made(c, own(c).substr(at + separator.size()))}, true);
}

Value method_splitlines(Call& c) {
  std::vector<Value> out;
  for (const std::string_view line : split_lines(own(c), c.flag(0, false))) out.push_back(made(c, line));
  return c.in.list(std::move(out));
}

Value method_join(Call& c) {
  std::string out;
  std::size_t i = 0;
  for (const Value& item : c.in.all(c[0])) {
    if (!item.is(Kind::string))
      stop(Fault::type,
           "TypeError: sequence item " + std::to_string(i) + ": expected str instance, " + type_name(item) + " found");
    c.in.budget.expect(out.size() + own(c).size() + item.string().size());
    c.in.budget.spend_bytes(own(c).size() + item.string().size());
    if (i++ > 0) out += own(c);
    out += item.string();
  }
  return c.in.text(std::move(out));
}

Value method_replace(Call& c) {
  return c.in.text(replaced(own(c), c.text(0), c.text(1), c.integer(2, -1), c.in.budget));
}

Value method_removeprefix(Call& c) {
  return made(c, own(c).starts_with(c.text(0)) ? std::string_view(own(c)).substr(c.text(0).size()) : own(c));
}

Value method_removesuffix(Call& c) {
  const std::string_view text = own(c);
  return made(c, text.ends_with(c.text(0)) ? text.substr(0, text.size() - c.text(0).size()) : text);
}

Value method_expandtabs(Call& c) {
  const std::int64_t size = std::min<std::int64_t>(c.integer(0, 8), 1 << 20);
  std::string out;
  std::int64_t column = 0;
  for (const char byte : own(c)) {
    if (byte == '\t') {
      const std::int64_t fill = size > 0 ? size - column % size : 0;
      c.in.budget.expect(out.size() + static_cast<std::size_t>(fill));
      out.append(static_cast<std::size_t>(fill), ' ');
      column += fill;
      continue;
    }
    out += byte;
    if (byte == '\n' || byte == '\r')
      column = 0;
    else if ((static_cast<unsigned char>(byte) & 0xC0) != 0x80)
      ++column;
  }
  return c.in.text(std::move(out));
}

Value method_format_map(Call& c) {
  if (!c[0].is(Kind::dict)) stop(Fault::type, "TypeError: format_map() needs a mapping, not " + type_name(c[0]));
  Arguments arguments;
  for (const Dict::Entry& entry : c[0].dict())
    if (entry.key.is(Kind::string)) arguments.named.emplace_back(entry.key.string(), entry.value);
  return c.in.text(format_text(c.in, own(c), arguments));
}

constexpr Builtin kStringMethods[] = {
    {"capitalize", [](Call& c) { return made(c, capitalize(own(c))); }},
    {"casefold", [](Call& c) { return made(c, to_lower(replaced(own(c), "\xC3\x9F", "ss", -1, c.in.budget))); }},
    {"center", method_pad<Side::both>, "width! fillchar"},
    {"expandtabs", method_expandtabs, "tabsize"},
    {"format", [](Call& c) { return c.in.text(format_text(c.in, own(c), c.rest)); }, "*"},
    {"format_map", method_format_map, "mapping!"},
    {"join", method_join, "iterable!"},
    {"ljust", method_pad<Side::left>, "width! fillchar"},
    {"lower", [](Call& c) { return made(c, to_lower(own(c))); }},
    {"lstrip", method_strip<Side::left>, "chars"},
    {"partition", method_partition, "sep!"},
    {"removeprefix", method_removeprefix, "prefix!"},
    {"removesuffix", method_removesuffix, "suffix!"},
    {"replace", method_replace, "old! new! count"},
    {"rjust", method_pad<Side::right>, "width! fillchar"},
    {"rpartition", method_rpartition, "sep!"},
    {"rsplit", [](Call& c) { return split(c, true); }, "sep maxsplit"},
    {"rstrip", method_strip<Side::right>, "chars"},
    {"split", [](Call& c) { return split(c, false); }, "sep maxsplit"},
    {"splitlines", method_splitlines, "keepends"},
    {"strip", method_strip<Side::both>, "chars"},
    {"swapcase", [](Call& c) { return made(c, swap_case(own(c))); }},
    {"title", [](Call& c) { return made(c, title_runs(own(c))); }},
    {"upper", [](Call& c) { return made(c, to_upper(own(c))); }},
    {"zfill", method_zfill, "width!"},
};

}  // namespace

std::span<const Builtin> string_methods() { return kStringMethods; }

}  // namespace plumb
