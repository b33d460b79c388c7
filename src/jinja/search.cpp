#include "search.hpp"

#include <cstring>

#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

std::size_t find_text(std::string_view text, std::string_view what, std::size_t from, Budget& budget) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  const void* found = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  const std::size_t at = found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : text.size();
  budget.spend_bytes(at - from + what.size());
  return found ? at : std::string_view::npos;
}

std::size_t find_last(std::string_view text, std::string_view what, Budget& budget) {
  budget.spend_bytes(text.size() * (1 + what.size() / 8));  // std::string's search may look at each byte so often
  return text.rfind(what);
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with, std::int64_t count,
                     Budget& budget) {
  std::string out;
  std::size_t at = 0;
  const auto add = [&](std::string_view piece) {
    budget.spend_bytes(piece.size());
    budget.expect(out.size() + piece.size());
    out += piece;
  };
  for (; count != 0; --count) {
    if (what.empty()) {  // in front of every code point and at the end
      add(with);
      if (at == text.size()) break;
      const std::size_t begin = at;
      next_code_point(text, at);
      add(text.substr(begin, at - begin));
      continue;
    }
    const std::size_t found = find_text(text, what, at, budget);
    if (found == std::string_view::npos) break;
    add(text.substr(at, found - at));
    add(with);
    at = found + what.size();
  }
  add(text.substr(at));
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  const auto ends_line = [](CodePoint c) {
    return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0, at = 0; at < text.size();) {
    const std::size_t end = at;
    const CodePoint c = next_code_point(text, at);
    if (ends_line(c)) {
      if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
      lines.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
      begin = at;
    } else if (at == text.size()) {
      lines.push_back(text.substr(begin));
    }
  }
  return lines;
}

}  // namespace plumb
