/// Filters that make texts.

#include <algorithm>
#include <cmath>

#include "filters.hpp"
#include "format.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"
#include "search.hpp"
#include "to_json.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

Value filter_upper(Call& c) { return c.in.text(to_upper(c.in.str(c.self))); }
Value filter_lower(Call& c) { return c.in.text(to_lower(c.in.str(c.self))); }
Value filter_capitalize(Call& c) { return c.in.text(capitalize(c.in.str(c.self))); }

/// A word begins behind white space, hyphens and opening brackets.
Value filter_title(Call& c) {
  const std::string text = c.in.str(c.self);
  std::string out;
  for (std::size_t begin = 0, at = 0; begin < text.size();) {
    std::size_t end = begin;
    bool splits = false;
    while (at < text.size() && !splits) {
      end = at;
      const CodePoint point = next_code_point(text, at);
      splits = is_space(point) || point == '-' || point == '(' || point == '{' || point == '[' || point == '<';
    }
    if (!splits) end = at;
    if (end > begin) {
      std::size_t rest = begin;
      next_code_point(text, rest);
      out += to_upper(std::string_view(text).substr(begin, rest - begin));
      out += to_lower(std::string_view(text).substr(rest, end - rest));
    }
    out.append(text, end, at - end);
    begin = at;
  }
  return c.in.text(std::move(out));
}

Value filter_trim(Call& c) {
  const std::string text = c.in.str(c.self);
  if (!c.has(0) || c[0].is(Kind::none)) return c.in.text(std::string(strip(text)));
  return c.in.text(std::string(strip(text, c.text(0), Side::both)));
}

Value filter_replace(Call& c) {
  const std::string text = c.in.str(c.self);
  return c.in.text(replaced(text, c.in.str(c[0]), c.in.str(c[1]), c.integer(2, -1), c.in.budget));
}

Value filter_string(Call& c) {
  if (c.self.is(Kind::string)) return c.self;
  return c.in.text(c.in.str(c.self));
}

Value filter_center(Call& c) { return c.in.text(padded(c.in, c.in.str(c.self), c.integer(0, 80), " ", Side::both)); }

Value filter_indent(Call& c) {
  need_defined(c.self);
  if (!c.self.is(Kind::string))
    stop(Fault::type, "TypeError: unsupported operand type(s) for +=: '" + type_name(c.self) + "' and 'str'");
  const std::string text = c.in.str(c.self) + "\n";  // so that an empty last line counts
  std::string indent;
  if (c.has(0) && c[0].is(Kind::string)) {
    indent = c.text(0);
  } else {
    const auto width = static_cast<std::size_t>(std::max<std::int64_t>(c.integer(0, 4), 0));
    c.in.budget.expect(width);
    indent.assign(width, ' ');
  }
  const bool blank = c.flag(2, false);
  std::string out = c.flag(1, false) ? indent : "";
  const std::vector<std::string_view> lines = split_lines(text, false);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    c.in.budget.expect(out.size() + indent.size() + lines[i].size());
    c.in.budget.spend_bytes(indent.size());
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += indent;
    out += lines[i];
  }
  return c.in.text(std::move(out));
}

Value filter_truncate(Call& c) {
  const std::optional<std::int64_t> items = length_of(c.self);
  if (!items) stop(Fault::type, "TypeError: object of type '" + type_name(c.self) + "' has no len()");
  const std::string end = c.has(2) ? c.in.str(c[2]) : "...";
  const auto end_size = static_cast<std::int64_t>(code_points(end));
  const std::int64_t length = c.integer(0, 255), leeway = c.integer(3, 5);
  if (length < end_size) stop(Fault::type, "AssertionError: expected length >= " + std::to_string(end_size));
  if (leeway < 0) stop(Fault::type, "AssertionError: expected leeway >= 0");
  if (*items <= length || *items - length <= leeway) return c.self;
  if (!c.self.is(Kind::string)) stop(Fault::type, "TypeError: can only concatenate str to a text that is cut");
  const std::string& text = c.self.string();
  std::string kept = text.substr(0, byte_of(text, static_cast<std::size_t>(length - end_size)));
  if (!c.flag(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return c.in.text(kept + end);
}

Value filter_wordcount(Call& c) {
  const std::string text = c.in.str(c.self);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = next_code_point(text, at);
    const bool word = is_letter(point) || is_numeric(point) || point == '_';
    words += word && !inside;
    inside = word;
  }
  return words;
}

Value filter_escape(Call& c) {
  if (c.self.is(Kind::string) && c.self.text().markup) return c.self;
  return c.in.text(escaped_html(c.in.str(c.self)), true);
}

Value filter_forceescape(Call& c) { return c.in.text(escaped_html(c.in.str(c.self)), true); }
Value filter_safe(Call& c) { return c.in.text(c.in.str(c.self), true); }

/// Without tags and comments, white space as single spaces, entities as what they stand for.
Value filter_striptags(Call& c) {
  const std::string text = c.in.str(c.self);
  std::string bare;
  bool comments = true;  // some may still end
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::string::npos;
    if (comments && std::string_view(text).substr(at).starts_with("<!--")) {
      end = text.find("-->", at);
      comments = end != std::string::npos;
      if (comments) end += 2;
    }
    if (text[at] == '<' && end == std::string::npos) end = text.find('>', at);
    if (end != std::string::npos) {
      at = end + 1;
    } else if (text[at] == '<') {  // no tag ends any more
      bare += text.substr(at);
      break;
    } else {
      bare += text[at++];
    }
  }
  std::string spaced;
  for (std::size_t at = 0; at < bare.size();) {
    const std::size_t begin = at;
    if (!is_space(next_code_point(bare, at))) {
      spaced.append(bare, begin, at - begin);
    } else if (!spaced.empty() && spaced.back() != ' ') {
      spaced += ' ';
    }
  }
  if (!spaced.empty() && spaced.back() == ' ') spaced.pop_back();
  constexpr std::pair<std::string_view, std::string_view> kEntities[] = {
      {"&lt;", "<"},  {"&gt;", ">"},          {"&quot;", "\""}, {"&#34;", "\""},
      {"&#39;", "'"}, {"&nbsp;", "\xC2\xA0"}, {"&amp;", "&"}};
  for (const auto& [entity, meaning] : kEntities) spaced = replaced(spaced, entity, meaning, -1, c.in.budget);
  return c.in.text(std::move(spaced));
}

std::string url_quoted(std::string_view text, bool query) {
  constexpr std::string_view kPlain = "_.-~";
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out;
  for (const char byte : text) {
    const auto b = static_cast<unsigned char>(byte);
    if ((b < 0x80 && std::isalnum(b)) || kPlain.find(byte) != std::string_view::npos || (byte == '/' && !query)) {
      out += byte;
    } else if (byte == ' ' && query) {
      out += '+';
    } else {
      out += '%';
      out += kHex[b >> 4];
      out += kHex[b & 15];
    }
  }
  return out;
}

Value filter_urlencode(Call& c) {
  if (c.self.is(Kind::string) || !is_iterable(c.self)) return c.in.text(url_quoted(c.in.str(c.self), false));
  std::string out;
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out += url_quoted(c.in.str(key), true) + "=" + url_quoted(c.in.str(value), true);
    c.in.budget.expect(out.size());
  };
  if (c.self.is(Kind::dict)) {
    for (const Dict::Entry& entry : c.self.dict()) add(entry.key, entry.value);
  } else {
    for (const Value& pair : c.in.all(c.self)) {
      const std::vector<Value> parts = c.in.all(pair);
      if (parts.size() != 2) stop(Fault::type, "ValueError: not enough values to unpack (expected 2)");
      add(parts[0], parts[1]);
    }
  }
  return c.in.text(std::move(out));
}

Value filter_xmlattr(Call& c) {
  if (!c.self.is(Kind::dict)) stop(Fault::type, "TypeError: xmlattr needs a mapping, not " + type_name(c.self));
  std::string out;
  for (const Dict::Entry& entry : c.self.dict()) {
    if (entry.value.is(Kind::none) || entry.value.is(Kind::undefined)) continue;
    const std::string key = c.in.str(entry.key);
    if (key.find_first_of(" \t\n\r\f/>=") != std::string::npos)
      stop(Fault::type, "ValueError: Invalid character in attribute name: " + repr(entry.key));
    out += (out.empty() ? "" : " ") + escaped_html(key) + "=\"" + escaped_html(c.in.str(entry.value)) + "\"";
    c.in.budget.expect(out.size());
  }
  if (!out.empty() && c.flag(0, true)) out.insert(0, " ");
  return c.in.text(std::move(out), true);
}

Value filter_format(Call& c) {
  const std::string pattern = c.in.str(c.self);
  if (!c.rest.named.empty()) {
    if (!c.rest.positional.empty()) stop(Fault::type, "can't handle positional and keyword arguments at the same time");
    Dict named;
    for (auto& [name, value] : c.rest.named) named.set(Value(name), value);
    return c.in.text(printf_text(c.in, pattern, c.in.dict(std::move(named))));
  }
  return c.in.text(printf_text(c.in, pattern, c.in.list(c.rest.positional, true)));
}

Value filter_tojson(Call& c) {
  JsonStyle style;
  style.ascii = c.flag(0, false);
  style.sort_keys = c.flag(3, false);
  if (c.has(1) && !c[1].is(Kind::none)) {
    style.lines = true;
    style.item = ",";
    if (c[1].is(Kind::string)) {
      style.indent = c.text(1);
    } else {
      const auto width = static_cast<std::size_t>(std::max<std::int64_t>(c.integer(1, 0), 0));
      c.in.budget.expect(width);
      style.indent.assign(width, ' ');
    }
  }
  if (c.has(2) && !c[2].is(Kind::none)) {
    const std::vector<Value> separators = c.in.all(c[2]);
    if (separators.size() != 2) stop(Fault::type, "ValueError: separators are two texts");
    style.item = c.in.str(separators[0]);
    style.key = c.in.str(separators[1]);
  }
  return c.in.text(to_json(c.self, style, &c.in.budget));
}

Value filter_filesizeformat(Call& c) {
  double bytes = 0;
  if (c.self.is(Kind::string)) {
    if (!parse_real(c.self.string(), bytes))
      stop(Fault::type, "ValueError: could not convert string to float: " + repr(c.self, &c.in.budget));
  } else {
    bytes = real_of(c.self);
  }
  const bool binary = c.flag(0, false);
  const double base = binary ? 1024 : 1000;
  constexpr const char* kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr const char* kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  if (bytes == 1) return Value("1 Byte");
  if (bytes < base) return c.in.text(fixed_text(std::trunc(bytes), 0) + " Bytes");
  double unit = base;
  std::size_t i = 0;
  for (; i < 7 && bytes >= unit * base; ++i) unit *= base;
  return c.in.text(fixed_text(bytes / unit, 1) + " " + (binary ? kBinary : kDecimal)[i]);
}

Value filter_pprint(Call& c) { return c.in.text(repr(c.self, &c.in.budget)); }

constexpr Builtin kTextFilters[] = {
    {"capitalize", filter_capitalize},
    {"center", filter_center, "width"},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"filesizeformat", filter_filesizeformat, "binary"},
    {"forceescape", filter_forceescape},
    {"format", filter_format, "*"},
    {"indent", filter_indent, "width first blank"},
    {"lower", filter_lower},
    {"pprint", filter_pprint},
    {"replace", filter_replace, "old! new! count"},
    {"safe", filter_safe},
    {"string", filter_string},
    {"striptags", filter_striptags},
    {"title", filter_title},
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys"},
    {"trim", filter_trim, "chars"},
    {"truncate", filter_truncate, "length killwords end leeway"},
    {"upper", filter_upper},
    {"urlencode", filter_urlencode},
    {"wordcount", filter_wordcount},
    {"xmlattr", filter_xmlattr, "autospace"},
};

}  // namespace

std::span<const Builtin> text_filters() { return kTextFilters; }

}  // namespace plumb
